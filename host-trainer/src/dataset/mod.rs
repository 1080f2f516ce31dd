//! Faces to train on: found in folders or drawn, aligned once, kept packed on disk.

pub mod folder;
pub mod loader;
pub mod packed;
pub mod summary;
pub mod synthetic;

use packed::{Crop, PackError, PackedSet, Source};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::align::{AlignTemplate, AlignedFace, RgbImage, align};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use summary::Summary;

/// Changes when a synthetic face is drawn otherwise: a packed set of the old ones is then not used.
const RENDERER_VERSION: u32 = 1;

/// Where the faces of a recipe come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum DataConfig {
    /// Photographs: a folder for each person, landmarks in a CSV beside.
    Folders {
        /// Below the data directory of the command line. A person of one name in several folders
        /// is one person.
        folders: Vec<PathBuf>,
        /// Share of the people who are kept out of training and measured on, 0 to 0.9.
        held_out: f64,
    },
    /// Drawn people.
    Synthetic {
        /// How many.
        people: u64,
        /// Pictures of each.
        pictures: u64,
        /// Share of the people who are kept out of training and measured on, 0 to 0.9.
        held_out: f64,
    },
}

/// Why there is nothing to train on.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The recipe wants folders and the command names none.
    #[error(
        "this recipe trains on photographs: give the directory that holds {0:?} with --data DIR"
    )]
    NoDirectory(Vec<PathBuf>),
    /// A folder that cannot be read, or a broken landmarks.csv.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    /// The packed set cannot be written or read.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Too little to learn from or to measure on.
    #[error("{people} people in {part}, at least {needed} are needed: {hint}")]
    TooFewPeople {
        /// Training or held-out.
        part: &'static str,
        /// How many there are.
        people: usize,
        /// How many there must be.
        needed: usize,
        /// What to look at.
        hint: &'static str,
    },
}

impl DataConfig {
    /// Share of the people who are kept out of training.
    pub fn held_out(&self) -> f64 {
        match self {
            Self::Folders { held_out, .. } | Self::Synthetic { held_out, .. } => *held_out,
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=0.9).contains(&self.held_out()) {
            return Err(format!(
                "[data] held_out = {} must be in 0 to 0.9",
                self.held_out()
            ));
        }
        match self {
            Self::Folders { folders, .. } if folders.is_empty() => {
                Err("[data] folders must name at least one".into())
            }
            Self::Synthetic {
                people, pictures, ..
            } if *people < 4 || *pictures < 2 => {
                Err("[data] people must be at least 4 and pictures at least 2".into())
            }
            _ => Ok(()),
        }
    }
}

/// Opens the packed set of a recipe's faces, making it first if this is the first time.
///
/// # Errors
/// [`DataError`].
pub fn prepare(
    config: &DataConfig,
    data: Option<&Path>,
    template: AlignTemplate,
    seed: u64,
    cache: &Path,
) -> Result<PackedSet, DataError> {
    match config {
        DataConfig::Folders { folders, .. } => {
            let data = data.ok_or_else(|| DataError::NoDirectory(folders.clone()))?;
            let paths: Vec<PathBuf> = folders.iter().map(|f| data.join(f)).collect();
            let found = folder::scan(&paths)?;
            let key = found.key(template);
            let make = |i: usize| found.crop(i, template);
            let source = Source {
                template,
                key,
                people: found.people.clone(),
                len: found.images.len(),
                summary: found.summary.clone(),
            };
            Ok(PackedSet::open_or_make(cache, source, make)?)
        }
        DataConfig::Synthetic {
            people, pictures, ..
        } => Ok(synthetic_set(*people, *pictures, template, seed, cache)?),
    }
}

fn synthetic_set(
    people: u64,
    pictures: u64,
    template: AlignTemplate,
    seed: u64,
    cache: &Path,
) -> Result<PackedSet, PackError> {
    let key = format!("synthetic {RENDERER_VERSION} {people} {pictures} {template:?} {seed}");
    let source = Source {
        template,
        key: Sha256::digest(key.as_bytes()).into(),
        people: (0..people).map(synthetic_name).collect(),
        len: (people * pictures) as usize,
        summary: Summary::default(),
    };
    PackedSet::open_or_make(cache, source, |i| {
        let (person, number) = (i as u64 / pictures, i as u64 % pictures);
        let picture = synthetic::render(&synthetic::Identity::new(seed, person), number);
        let face = align_picture(&picture, template);
        Ok(Crop {
            person: person as u32,
            name: format!("{}/{number:04}", synthetic_name(person)),
            face,
        })
    })
}

/// The folder name of a drawn person.
pub fn synthetic_name(index: u64) -> String {
    format!("p{index:06}")
}

fn align_picture(picture: &synthetic::Picture, template: AlignTemplate) -> AlignedFace {
    let frame = &picture.frame;
    let image = RgbImage::new(
        frame.width() as usize,
        frame.height() as usize,
        frame.as_raw(),
    )
    .expect("a rendered frame is whole");
    align(image, &picture.landmarks, template).expect("rendered landmarks span a face")
}

/// Which people are kept out of training: those whose hashed names come first, so that a person
/// stays on one side whatever else is added.
///
/// # Errors
/// [`DataError::TooFewPeople`].
pub fn held_out_people(
    people: &[String],
    share: f64,
    seed: u64,
) -> Result<HashSet<u32>, DataError> {
    let hash = |name: &String| {
        let digest = Sha256::digest(format!("{seed} {name}").as_bytes());
        u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
    };
    let bound = (share * u64::MAX as f64) as u64;
    let held_out: HashSet<u32> = (0..)
        .zip(people)
        .filter(|(_, name)| hash(name) < bound)
        .map(|(i, _)| i)
        .collect();
    let enough = |part, people, needed, hint| {
        let error = DataError::TooFewPeople {
            part,
            people,
            needed,
            hint,
        };
        if people < needed { Err(error) } else { Ok(()) }
    };
    enough(
        "training",
        people.len() - held_out.len(),
        2,
        "add people, or lower [data] held_out",
    )?;
    enough(
        "held-out",
        held_out.len(),
        2,
        "thresholds are measured on them; raise [data] held_out or add people",
    )?;
    Ok(held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_stays_on_one_side_when_others_come() {
        let some: Vec<String> = (0..200).map(synthetic_name).collect();
        let more: Vec<String> = (0..400).map(synthetic_name).collect();
        let (few, many) = (
            held_out_people(&some, 0.2, 1).unwrap(),
            held_out_people(&more, 0.2, 1).unwrap(),
        );
        assert!((20..60).contains(&few.len()), "{}", few.len());
        assert!((0..200).all(|i| few.contains(&i) == many.contains(&i)));
        assert_ne!(few, held_out_people(&some, 0.2, 2).unwrap());
    }

    #[test]
    fn too_few_people_are_refused() {
        let one = vec!["a".to_string()];
        assert!(
            held_out_people(&one, 0.5, 1)
                .unwrap_err()
                .to_string()
                .contains("people in")
        );
    }
}
