//! Images as a camera: what a real one saw, played again.

use super::settings::{Files, Folder, List};
use super::{Content, Face, Frame};
use crate::capped_file::{self, ReadError};
use crate::landmarks::{LandmarkTable, LandmarksError};
use crate::photo;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The longest text file of paths, in bytes.
const MAX_LIST_LEN: u64 = 64 << 20;

/// Why images are no camera.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be listed.
    #[error("{}: cannot be listed: {source}; check [camera] path", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing to show.
    #[error("{}: no .jpg or .png file, expected the frames; check [camera] path", .0.display())]
    Empty(PathBuf),
    /// The list of paths cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The list of paths is no text, or names nothing.
    #[error("{}: {what}, expected the path of an image on each line; check [camera] files_in", path.display())]
    NotAList {
        /// The text file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// No landmarks.
    #[error(transparent)]
    Landmarks(#[from] LandmarksError),
    /// No landmarks, and nobody to look for them.
    #[error(
        "[camera] names no landmarks, and the bundle has no detector that finds them; name a landmarks.csv or take a bundle with a detector"
    )]
    NobodyFindsFaces,
}

/// Images, each shown once, in order.
pub struct FolderCamera {
    files: std::vec::IntoIter<PathBuf>,
    /// Without it, faces are to be looked for.
    landmarks: Option<LandmarkTable>,
}

impl FolderCamera {
    /// Opens a folder: its images, sorted by name; folders in it are not entered. Where it names
    /// no landmarks, they are looked for as [`LandmarkTable::beside`] does. There need not be any
    /// where faces `can_be_found`.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(folder: &Folder, can_be_found: bool) -> Result<Self, FolderError> {
        let path = &folder.path;
        let files = images(path).map_err(|source| FolderError::List {
            path: path.clone(),
            source,
        })?;
        if files.is_empty() {
            return Err(FolderError::Empty(path.clone()));
        }
        let landmarks = match LandmarkTable::beside(path, folder.landmarks.as_deref()) {
            Err(LandmarksError::NotFound(_)) if can_be_found => None,
            table => Some(table?),
        };
        let files = files.into_iter();
        Ok(Self { files, landmarks })
    }

    /// Opens a list. There need not be landmarks where faces `can_be_found`.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open_list(list: &List, can_be_found: bool) -> Result<Self, FolderError> {
        let files = match &list.files {
            Files::Named(files) => files.clone(),
            Files::In(path) => listed(path)?,
        };
        let landmarks = match &list.landmarks {
            Some(table) => Some(LandmarkTable::read(table)?),
            None if can_be_found => None,
            None => return Err(FolderError::NobodyFindsFaces),
        };
        let files = files.into_iter();
        Ok(Self { files, landmarks })
    }

    fn look(&self, path: &Path) -> Result<Content, String> {
        let image = photo::read(path).map_err(|error| error.to_string())?;
        let face = match self.landmarks.as_ref().map(|table| table.of_image(path)) {
            Some(Some(landmarks)) => Face::At(*landmarks),
            Some(None) => Face::Nowhere,
            None => Face::Unknown,
        };
        Ok(Content { image, face })
    }
}

impl Iterator for FolderCamera {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let path = self.files.next()?;
        let name = path.file_name().unwrap_or_default();
        Some(Frame {
            name: name.to_string_lossy().into_owned(),
            taken: Instant::now(),
            content: self.look(&path),
        })
    }
}

fn images(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if photo::is_named_as_one(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The paths of a text file, relative to its folder; empty lines and those that begin with `#` are
/// left out.
fn listed(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let not_a_list = |what| FolderError::NotAList {
        path: path.into(),
        what,
    };
    let bytes = capped_file::read(path, MAX_LIST_LEN)?;
    let text = String::from_utf8(bytes).map_err(|_| not_a_list("not UTF-8 text"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let lines = text.lines().map(str::trim);
    let named = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let files: Vec<_> = named.map(|line| folder.join(line)).collect();
    if files.is_empty() {
        return Err(not_a_list("it names nothing"));
    }
    Ok(files)
}
