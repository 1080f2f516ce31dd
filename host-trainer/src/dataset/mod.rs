//! Faces to train on: found in folders or drawn, aligned once, kept packed on disk.

pub mod folder;
pub mod loader;
pub mod packed;
pub mod summary;
pub mod synthetic;

use crate::evaluate::{ENROLLED_PAIRS, enrolled_counts};
use crate::operating_point::IMPOSTOR_PAIRS_NEEDED;
use packed::{Crop, PackError, PackedSet, Source};
use serde::{Deserialize, Serialize};
use shared::align::{AlignTemplate, AlignedFace, RgbImage, align};
use shared::digest::Digest;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use summary::Summary;

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
    /// Too little to learn from.
    #[error("{0} people to train on, at least 2 are needed: add people, or lower [data] held_out")]
    TooFewPeople(usize),
    /// Too little to measure thresholds on.
    #[error(
        "the {people} people held out have {genuine} genuine and {impostor} impostor pairs ({ENROLLED_PAIRS}), at least 1 and \
         {IMPOSTOR_PAIRS_NEEDED} are needed to measure thresholds: add images, or raise [data] held_out"
    )]
    TooFewPairs {
        /// With a usable image.
        people: usize,
        /// Pairs of one person.
        genuine: u64,
        /// Pairs of two people.
        impostor: u64,
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
            let key = found.key(template, pixels_digest(template));
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
    let digest = pixels_digest(template);
    let drawing = synthetic::RENDERER_VERSION;
    let key = format!("synthetic {drawing} {people} {pictures} {template:?} {seed} {digest}");
    let source = Source {
        template,
        key: Digest::of(key.as_bytes()).0,
        people: (0..people).map(synthetic_name).collect(),
        len: (people * pictures) as usize,
        summary: Summary::default(),
    };
    PackedSet::open_or_make(cache, source, |i| {
        let (person, number) = (i as u64 / pictures, i as u64 % pictures);
        let face = synthetic_face(seed, person, number, template);
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

/// A drawn face, aligned.
pub fn synthetic_face(seed: u64, person: u64, number: u64, template: AlignTemplate) -> AlignedFace {
    let picture = synthetic::render(&synthetic::Identity::new(seed, person), number);
    let frame = &picture.frame;
    let image = RgbImage::new(
        frame.width() as usize,
        frame.height() as usize,
        frame.as_raw(),
    )
    .expect("a rendered frame is whole");
    align(image, &picture.landmarks, template).expect("rendered landmarks span a face")
}

/// Changes when faces are aligned otherwise: what was packed before is then not used. One face
/// passes through all of the alignment, but not through all of the drawing.
fn pixels_digest(template: AlignTemplate) -> Digest {
    Digest::of(synthetic_face(0, 0, 0, template).pixels())
}

/// Which people are kept out of training: those whose hashed names come first, so that a person
/// stays on one side whatever else is added.
///
/// # Errors
/// [`DataError::TooFewPeople`] with fewer than two people to train on, and
/// [`DataError::TooFewPairs`] if the others have too few images to measure on.
pub fn held_out_people(set: &PackedSet, share: f64, seed: u64) -> Result<HashSet<u32>, DataError> {
    let mut images: BTreeMap<u32, usize> = BTreeMap::new();
    (0..set.len()).for_each(|i| *images.entry(set.person(i)).or_default() += 1);
    let is_held_out = |person: u32| held_out(&set.people()[person as usize], share, seed);
    let (measured, trained): (Vec<_>, Vec<_>) = images.iter().partition(|(p, _)| is_held_out(**p));
    if trained.len() < 2 {
        return Err(DataError::TooFewPeople(trained.len()));
    }
    let counts: Vec<usize> = measured.iter().map(|(_, n)| **n).collect();
    let (genuine, impostor) = enrolled_counts(&counts);
    if genuine == 0 || impostor < IMPOSTOR_PAIRS_NEEDED {
        return Err(DataError::TooFewPairs {
            people: measured.len(),
            genuine,
            impostor,
        });
    }
    Ok(measured.into_iter().map(|(person, _)| *person).collect())
}

fn held_out(name: &str, share: f64, seed: u64) -> bool {
    let digest = Digest::of(format!("{seed} {name}").as_bytes());
    let first: [u8; 8] = digest.0[..8].try_into().expect("a digest has 32 bytes");
    u64::from_be_bytes(first) < (share * u64::MAX as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_held_out_and_depends_on_name_and_seed_alone() {
        let held: Vec<bool> = (0..1000)
            .map(|i| held_out(&synthetic_name(i), 0.2, 1))
            .collect();
        let count = held.iter().filter(|h| **h).count();
        assert!((150..250).contains(&count), "{count}");
        assert!((0..1000).any(|i| held_out(&synthetic_name(i), 0.2, 2) != held[i as usize]));
        assert!((0..1000).all(|i| !held[i as usize] || held_out(&synthetic_name(i), 0.4, 1)));
    }

    #[test]
    fn too_little_to_train_or_measure_on_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let check = |people, pictures, share, needle: &str| {
            let data = DataConfig::Synthetic {
                people,
                pictures,
                held_out: share,
            };
            let set = prepare(&data, None, AlignTemplate::Arcface112x112, 3, dir.path()).unwrap();
            let found = held_out_people(&set, share, 1).map(|people| people.len());
            let message = found.map_or_else(|error| error.to_string(), |n| format!("{n} held out"));
            assert!(message.contains(needle), "{message}");
        };
        check(4, 2, 1e-9, "0 genuine and 0 impostor pairs");
        check(4, 2, 0.999_999, "0 people to train on");
        check(12, 6, 0.5, "8 held out");
        // 100 pairs of single images, but 80 of a mean and an image: no threshold would come of it.
        check(6, 10, 0.3, "60 genuine and 80 impostor");
    }
}
