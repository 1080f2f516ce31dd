//! Enrolling: image files to templates to one person's record.

use crate::face::{self, FaceError};
use crate::landmarks::{self, LandmarksError};
use crate::network::{Network, NetworkError};
use crate::photo::{self, PhotoError};
use crate::quality::Limits;
use shared::embedding::Template;
use shared::enrollment::{EnrollmentError, EnrollmentRecord, check_subject};
use std::path::{Path, PathBuf};

/// Why an image gives no template.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The photograph.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The table of landmarks.
    #[error(transparent)]
    Landmarks(#[from] LandmarksError),
    /// No row in the table.
    #[error("{}: no landmarks, so no face was found in it; take another photograph", .0.display())]
    NoFace(PathBuf),
    /// The landmarks do not fit.
    #[error("{}: {source}", path.display())]
    Face {
        /// The image.
        path: PathBuf,
        /// Why no face can be cut out.
        source: FaceError,
    },
    /// The network.
    #[error("{}: {source}", path.display())]
    Network {
        /// The image.
        path: PathBuf,
        /// Why it gives nothing.
        source: NetworkError,
    },
}

/// Why nobody was enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// Some images cannot be used; every one of them is named.
    #[error(
        "{} of {given} images cannot be used, so nothing was stored:\n{}",
        faults.len(), faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    )]
    Images {
        /// How many images were given.
        given: usize,
        /// One for each that cannot be used.
        faults: Vec<ImageError>,
    },
    /// The name or the templates make no record.
    #[error(transparent)]
    Record(#[from] EnrollmentError),
}

/// The template of the face in an image file, which must be as good as `limits` say. `table` names
/// the landmarks; without it the nearest `landmarks.csv` is taken.
///
/// # Errors
/// [`ImageError`], each variant with a path.
pub fn template_of(
    image: &Path,
    table: Option<&Path>,
    network: &Network,
    limits: &Limits,
) -> Result<Template, ImageError> {
    let photo = photo::read(image)?;
    let landmarks = landmarks::find_for_image(image, table)?;
    let landmarks = landmarks.ok_or_else(|| ImageError::NoFace(image.into()))?;
    let template = network.input().template;
    let face = face::good(&photo, &landmarks, template, limits);
    let face = face.map_err(|source| ImageError::Face {
        path: image.into(),
        source,
    })?;
    network.embed(&face).map_err(|source| ImageError::Network {
        path: image.into(),
        source,
    })
}

/// A person's record from image files, all of which must be usable; `enrolled_at` is in seconds
/// since 1970 (UTC).
///
/// # Errors
/// [`EnrollError`].
pub fn enroll(
    subject: &str,
    images: &[PathBuf],
    table: Option<&Path>,
    network: &Network,
    enrolled_at: u64,
) -> Result<EnrollmentRecord, EnrollError> {
    check_subject(subject)?;
    let mut templates = Vec::new();
    let mut faults = Vec::new();
    for image in images {
        match template_of(image, table, network, &Limits::ENROLLMENT) {
            Ok(template) => templates.push(template.embedding),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        let given = images.len();
        return Err(EnrollError::Images { given, faults });
    }
    Ok(EnrollmentRecord::new(
        subject,
        network.model(),
        templates,
        enrolled_at,
    )?)
}
