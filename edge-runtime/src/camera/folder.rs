//! A folder of images as a camera: what a real one saw, played again.

use super::{Content, Face, Frame};
use crate::landmarks::{LandmarkTable, LandmarksError};
use crate::photo;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a folder is no camera.
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
    /// No landmarks.
    #[error(transparent)]
    Landmarks(#[from] LandmarksError),
}

/// The images of a folder, sorted by name; folders in it are not entered.
pub struct FolderCamera {
    files: std::vec::IntoIter<PathBuf>,
    /// Without it, faces are to be looked for.
    landmarks: Option<LandmarkTable>,
}

impl FolderCamera {
    /// Opens a folder; `landmarks` names their table, otherwise it is looked for as
    /// [`LandmarkTable::beside`] does. There need not be one where faces `can_be_found`.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(
        folder: &Path,
        landmarks: Option<&Path>,
        can_be_found: bool,
    ) -> Result<Self, FolderError> {
        let files = images(folder).map_err(|source| FolderError::List {
            path: folder.into(),
            source,
        })?;
        if files.is_empty() {
            return Err(FolderError::Empty(folder.into()));
        }
        let landmarks = match LandmarkTable::beside(folder, landmarks) {
            Err(LandmarksError::NotFound(_)) if can_be_found => None,
            table => Some(table?),
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
            content: self.look(&path),
        })
    }
}

fn images(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_image = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        ["jpg", "jpeg", "png"]
            .iter()
            .any(|known| extension == *known)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_image(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
