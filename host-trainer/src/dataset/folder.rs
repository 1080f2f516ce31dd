//! A folder for each person, landmarks in a CSV beside: `images/<person>/<file>` + `landmarks.csv`.

use super::packed::Crop;
use super::summary::{Problem, ProblemKind, Summary};
use edge_runtime::landmarks::{LandmarkTable, LandmarksError};
use sha2::{Digest as _, Sha256};
use shared::align::{AlignTemplate, Landmarks};
use shared::digest::Digest;
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a folder cannot be scanned at all.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not there, or not readable.
    #[error("{path}: {source}; expected a folder with images/<person>/<file> and landmarks.csv")]
    Read {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No landmarks.csv.
    #[error("{0}: no landmarks.csv in this folder or beside it; put one there")]
    NoTable(PathBuf),
    /// A broken landmarks.csv.
    #[error(transparent)]
    Landmarks(#[from] LandmarksError),
}

/// An image that can be tried.
#[derive(Debug, Clone)]
pub struct FoundImage {
    /// Index of the person.
    pub person: u32,
    /// Where it lies.
    pub path: PathBuf,
    /// `folder/person/file`, for people and for the key.
    pub name: String,
    landmarks: Landmarks,
    /// Length in bytes and time of the last change: what says that the file is the same.
    stamp: (u64, i64),
}

impl FoundImage {
    /// In pixels of the image.
    pub fn landmarks(&self) -> &Landmarks {
        &self.landmarks
    }
}

/// What several folders hold together.
#[derive(Debug, Default)]
pub struct Found {
    /// Names, in order.
    pub people: Vec<String>,
    /// By person, then by name.
    pub images: Vec<FoundImage>,
    /// What was left out so far; broken images are known when they are read.
    pub summary: Summary,
}

/// Looks through folders without opening an image.
///
/// # Errors
/// [`FolderError`] if a folder or its landmarks.csv cannot be read.
pub fn scan(folders: &[PathBuf]) -> Result<Found, FolderError> {
    let mut people: BTreeMap<String, Vec<FoundImage>> = BTreeMap::new();
    let mut summary = Summary::default();
    for folder in folders {
        scan_folder(folder, &mut people, &mut summary)?;
    }
    let mut found = Found {
        summary,
        ..Found::default()
    };
    for (name, mut images) in people {
        let person = found.people.len() as u32;
        images.iter_mut().for_each(|image| image.person = person);
        images.sort_by(|a, b| a.name.cmp(&b.name));
        found.people.push(name);
        found.images.extend(images);
    }
    Ok(found)
}

fn scan_folder(
    folder: &Path,
    people: &mut BTreeMap<String, Vec<FoundImage>>,
    summary: &mut Summary,
) -> Result<(), FolderError> {
    let images = folder.join("images");
    let images = if images.is_dir() {
        images
    } else {
        folder.into()
    };
    // Before the table: a folder that is not there has none either.
    let inside = entries(&images)?;
    let landmarks = LandmarkTable::beside(&images, None).map_err(|error| match error {
        LandmarksError::NotFound(path) => FolderError::NoTable(path),
        other => other.into(),
    })?;
    let title = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut seen = HashSet::new();
    for (person, dir) in inside {
        if !dir.is_dir() {
            // A landmarks.csv may lie among the people.
            if dir != landmarks.path() {
                summary.add(
                    ProblemKind::NoPerson,
                    format!("{title}/{person}"),
                    "in no person's folder",
                );
            }
            seen.insert(person);
            continue;
        }
        let files = entries(&dir)?;
        if files.is_empty() {
            summary.add(
                ProblemKind::EmptyFolder,
                format!("{title}/{person}"),
                "no file in it",
            );
        }
        for (file, path) in files {
            let (row, name) = (
                format!("{person}/{file}"),
                format!("{title}/{person}/{file}"),
            );
            match landmarks.get(&row) {
                Some(landmarks) => {
                    let (landmarks, stamp) = (*landmarks, stamp(&path));
                    let image = FoundImage {
                        person: 0,
                        path,
                        name,
                        landmarks,
                        stamp,
                    };
                    people.entry(person.clone()).or_default().push(image);
                }
                None => summary.add(ProblemKind::NoLandmarks, name, "no row in landmarks.csv"),
            }
            seen.insert(row);
        }
    }
    for (row, _) in landmarks.iter().filter(|(row, _)| !seen.contains(*row)) {
        summary.add(
            ProblemKind::NoImage,
            format!("{title}/{row}"),
            "no such file",
        );
    }
    Ok(())
}

/// Paths `<person>/<file>` below a folder of people, sorted; what is no folder is no person.
///
/// # Errors
/// [`FolderError::Read`].
pub fn images_of_people(folder: &Path) -> Result<Vec<String>, FolderError> {
    let mut images = Vec::new();
    for (person, dir) in entries(folder)?.into_iter().filter(|(_, dir)| dir.is_dir()) {
        let files = entries(&dir)?.into_iter();
        images.extend(files.map(|(file, _)| format!("{person}/{file}")));
    }
    Ok(images)
}

/// Names and paths in a folder, sorted, without hidden ones.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, FolderError> {
    let read = |source| FolderError::Read {
        path: dir.into(),
        source,
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

/// Zeros for a file that cannot be looked at: reading it will say why. The time is that of the
/// inode, which changes with content, owner and permissions.
pub(super) fn stamp(path: &Path) -> (u64, i64) {
    std::fs::metadata(path).map_or((0, 0), |m| {
        (m.len(), m.ctime() * 1_000_000_000 + m.ctime_nsec())
    })
}

impl Found {
    /// Changes when a file, a landmark or the template does, or how faces are aligned.
    pub fn key(&self, template: AlignTemplate, pixels_digest: Digest) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(format!("folders {template:?} {pixels_digest}"));
        for image in &self.images {
            hash.update(format!("\n{} {:?} ", image.name, image.stamp));
            image.landmarks.0.iter().for_each(|p| {
                hash.update(p.x.to_le_bytes());
                hash.update(p.y.to_le_bytes());
            });
        }
        hash.finalize().into()
    }

    /// Reads and aligns one image.
    ///
    /// # Errors
    /// The problem that keeps it out of the set.
    pub fn crop(&self, index: usize, template: AlignTemplate) -> Result<Crop, Problem> {
        let image = &self.images[index];
        let problem = |kind, reason| Problem {
            kind,
            path: image.name.clone(),
            reason,
        };
        let photo = edge_runtime::photo::read(&image.path)
            .map_err(|error| problem(ProblemKind::BrokenImage, error.to_string()))?;
        let face = edge_runtime::face::align(&photo, &image.landmarks, template)
            .map_err(|error| problem(ProblemKind::BadLandmarks, error.to_string()))?;
        Ok(Crop {
            person: image.person,
            name: image.name.clone(),
            face,
        })
    }
}
