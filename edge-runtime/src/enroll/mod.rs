//! Enrolling: image files to templates to one person's record.

mod review;

pub use review::{Advice, NearerToAnother, ReviewError};

use crate::detect::{Detector, NotOneFace};
use crate::face::{self, FaceError};
use crate::landmarks::{self, LandmarksError};
use crate::network::{Network, NetworkError};
use crate::photo::{self, PhotoError};
use crate::quality::Limits;
use shared::align::AlignedFace;
use shared::bundle::OperatingPoint;
use shared::digest::Digest;
use shared::embedding::{Embedding, Template};
use shared::enrollment::{EnrollmentError, EnrollmentRecord, check_subject};
use shared::roster::Roster;
use shared::store::KeptCrops;
use std::path::{Path, PathBuf};

/// What looks at photographs.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    /// Faces to templates.
    pub network: &'a Network,
    /// Photographs to faces, where no table says where they are.
    pub detector: Option<&'a Detector>,
}

/// Why an image gives no template.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The photograph.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The table of landmarks.
    #[error(transparent)]
    Landmarks(#[from] LandmarksError),
    /// No row in the table, and nothing to look for the face with.
    #[error("{}: no landmarks, so no face was found in it; take another photograph", .0.display())]
    NoFace(PathBuf),
    /// The detector finds none, or several.
    #[error("{}: {source}; take another photograph", path.display())]
    NotOneFace {
        /// The image.
        path: PathBuf,
        /// What it finds.
        source: NotOneFace,
    },
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
    /// An image is nearer to somebody else.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// The name or the templates make no record.
    #[error(transparent)]
    Record(#[from] EnrollmentError),
}

/// The face in an image file, which must be as good as `limits` say, cut out for the network.
/// `table` names the landmarks; without it the nearest `landmarks.csv` is taken, and where that
/// says nothing of the image the detector looks, if there is one.
///
/// # Errors
/// [`ImageError`], each variant with a path.
pub fn face_of(
    image: &Path,
    table: Option<&Path>,
    eyes: Eyes<'_>,
    limits: &Limits,
) -> Result<AlignedFace, ImageError> {
    let photo = photo::read(image)?;
    let known = match (landmarks::find_for_image(image, table), eyes.detector) {
        (Err(LandmarksError::NotFound(_)), Some(_)) => None,
        (known, _) => known?,
    };
    let landmarks = match (known, eyes.detector) {
        (Some(landmarks), _) => landmarks,
        (None, Some(detector)) => {
            detector
                .only_face(&photo)
                .map_err(|source| ImageError::NotOneFace {
                    path: image.into(),
                    source,
                })?
        }
        (None, None) => return Err(ImageError::NoFace(image.into())),
    };
    let template = eyes.network.input().template;
    let face = face::good(&photo, &landmarks, template, limits);
    face.map_err(|source| ImageError::Face {
        path: image.into(),
        source,
    })
}

/// The template of the face in an image file, as of [`face_of`].
///
/// # Errors
/// [`ImageError`], each variant with a path.
pub fn template_of(
    image: &Path,
    table: Option<&Path>,
    eyes: Eyes<'_>,
    limits: &Limits,
) -> Result<Template, ImageError> {
    let face = face_of(image, table, eyes, limits)?;
    embed(image, &face, eyes)
}

fn embed(image: &Path, face: &AlignedFace, eyes: Eyes<'_>) -> Result<Template, ImageError> {
    let template = eyes.network.embed(face);
    template.map_err(|source| ImageError::Network {
        path: image.into(),
        source,
    })
}

/// What comes of a person's photographs.
pub struct Enrollment {
    /// Templates with the name.
    pub record: EnrollmentRecord,
    /// The faces, cut out.
    pub crops: Option<KeptCrops>,
    /// What would make it better.
    pub advice: Vec<Advice>,
}

/// A person's record from image files, all of which must be usable and of that person, beside
/// everybody enrolled; `enrolled_at` is in seconds since 1970 (UTC), `point` that of one comparison
/// at the door.
///
/// # Errors
/// [`EnrollError`].
pub fn enroll(
    subject: &str,
    images: &[PathBuf],
    table: Option<&Path>,
    eyes: Eyes<'_>,
    (others, point): (&Roster, &OperatingPoint),
    enrolled_at: u64,
) -> Result<Enrollment, EnrollError> {
    check_subject(subject)?;
    let (mut faces, mut templates, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for image in images {
        let face = face_of(image, table, eyes, &Limits::ENROLLMENT);
        match face.and_then(|face| Ok((embed(image, &face, eyes)?, face))) {
            Ok((template, face)) => {
                templates.push(template.embedding);
                faces.push(face);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        let given = images.len();
        return Err(EnrollError::Images { given, faults });
    }
    let model = eyes.network.model();
    let (record, advice) = record_of(
        subject,
        model,
        templates,
        images,
        (others, point),
        enrolled_at,
    )?;
    Ok(Enrollment {
        record,
        crops: KeptCrops::new(&faces),
        advice,
    })
}

/// The same of templates that are at hand, one of each image.
///
/// # Errors
/// [`EnrollError::Review`] or [`EnrollError::Record`].
pub fn record_of(
    subject: &str,
    model: Digest,
    templates: Vec<Embedding>,
    images: &[PathBuf],
    (others, point): (&Roster, &OperatingPoint),
    enrolled_at: u64,
) -> Result<(EnrollmentRecord, Vec<Advice>), EnrollError> {
    let advice = review::review(subject, model, &templates, images, others, point)?;
    let record = EnrollmentRecord::new(subject, model, templates, enrolled_at)?;
    Ok((record, advice))
}
