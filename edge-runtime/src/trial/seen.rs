//! Everything that a frame showed, for people to look at.

use crate::event::{LockState, Outcome};
use crate::quality::{Flaw, Quality};
use serde::Serialize;
use shared::align::{AlignTemplate, Landmarks, Point, Similarity};
use std::fmt;

/// What came of one frame.
#[derive(Clone, PartialEq, Serialize)]
pub struct Seen {
    /// Counts them, from 1.
    pub number: u64,
    /// What the camera calls it.
    pub frame: String,
    /// When it was taken, in milliseconds since the start.
    pub at_ms: u64,
    /// Of the picture, in pixels; 0 if there is none.
    pub width: u32,
    /// Likewise.
    pub height: u32,
    /// All faces that were found, the surest first.
    pub faces: Vec<FaceSeen>,
    /// Of the face that is meant.
    pub quality: Option<Quality>,
    /// What that face lacks, be it to be compared or to be enrolled from.
    pub flaws: Vec<Flaw>,
    /// In a word.
    pub outcome: Outcome,
    /// In a sentence.
    pub reason: String,
    /// Who it is, if the door knows.
    pub subject: Option<String>,
    /// The highest cosine score.
    pub score: Option<f32>,
    /// What a score must reach.
    pub threshold: f32,
    /// False-match rate that the threshold is for, with that many people.
    pub false_match_rate: f64,
    /// Pairs of two people that it was measured on.
    pub impostor_pairs: u64,
    /// Frames that agree on this person now.
    pub agreeing: usize,
    /// Frames that must agree.
    pub needed: usize,
    /// After this frame.
    pub lock: LockState,
    /// How far an enrollment is, if one goes on.
    pub enrolling: Option<Prompt>,
    /// What an enrollment that ended with this frame came to; otherwise empty.
    pub said: String,
    /// Whom the door knows.
    pub people: Vec<String>,
    /// How long it took.
    pub ms: Times,
}

impl Seen {
    pub(super) fn of(number: u64, frame: String, at_ms: u64) -> Self {
        Self {
            number,
            frame,
            at_ms,
            width: 0,
            height: 0,
            faces: Vec::new(),
            quality: None,
            flaws: Vec::new(),
            outcome: Outcome::BadFrame,
            reason: String::new(),
            subject: None,
            score: None,
            threshold: 0.0,
            false_match_rate: 0.0,
            impostor_pairs: 0,
            agreeing: 0,
            needed: 0,
            lock: LockState::Locked,
            enrolling: None,
            said: String::new(),
            people: Vec::new(),
            ms: Times::default(),
        }
    }
}

impl fmt::Display for Seen {
    /// One line, without what changes with every frame.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lock = match self.lock {
            LockState::Locked => "locked",
            LockState::Released => "OPEN  ",
        };
        write!(f, "{lock}  ")?;
        if let Some(Prompt { taken, wanted, .. }) = self.enrolling {
            write!(f, "enrolling, {taken} of {wanted} views: ")?;
        }
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        f.write_str(&self.reason)?;
        if let (Some(face), Some(quality)) = (self.faces.first(), &self.quality) {
            let [[left, top], ..] = face.crop.unwrap_or_default();
            let Quality {
                eye_mouth_px,
                yaw,
                brightness,
                sharpness,
                ..
            } = quality;
            write!(
                f,
                " [face at {left:.0},{top:.0}, {eye_mouth_px:.0} px from eyes to mouth; turned {yaw:.2}, brightness \
                 {brightness:.0}, sharpness {sharpness:.2}]"
            )?;
        }
        if !self.said.is_empty() {
            write!(f, "\n        {}", self.said)?;
        }
        Ok(())
    }
}

/// A face in the picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaceSeen {
    /// Subject's right eye, left eye, nose, right and left corner of the mouth, in pixels.
    pub landmarks: [[f32; 2]; 5],
    /// What is cut out for the network, corner by corner from the upper left, in pixels.
    pub crop: Option<[[f32; 2]; 4]>,
}

impl FaceSeen {
    pub(super) fn of(landmarks: &Landmarks, template: AlignTemplate) -> Self {
        let place = |p: Point| [p.x, p.y];
        let (width, height) = (template.width() as f32, template.height() as f32);
        let corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)];
        let to_photo = Similarity::fit(landmarks, &template.landmarks()).map(|fit| fit.inverted());
        Self {
            landmarks: landmarks.0.map(place),
            crop: to_photo
                .ok()
                .map(|fit| corners.map(|(x, y)| place(fit.apply(Point::new(x, y))))),
        }
    }
}

/// How far an enrollment is.
#[derive(Clone, PartialEq, Serialize)]
pub struct Prompt {
    /// Of whom.
    pub subject: String,
    /// Views taken.
    pub taken: usize,
    /// Views wanted.
    pub wanted: usize,
    /// What to do now.
    pub wish: String,
}

/// Milliseconds that a frame took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Times {
    /// To find the faces.
    pub detect: f64,
    /// To embed one; 0 if none was.
    pub embed: f64,
    /// From the frame to the decision.
    pub all: f64,
}
