//! The `[data]` table of a recipe: where its faces come from.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a drawn data set may hold at most: people and pictures of each.
const MAX_SYNTHETIC: (u64, u64) = (1_000_000, 10_000);
/// And pictures in all: 400 GB of crops, more than the largest public sets hold.
const MAX_PICTURES: u64 = 10_000_000;

/// Where the faces of a recipe come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum DataConfig {
    /// Photographs: a folder for each person, landmarks in a CSV beside.
    Folders {
        /// Below the data directory of the command line. A person of one name in several folders
        /// is one person.
        folders: Vec<PathBuf>,
        /// Share of the people who are kept out of training and measured on, above 0 and at most 0.9.
        held_out: f64,
        /// List of people to leave out, below the data directory: a name a line, `#` comments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude: Option<PathBuf>,
    },
    /// InsightFace's RecordIO: aligned crops in one file.
    Recordio {
        /// Holds train.rec, train.idx and property; below the data directory of the command line.
        folder: PathBuf,
        /// Share of the people who are kept out of training and measured on, above 0 and at most 0.9.
        held_out: f64,
        /// List of people to leave out, below the data directory: a label a line, `#` comments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exclude: Option<PathBuf>,
    },
    /// Drawn people.
    Synthetic {
        /// How many.
        people: u64,
        /// Pictures of each.
        pictures: u64,
        /// Share of the people who are kept out of training and measured on, above 0 and at most 0.9.
        held_out: f64,
    },
}

impl DataConfig {
    /// Share of the people who are kept out of training.
    pub fn held_out(&self) -> f64 {
        match self {
            Self::Folders { held_out, .. }
            | Self::Recordio { held_out, .. }
            | Self::Synthetic { held_out, .. } => *held_out,
        }
    }

    /// The list of people to leave out, below the data directory.
    pub fn exclude(&self) -> Option<&Path> {
        match self {
            Self::Folders { exclude, .. } | Self::Recordio { exclude, .. } => exclude.as_deref(),
            Self::Synthetic { .. } => None,
        }
    }

    /// Its folders below the data directory.
    pub(super) fn folders(&self) -> &[PathBuf] {
        match self {
            Self::Folders { folders, .. } => folders,
            Self::Recordio { folder, .. } => std::slice::from_ref(folder),
            Self::Synthetic { .. } => &[],
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let held_out = self.held_out();
        if !(held_out > 0.0 && held_out <= 0.9) {
            return Err(format!(
                "[data] held_out = {held_out} must be above 0 and at most 0.9"
            ));
        }
        match self {
            Self::Folders { folders, .. } if folders.is_empty() => {
                Err("[data] folders must name at least one".into())
            }
            Self::Synthetic {
                people, pictures, ..
            } if !(4..=MAX_SYNTHETIC.0).contains(people)
                || !(2..=MAX_SYNTHETIC.1).contains(pictures) =>
            {
                let (most_people, most_pictures) = MAX_SYNTHETIC;
                Err(format!(
                    "[data] people = {people} must be in 4 to {most_people} and pictures = {pictures} in 2 to {most_pictures}"
                ))
            }
            Self::Synthetic {
                people, pictures, ..
            } if people * pictures > MAX_PICTURES => Err(format!(
                "[data] people = {people} times pictures = {pictures} must be at most {MAX_PICTURES}"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_read_and_written_alike() {
        for (text, folders, exclude) in [
            ("source = \"folders\"\nfolders = [\"a\", \"b\"]", 2, None),
            (
                "source = \"folders\"\nfolders = [\"a\"]\nexclude = \"x\"",
                1,
                Some("x"),
            ),
            (
                "source = \"recordio\"\nfolder = \"a\"\nexclude = \"x\"",
                1,
                Some("x"),
            ),
            ("source = \"recordio\"\nfolder = \"a\"", 1, None),
            ("source = \"synthetic\"\npeople = 4\npictures = 2", 0, None),
        ] {
            let config: DataConfig = toml::from_str(&format!("{text}\nheld_out = 0.1")).unwrap();
            assert_eq!(config.check(), Ok(()));
            assert_eq!(config.folders().len(), folders);
            assert_eq!(config.exclude(), exclude.map(Path::new));
            let written = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<DataConfig>(&written).unwrap(), config);
        }
    }
}
