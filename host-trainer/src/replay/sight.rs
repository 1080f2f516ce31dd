//! What the door sees in a photograph.

use edge_runtime::camera::{Content, Face};
use edge_runtime::detect::Detector;
use edge_runtime::event::Outcome;
use edge_runtime::find::{Unseen, good_face, landmarks};
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use edge_runtime::photo;
use edge_runtime::quality::Limits;
use shared::embedding::Template;
use std::collections::BTreeMap;
use std::path::Path;

/// A face that the door compares.
#[derive(Clone)]
pub struct Sight {
    /// Of the face.
    pub template: Template,
    /// Whether somebody can be enrolled from the photograph.
    pub enrollable: bool,
}

/// Where the landmarks of a photograph come from.
#[derive(Clone, Copy)]
pub enum Finder<'a> {
    /// A table.
    Table(&'a LandmarkTable),
    /// The bundle's detector, as at the door.
    Detector(&'a Detector),
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
    let image = photo::read(&folder.join(name)).map_err(Unseen::bad)?;
    let (face, detector) = match finder {
        Finder::Table(table) => (
            table.get(name).map_or(Face::Nowhere, |l| Face::At(*l)),
            None,
        ),
        Finder::Detector(detector) => (Face::Unknown, Some(detector)),
    };
    let content = Content { image, face };
    let landmarks = landmarks(&content, detector)?;
    let template = network.input().template;
    let good = |limits| good_face(&content.image, &landmarks, template, limits);
    let (face, enrollable) = match good(&Limits::ENROLLMENT) {
        Err(unseen) if unseen.outcome == Outcome::PoorFace => (good(&Limits::DOOR)?, false),
        strictly => (strictly?, true),
    };
    let template = network.embed(&face).map_err(Unseen::bad)?;
    Ok(Sight {
        template,
        enrollable,
    })
}

/// How many photographs the door cannot compare, by the first reason of several.
pub(super) fn reasons(seen: &[Result<Sight, Unseen>]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for unseen in seen.iter().filter_map(|seen| seen.as_ref().err()) {
        let first = unseen.flaw.map(|flaw| flaw.to_string());
        let reason = first.unwrap_or_else(|| unseen.reason.clone());
        *reasons.entry(reason).or_default() += 1;
    }
    reasons
}
