//! `blufr.json`: which images each trial takes.

use edge_runtime::capped_file::{self, ReadError};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The longest file that is read; LFW's ten trials take 1 MB.
const MAX_BYTES: u64 = 256 << 20;

/// A protocol that can be scored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Protocol {
    images: Vec<String>,
    labels: Vec<i64>,
    trials: Vec<Trial>,
}

/// One trial, as places in the list of images, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Trial {
    /// To train on; nothing here does.
    pub train: Vec<usize>,
    /// Every pair of them is verified.
    pub test: Vec<usize>,
    /// People who are known.
    pub gallery: Vec<usize>,
    /// Searched for in the gallery: genuine where their person is in it, else impostors.
    pub probe: Vec<usize>,
}

/// Why a protocol cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BlufrError {
    /// Not there, or no protocol by its size.
    #[error("BLUFR protocol {0}")]
    Read(#[from] ReadError),
    /// Not the JSON that is expected.
    #[error(
        "BLUFR protocol {path}: {source}; expected an object with images, labels and trials, each trial with train, test, gallery and probe"
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// What serde found.
        source: serde_json::Error,
    },
    /// Not one label for each image.
    #[error("BLUFR protocol {path}: {labels} labels for {images} images; give one each")]
    Labels {
        /// The file.
        path: PathBuf,
        /// How many there are.
        labels: usize,
        /// How many there should be.
        images: usize,
    },
    /// No spread can be told.
    #[error("BLUFR protocol {path}: {found} trials, at least 2 are needed for a deviation")]
    Trials {
        /// The file.
        path: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// A trial that cannot be scored; trials are counted from 1.
    #[error("BLUFR protocol {path}, trial {trial}: {reason}")]
    Trial {
        /// The file.
        path: PathBuf,
        /// From 1.
        trial: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads and checks a protocol.
///
/// # Errors
/// [`BlufrError`].
pub fn read(path: &Path) -> Result<Protocol, BlufrError> {
    let path = path.to_path_buf();
    let bytes = capped_file::read(&path, MAX_BYTES)?;
    let protocol: Protocol = match serde_json::from_slice(&bytes) {
        Ok(protocol) => protocol,
        Err(source) => return Err(BlufrError::Json { path, source }),
    };
    let (images, labels) = (protocol.images.len(), protocol.labels.len());
    if labels != images {
        return Err(BlufrError::Labels {
            path,
            labels,
            images,
        });
    }
    let found = protocol.trials.len();
    if found < 2 {
        return Err(BlufrError::Trials { path, found });
    }
    for (i, trial) in protocol.trials.iter().enumerate() {
        if let Err(reason) = trial.check(&protocol.labels) {
            let trial = i + 1;
            return Err(BlufrError::Trial {
                path,
                trial,
                reason,
            });
        }
    }
    Ok(protocol)
}

impl Protocol {
    /// Paths relative to the image folder.
    pub fn images(&self) -> &[String] {
        &self.images
    }

    /// Who is on each image.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// At least two.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }
}

impl Trial {
    fn check(&self, labels: &[i64]) -> Result<(), String> {
        let lists = [&self.train, &self.test, &self.gallery, &self.probe];
        for (name, list) in ["train", "test", "gallery", "probe"].iter().zip(lists) {
            if let Some(index) = list.iter().find(|index| **index >= labels.len()) {
                let images = labels.len();
                return Err(format!(
                    "{name} names image {index} of {images}; they are counted from 0"
                ));
            }
        }
        // An image compared with itself would be a genuine pair that always matches.
        let searched: Vec<usize> = self.gallery.iter().chain(&self.probe).copied().collect();
        for (names, list) in [("test", &self.test), ("gallery and probe", &searched)] {
            let mut seen = HashSet::new();
            if let Some(twice) = list.iter().find(|index| !seen.insert(**index)) {
                return Err(format!("{names} name image {twice} twice; name each once"));
            }
        }
        let people = |list: &[usize]| list.iter().map(|i| labels[*i]).collect::<HashSet<_>>();
        let known = people(&self.gallery);
        let mated = |index: &&usize| known.contains(&labels[**index]);
        let genuine = self.probe.iter().filter(mated).count();
        for (missing, what) in [
            (
                people(&self.test).len() == self.test.len(),
                "no pair of one person in test",
            ),
            (
                people(&self.test).len() < 2,
                "no pair of two people in test",
            ),
            (genuine == 0, "no probe of a person in the gallery"),
            (
                genuine == self.probe.len(),
                "no probe of a person outside the gallery",
            ),
        ] {
            if missing {
                return Err(format!("{what}, so there is no rate to tell"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn small() -> Value {
        let trial = json!({"train": [5], "test": [0, 1, 2], "gallery": [0], "probe": [1, 2]});
        json!({"images": ["a1", "a2", "b1", "c1", "c2", "d1"], "labels": [1, 1, 2, 3, 3, 4],
            "trials": [trial, trial]})
    }

    fn parse(text: &str) -> Result<Protocol, BlufrError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blufr.json");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_protocol_is_read() {
        let protocol = parse(&small().to_string()).unwrap();
        assert_eq!(protocol.trials().len(), 2);
        assert_eq!(protocol.images()[protocol.trials()[1].probe[1]], "b1");
    }

    #[test]
    fn every_broken_protocol_says_what_is_wrong() {
        let check = |pointer: &str, value: Value, needle: &str| {
            let mut broken = small();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = parse(&broken.to_string()).unwrap_err().to_string();
            assert!(
                message.contains("blufr.json") && message.contains(needle),
                "{message}"
            );
        };
        check("/labels", json!([1, 1, 2]), "3 labels for 6 images");
        check("/trials", json!([]), "0 trials");
        check("/trials/1", json!({"train": []}), "missing field `test`");
        check("/trials/1/test/2", json!(-1), "invalid value");
        for list in ["train", "test", "gallery", "probe"] {
            let needle = format!("trial 2: {list} names image 6 of 6");
            check(&format!("/trials/1/{list}/0"), json!(6), &needle);
        }
        check(
            "/trials/0/test/2",
            json!(1),
            "trial 1: test name image 1 twice",
        );
        check("/trials/0/probe/0", json!(0), "probe name image 0 twice");
        check("/trials/0/test", json!([0, 2]), "no pair of one person");
        check("/trials/0/test", json!([0, 1]), "no pair of two people");
        check("/trials/0/test", json!([]), "no pair of one person");
        check(
            "/trials/0/gallery",
            json!([3]),
            "no probe of a person in the gallery",
        );
        check("/trials/0/probe", json!([1]), "outside the gallery");
        for text in ["", "{}", "[1]", "\u{0}\u{1}", "{\"images\": [1]}"] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("blufr.json: "), "{message}");
        }
        let missing = read(Path::new("/nowhere/blufr.json")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/blufr.json"));
    }
}
