//! Photographs in the place of a camera: one person is enrolled from the first of hers, and sees
//! the door with the others; everybody else is a stranger.

use crate::enroll::{self, EnrollError, Enrollment, Eyes};
use crate::photo;
use crate::quality::Limits;
use shared::bundle::OperatingPoint;
use shared::roster::Roster;
use std::io;
use std::path::{Path, PathBuf};

/// So many photographs are enrolled from, and no more than half of them, so that some are left.
const ENROLLED: usize = 3;
/// What the person of a folder without folders is called.
const NAMELESS: &str = "me";

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The folder cannot be listed.
    #[error("{}: cannot be listed: {source}; check --images", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Too few photographs.
    #[error(
        "{}: no two .jpg or .png files of one person, of which one could be enrolled from and the other shown: --images takes a \
         folder of your photographs, or one with a folder for each person", .0.display()
    )]
    Empty(PathBuf),
    /// Nobody can be enrolled from them.
    #[error("nobody can be enrolled from {}:\n{reasons}", path.display())]
    NoneGood {
        /// The folder of the person.
        path: PathBuf,
        /// One for each photograph.
        reasons: String,
    },
    /// The templates make no record.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
}

/// What is shown, in order.
pub struct Show {
    /// Who is enrolled.
    pub enrollment: Enrollment,
    /// Photographs that cannot be enrolled from, and why; they are shown to the door.
    pub refused: Vec<String>,
    /// Photographs, and whether they are of the person who is enrolled.
    pub shown: Vec<(PathBuf, bool)>,
}

impl Show {
    /// Looks through a folder: its photographs are one person's, or it has a folder for each
    /// person, by name. The first person with two photographs or more is enrolled, from up to
    /// three of them that are good enough.
    ///
    /// # Errors
    /// [`ShowError`].
    pub fn of(
        folder: &Path,
        eyes: Eyes<'_>,
        beside: (&Roster, &OperatingPoint),
        enrolled_at: u64,
    ) -> Result<Self, ShowError> {
        let list = |path: &Path| {
            listed(path).map_err(|source| ShowError::List {
                path: path.into(),
                source,
            })
        };
        let (own, folders) = list(folder)?;
        let mut people = vec![(folder.to_path_buf(), own)];
        for person in folders {
            let (photos, _) = list(&person)?;
            people.push((person, photos));
        }
        let first = people.iter().position(|(_, photos)| photos.len() > 1);
        let first = first.ok_or_else(|| ShowError::Empty(folder.into()))?;
        let (path, photos) = people.remove(first);
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name = name.filter(|_| path != folder);
        let wanted = (photos.len() / 2).clamp(1, ENROLLED);
        let (mut chosen, mut refused, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for photo in photos {
            match enroll::face_of(&photo, None, eyes, &Limits::ENROLLMENT) {
                _ if chosen.len() == wanted => shown.push((photo, true)),
                Ok(_) => chosen.push(photo),
                Err(error) => {
                    refused.push(error.to_string());
                    shown.push((photo, true));
                }
            }
        }
        if chosen.is_empty() {
            let reasons = refused.join("\n");
            return Err(ShowError::NoneGood { path, reasons });
        }
        let name = name.as_deref().unwrap_or(NAMELESS);
        let enrollment = enroll::enroll(name, &chosen, None, eyes, beside, enrolled_at)?;
        let strangers = people.into_iter().flat_map(|(_, photos)| photos);
        shown.extend(strangers.map(|photo| (photo, false)));
        Ok(Self {
            enrollment,
            refused,
            shown,
        })
    }
}

/// A folder's photographs and its folders, by name.
fn listed(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut photos, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        } else if photo::is_named_as_one(&path) {
            photos.push(path);
        }
    }
    photos.sort();
    folders.sort();
    Ok((photos, folders))
}
