//! The one face in a picture that is good enough, or why there is none.

use crate::camera::{Content, Face};
use crate::detect::{Detector, NotOneFace};
use crate::event::Outcome;
use crate::face::{self, FaceError};
use crate::quality::{self, Flaw, Limits};
use image::RgbImage;
use shared::align::{AlignTemplate, AlignedFace, Landmarks};

/// No face that is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Unseen {
    /// In a word.
    pub outcome: Outcome,
    /// In a sentence.
    pub reason: String,
    /// The first thing to mend, of a face that is not good enough.
    pub flaw: Option<Flaw>,
    /// How far the head is turned, as [`quality::yaw`] measures it, of whatever face there is.
    pub turn: Option<f32>,
}

impl Unseen {
    /// Of a picture that cannot be used.
    pub fn bad(reason: impl ToString) -> Self {
        Self::new(Outcome::BadFrame, reason)
    }

    /// Of a face that cannot be cut out, or is not good enough.
    pub(crate) fn of_face(error: &FaceError, landmarks: &Landmarks) -> Self {
        match error {
            FaceError::Poor(flaws) => Self {
                flaw: flaws.first().copied(),
                turn: quality::yaw(landmarks),
                ..Self::new(Outcome::PoorFace, error)
            },
            _ => Self::bad(error),
        }
    }

    fn new(outcome: Outcome, reason: impl ToString) -> Self {
        Self {
            outcome,
            reason: reason.to_string(),
            flaw: None,
            turn: None,
        }
    }
}

impl From<NotOneFace> for Unseen {
    fn from(error: NotOneFace) -> Self {
        match error {
            NotOneFace::None => Self::new(Outcome::NoFace, error),
            NotOneFace::Several(_) => Self::new(Outcome::PoorFace, error),
            NotOneFace::Network(_) => Self::bad(error),
        }
    }
}

/// Where the face in a picture is: where the picture's source says, else where `detector` finds it.
///
/// # Errors
/// [`Unseen`].
pub fn landmarks(content: &Content, detector: Option<&Detector>) -> Result<Landmarks, Unseen> {
    let found = match (&content.face, detector) {
        (Face::At(landmarks), _) => Ok(*landmarks),
        (Face::Unknown, Some(detector)) => detector.only_face(&content.image),
        (Face::Nowhere, _) | (Face::Unknown, None) => Err(NotOneFace::None),
    };
    found.map_err(Unseen::from)
}

/// The face, cut out for the network, if it is as good as `limits` say.
///
/// # Errors
/// [`Unseen`].
pub fn good_face(
    image: &RgbImage,
    landmarks: &Landmarks,
    template: AlignTemplate,
    limits: &Limits,
) -> Result<AlignedFace, Unseen> {
    let face = face::good(image, landmarks, template, limits);
    face.map_err(|error| Unseen::of_face(&error, landmarks))
}
