//! What one frame shows, before it is decided upon.

use crate::decide::{Observation, Refusal};
use crate::event::Outcome;
use crate::find::Unseen;
use crate::identify::Verdict;
use crate::quality;
use shared::align::Landmarks;

pub(crate) struct Sight {
    pub(crate) outcome: Outcome,
    pub(crate) subject: Option<String>,
    pub(crate) score: Option<f32>,
    /// What the score was compared with.
    pub(crate) threshold: Option<f32>,
    /// The yaw, of whatever face can be measured.
    pub(crate) turn: Option<f32>,
    why: String,
}

impl Sight {
    /// Of a frame in which no face was compared.
    pub(crate) fn plain(outcome: Outcome, why: impl Into<String>) -> Self {
        Self {
            outcome,
            subject: None,
            score: None,
            threshold: None,
            turn: None,
            why: why.into(),
        }
    }

    /// Of a frame without a face to compare.
    pub(crate) fn unseen(unseen: Unseen) -> Self {
        Self {
            turn: unseen.turn,
            ..Self::plain(unseen.outcome, unseen.reason)
        }
    }

    /// Of a face.
    pub(crate) fn of(verdict: Verdict<'_>, landmarks: &Landmarks) -> Self {
        let (threshold, score, why) = match verdict {
            Verdict::Match {
                score, threshold, ..
            } => {
                let why = format!("score {score:.3} reaches the threshold {threshold:.3}");
                (threshold, Some(score), why)
            }
            Verdict::NoMatch { score, threshold } => {
                let below = |s| format!("score {s:.3} is below the threshold {threshold:.3}");
                let why = score.map_or("nobody is enrolled".into(), below);
                (threshold, score, why)
            }
            Verdict::Ambiguous { score, threshold } => {
                let why = format!("score {score:.3} is too near the second-best person's");
                (threshold, Some(score), why)
            }
            Verdict::NotClaimed { threshold } => (threshold, None, "not the claimed person".into()),
        };
        let subject = match verdict.observation() {
            Observation::Match(subject) => Some(subject),
            _ => None,
        };
        Self {
            outcome: if subject.is_some() {
                Outcome::Match
            } else {
                Outcome::NoMatch
            },
            subject,
            score,
            threshold: Some(threshold),
            turn: quality::yaw(landmarks),
            why,
        }
    }

    pub(crate) fn observation(&self) -> Observation<String> {
        match (&self.subject, self.outcome) {
            (Some(subject), _) => Observation::Match(subject.clone()),
            (None, Outcome::NoMatch) => Observation::Stranger,
            (None, _) => Observation::Nobody,
        }
    }

    /// In a sentence, with what was decided.
    pub(crate) fn reason(
        &self,
        agreeing: usize,
        needed: usize,
        refusal: Option<Refusal>,
    ) -> String {
        let mut reason = self.why.clone();
        if self.outcome == Outcome::Match {
            reason += &format!("; {agreeing} of {needed} frames agree");
        }
        refusal.map_or(reason.clone(), |refusal| format!("{reason}; {refusal}"))
    }
}
