//! What the door sees in a photograph.

use edge_runtime::detect::{Detector, NotOneFace};
use edge_runtime::event::Outcome;
use edge_runtime::face::{self, FaceError};
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use edge_runtime::photo;
use edge_runtime::quality::{Flaw, Limits};
use image::RgbImage;
use shared::align::Landmarks;
use shared::embedding::Template;
use std::collections::BTreeMap;
use std::path::Path;

/// A face that the door compares.
#[derive(Clone)]
pub struct Sight {
    /// Of the face.
    pub template: Template,
    /// Why nobody is enrolled from the photograph, if nobody is.
    pub flaw: Option<Flaw>,
}

/// No face that the door compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// As the door tells it.
    pub outcome: Outcome,
    /// Why; the first reason of several.
    pub reason: String,
}

/// Where the landmarks of a photograph come from.
#[derive(Clone, Copy)]
pub enum Finder<'a> {
    /// A table.
    Table(&'a LandmarkTable),
    /// The bundle's detector, as at the door.
    Detector(&'a Detector),
}

impl Unseen {
    fn new(outcome: Outcome, reason: impl ToString) -> Self {
        let reason = reason.to_string();
        Self { outcome, reason }
    }

    fn bad(reason: impl ToString) -> Self {
        Self::new(Outcome::BadFrame, reason)
    }
}

impl Finder<'_> {
    fn landmarks(self, name: &str, photo: &RgbImage) -> Result<Landmarks, Unseen> {
        let found = match self {
            Self::Table(table) => table.get(name).copied().ok_or(NotOneFace::None),
            Self::Detector(detector) => detector.only_face(photo),
        };
        found.map_err(|error| match error {
            NotOneFace::None => Unseen::new(Outcome::NoFace, error),
            NotOneFace::Several(_) => Unseen::new(Outcome::PoorFace, "several faces"),
            NotOneFace::Network(_) => Unseen::bad(error),
        })
    }
}

/// Looks at a photograph, `name` below `folder`, as the door looks at a frame: detect, judge the
/// quality, align, embed. Also judges it as for an enrollment.
///
/// # Errors
/// [`Unseen`], with what the door says of such a frame.
pub fn see(
    folder: &Path,
    name: &str,
    finder: Finder<'_>,
    network: &Network,
) -> Result<Sight, Unseen> {
    let photo = photo::read(&folder.join(name)).map_err(Unseen::bad)?;
    let landmarks = finder.landmarks(name, &photo)?;
    let template = network.input().template;
    let good = |limits| face::good(&photo, &landmarks, template, limits);
    let (face, flaw) = match good(&Limits::ENROLLMENT) {
        Ok(face) => (face, None),
        Err(FaceError::Poor(strictly)) => match good(&Limits::DOOR) {
            Ok(face) => (face, strictly.first().copied()),
            Err(error) => return Err(poor(&error)),
        },
        Err(error) => return Err(poor(&error)),
    };
    let template = network.embed(&face).map_err(Unseen::bad)?;
    Ok(Sight { template, flaw })
}

fn poor(error: &FaceError) -> Unseen {
    match error {
        FaceError::Poor(flaws) => {
            let first = flaws.first().map(ToString::to_string);
            Unseen::new(Outcome::PoorFace, first.unwrap_or_default())
        }
        error => Unseen::bad(error),
    }
}

/// How many photographs the door cannot compare, by reason.
pub(super) fn reasons(seen: &[Result<Sight, Unseen>]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for unseen in seen.iter().filter_map(|seen| seen.as_ref().err()) {
        *reasons.entry(unseen.reason.clone()).or_default() += 1;
    }
    reasons
}
