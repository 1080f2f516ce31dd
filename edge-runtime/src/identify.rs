//! Who it is: a probe against the claimed person (1:1) or against everybody (1:N).

use serde::Deserialize;
use shared::bundle::{Manifest, NoOperatingPoint, OperatingPoint};
use shared::embedding::{ForeignModel, Template};
use shared::roster::Roster;

/// How often a stranger's one look may match somebody: above 0, below 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct FalseAcceptRate(f64);

/// A rate that is none.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("false_accept_rate is {0}, expected above 0 and below 1, for example 0.001")]
pub struct ImpossibleRate(f64);

impl TryFrom<f64> for FalseAcceptRate {
    type Error = ImpossibleRate;

    fn try_from(rate: f64) -> Result<Self, ImpossibleRate> {
        let possible = rate > 0.0 && rate < 1.0;
        possible.then_some(Self(rate)).ok_or(ImpossibleRate(rate))
    }
}

impl std::str::FromStr for FalseAcceptRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
        Self::try_from(rate).map_err(|error| error.to_string())
    }
}

impl FalseAcceptRate {
    /// The rate.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What one probe says.
#[derive(Clone, Copy, PartialEq)]
pub enum Verdict<'a> {
    /// The probe is this person.
    Match {
        /// The person.
        subject: &'a str,
        /// Cosine score, at least the threshold.
        score: f32,
    },
    /// The probe is nobody the door knows, or not the claimed person.
    NoMatch {
        /// The highest cosine score; `None` if nobody is enrolled.
        score: Option<f32>,
    },
    /// Nobody of the claimed name is enrolled.
    UnknownClaim,
}

/// The people of the door and the threshold for that many.
pub struct Identifier {
    roster: Roster,
    claim: Option<String>,
    point: OperatingPoint,
}

impl Identifier {
    /// With a `claim` every probe is compared with that person (1:1), otherwise with everybody
    /// (1:N). The threshold is the bundle's for `rate` over that many people.
    ///
    /// # Errors
    /// [`NoOperatingPoint`]: the bundle was not measured strictly enough, so the door must not run.
    pub fn new(
        roster: Roster,
        claim: Option<String>,
        manifest: &Manifest,
        rate: FalseAcceptRate,
    ) -> Result<Self, NoOperatingPoint> {
        let gallery = if claim.is_some() { 1 } else { roster.len() };
        let point = manifest.operating_point(rate.get(), gallery)?;
        Ok(Self {
            roster,
            claim,
            point,
        })
    }

    /// Judges a probe.
    ///
    /// # Errors
    /// [`ForeignModel`] if it was made by another model than the roster's.
    pub fn identify(&self, probe: &Template) -> Result<Verdict<'_>, ForeignModel> {
        let best = match &self.claim {
            Some(claim) => match self.roster.verify(claim, probe)? {
                None => return Ok(Verdict::UnknownClaim),
                Some(score) => Some((claim.as_str(), score)),
            },
            None => self.roster.identify(probe)?.map(|c| (c.subject, c.score)),
        };
        Ok(match best {
            Some((subject, score)) if score >= self.point.threshold => {
                Verdict::Match { subject, score }
            }
            other => Verdict::NoMatch {
                score: other.map(|(_, score)| score),
            },
        })
    }

    /// The threshold, and what was measured at it.
    pub fn operating_point(&self) -> OperatingPoint {
        self.point
    }

    /// How many people are enrolled.
    pub fn people(&self) -> usize {
        self.roster.len()
    }
}
