//! Faces to train on: found in folders or drawn, aligned once, kept packed on disk.

pub mod aligned;
mod config;
mod drawn;
pub mod exclude;
pub mod folder;
pub mod loader;
pub mod packed;
pub mod recordio;
pub mod summary;
pub mod synthetic;

pub use config::DataConfig;
pub use drawn::{synthetic_face, synthetic_name};

use crate::evaluate::{ENROLLED_PAIRS, enrolled_counts};
use crate::operating_point::IMPOSTOR_PAIRS_NEEDED;
use drawn::{pixels_digest, synthetic_set};
use edge_runtime::capped_file::ReadError;
use packed::{PackError, PackedSet, Source};
use recordio::{RecordError, Records};
use shared::align::AlignTemplate;
use shared::digest::Digest;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use summary::Summary;

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
    /// A broken RecordIO set.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// No exclusion list where the recipe names one.
    #[error("exclusion list {0}; [data] exclude is a file below the directory of --data")]
    Exclude(ReadError),
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
    let below = |path: &Path| match data {
        Some(data) => Ok(data.join(path)),
        None => Err(DataError::NoDirectory(config.folders().into())),
    };
    let excluded = config
        .exclude()
        .map(|list| exclude::read(&below(list)?).map_err(DataError::Exclude));
    let excluded = excluded.transpose()?;
    let folders = config.folders().iter().map(|folder| below(folder));
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let mut set = match config {
        DataConfig::Folders { .. } => folder_set(&folders, template, cache)?,
        DataConfig::Recordio { .. } => record_set(&folders[0], template, cache)?,
        DataConfig::Synthetic {
            people, pictures, ..
        } => synthetic_set(*people, *pictures, template, seed, cache)?,
    };
    if let Some(names) = excluded {
        set.exclude(&names);
    }
    Ok(set)
}

/// The packed set of the photographs in some folders, made first if this is the first time.
///
/// # Errors
/// [`DataError::Folder`] or [`DataError::Pack`].
pub fn folder_set(
    folders: &[PathBuf],
    template: AlignTemplate,
    cache: &Path,
) -> Result<PackedSet, DataError> {
    let found = folder::scan(folders)?;
    let source = Source {
        template,
        key: found.key(template, pixels_digest(template)),
        people: found.people.clone(),
        len: found.images.len(),
        summary: found.summary.clone(),
    };
    Ok(PackedSet::open_or_make(cache, source, |i| {
        found.crop(i, template)
    })?)
}

fn record_set(
    folder: &Path,
    template: AlignTemplate,
    cache: &Path,
) -> Result<PackedSet, DataError> {
    let records = Records::open(folder)?;
    let key = records.key(template);
    if let Some(set) = PackedSet::made(cache, &key)? {
        return Ok(set);
    }
    // Looks at every record, which takes minutes with a large set.
    let labels = records.labels()?;
    let source = Source {
        template,
        key,
        people: records.people(),
        len: labels.len(),
        summary: Summary::default(),
    };
    let crop = |i: usize| records.crop(i, labels[i], template);
    Ok(PackedSet::open_or_make(cache, source, crop)?)
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
    let is_held_out = |person: u32| held_out_name(&set.people()[person as usize], share, seed);
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

/// Whether a person of that name is among the `share` that is kept out of training.
pub(crate) fn held_out_name(name: &str, share: f64, seed: u64) -> bool {
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
            .map(|i| held_out_name(&synthetic_name(i), 0.2, 1))
            .collect();
        let count = held.iter().filter(|h| **h).count();
        assert!((150..250).contains(&count), "{count}");
        assert!((0..1000).any(|i| held_out_name(&synthetic_name(i), 0.2, 2) != held[i as usize]));
        assert!((0..1000).all(|i| !held[i as usize] || held_out_name(&synthetic_name(i), 0.4, 1)));
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
