//! Enrolling by looking into a camera: one template of each view.

use super::Trial;
use super::seen::{Prompt, Seen};
use crate::enroll::{Advice, EnrollError, record_of};
use crate::event::Outcome;
use crate::find::Unseen;
use crate::network::NetworkError;
use crate::pipeline::Sight;
use crate::quality;
use shared::align::{AlignedFace, Landmarks};
use shared::bundle::OperatingPoint;
use shared::digest::Digest;
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::roster::Roster;
use shared::store::KeptCrops;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whoever was away for longer may be somebody else, and it begins anew.
const AWAY_MS: u64 = 2000;

/// How the head is held. [`quality::yaw`] of a turned head that enrolling takes ends at 0.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Into the camera.
    Ahead,
    /// A little to the subject's left.
    Left,
    /// A little to the subject's right.
    Right,
}

impl View {
    /// In the order in which they are asked for.
    pub const ALL: [Self; 3] = [Self::Ahead, Self::Left, Self::Right];

    fn shows(self, yaw: f32) -> bool {
        match self {
            Self::Ahead => yaw.abs() <= 0.13,
            Self::Left => yaw >= 0.13,
            Self::Right => yaw <= -0.13,
        }
    }

    fn wish(self) -> &'static str {
        match self {
            Self::Ahead => "look into the camera",
            Self::Left => "turn your head a little to your left",
            Self::Right => "turn your head a little to your right",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ahead => "the look ahead",
            Self::Left => "the look to the left",
            Self::Right => "the look to the right",
        }
    }
}

/// An enrollment that has begun.
pub(super) struct Enrolling {
    subject: String,
    taken: Vec<(Embedding, AlignedFace)>,
    last_seen_ms: Option<u64>,
}

impl Enrolling {
    pub(super) fn new(subject: &str) -> Self {
        Self {
            subject: subject.into(),
            taken: Vec::new(),
            last_seen_ms: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.taken.len() == View::ALL.len()
    }

    /// What to do now.
    pub(super) fn wish(&self) -> &'static str {
        View::ALL.get(self.taken.len()).map_or("done", |v| v.wish())
    }

    pub(super) fn prompt(&self) -> Prompt {
        Prompt {
            subject: self.subject.clone(),
            taken: self.taken.len(),
            wanted: View::ALL.len(),
            wish: self.wish().into(),
        }
    }

    /// A frame without a face that is good enough.
    pub(super) fn missed(&mut self, at_ms: u64) {
        let since = self.last_seen_ms.map(|last| at_ms.saturating_sub(last));
        if since.is_some_and(|ms| ms > AWAY_MS) {
            self.taken.clear();
        }
    }

    /// A face that is good enough, taken if it shows the view that is asked for.
    ///
    /// # Errors
    /// [`NetworkError`]; it is not taken.
    pub(super) fn take(
        &mut self,
        face: AlignedFace,
        landmarks: &Landmarks,
        at_ms: u64,
        embed: impl FnOnce(&AlignedFace) -> Result<Embedding, NetworkError>,
    ) -> Result<(), NetworkError> {
        self.missed(at_ms);
        self.last_seen_ms = Some(at_ms);
        let wanted = View::ALL.get(self.taken.len());
        let shown = quality::yaw(landmarks);
        if wanted.zip(shown).is_some_and(|(view, yaw)| view.shows(yaw)) {
            self.taken.push((embed(&face)?, face));
        }
        Ok(())
    }

    /// The record of all views, beside everybody else.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub(super) fn record(
        self,
        model: Digest,
        beside: (&Roster, &OperatingPoint),
        enrolled_at: u64,
    ) -> Result<(EnrollmentRecord, Option<KeptCrops>, Vec<Advice>), EnrollError> {
        let (templates, faces): (Vec<_>, Vec<_>) = self.taken.into_iter().unzip();
        let names = View::ALL.map(|view| PathBuf::from(view.name()));
        let (record, advice) =
            record_of(&self.subject, model, templates, &names, beside, enrolled_at)?;
        Ok((record, KeptCrops::new(&faces), advice))
    }
}

impl Trial {
    /// What an enrollment makes of a frame; nobody is let in meanwhile.
    pub(super) fn enroll_from(
        &mut self,
        mut enrolling: Enrolling,
        face: Result<(AlignedFace, Landmarks), Unseen>,
        seen: &mut Seen,
    ) -> Sight {
        let sight = match face {
            Err(unseen) => {
                enrolling.missed(seen.at_ms);
                Sight::unseen(unseen)
            }
            Ok((face, landmarks)) => {
                let embed = |face: &AlignedFace| -> Result<_, NetworkError> {
                    Ok(self.bundle.network.embed(face)?.embedding)
                };
                match enrolling.take(face, &landmarks, seen.at_ms, embed) {
                    Ok(()) => Sight::plain(Outcome::NoClaim, enrolling.wish()),
                    Err(error) => Sight::plain(Outcome::BadFrame, error.to_string()),
                }
            }
        };
        seen.enrolling = Some(enrolling.prompt());
        if !enrolling.is_done() {
            self.enrolling = Some(enrolling);
            return sight;
        }
        seen.said = match self.finish(enrolling) {
            Ok(said) => said,
            Err(reason) => format!("nobody was enrolled: {reason}"),
        };
        sight
    }

    fn finish(&mut self, enrolling: Enrolling) -> Result<String, String> {
        let manifest = &self.bundle.manifest;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let point = manifest.operating_point(self.asked.false_accept_rate.get(), 1);
        let point = point.map_err(|error| error.to_string())?;
        let beside = (self.identifier.roster(), &point);
        let made = enrolling.record(
            manifest.model_digest,
            beside,
            now.unwrap_or_default().as_secs(),
        );
        let (record, crops, advice) = made.map_err(|error| error.to_string())?;
        let mut said = format!(
            "enrolled {} from {} views",
            record.subject(),
            record.template_count()
        );
        advice
            .iter()
            .for_each(|advice| said += &format!("; {advice}"));
        let added = self.add(record, crops.as_ref());
        added.map(|()| said).map_err(|error| error.to_string())
    }
}
