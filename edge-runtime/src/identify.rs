//! Who it is: a probe against the claimed person (1:1) or against everybody (1:N).

use crate::decide::Observation;
use serde::Deserialize;
use shared::bundle::{Manifest, NoOperatingPoint, OperatingPoint};
use shared::embedding::{ForeignModel, Template};
use shared::roster::Roster;

/// How often a stranger's one look may match somebody: above 0, below 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct FalseAcceptRate(f64);

/// How much more alike than the second-best person the best one must be, in cosine: 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(try_from = "f32")]
pub struct Margin(f32);

impl TryFrom<f32> for Margin {
    type Error = String;

    fn try_from(cosine: f32) -> Result<Self, String> {
        let possible = (0.0..=1.0).contains(&cosine);
        possible
            .then_some(Self(cosine))
            .ok_or_else(|| format!("margin is {cosine}, expected a cosine of 0 to 1"))
    }
}

/// The highest false-non-match rate of a network: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct HighestNonMatchRate(f64);

impl TryFrom<f64> for HighestNonMatchRate {
    type Error = String;

    fn try_from(rate: f64) -> Result<Self, String> {
        let possible = (0.0..=1.0).contains(&rate);
        possible.then_some(Self(rate)).ok_or_else(|| {
            format!("highest_false_non_match_rate is {rate}, expected 0 to 1, for example 0.05")
        })
    }
}

impl HighestNonMatchRate {
    /// The rate.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// How sure the door must be of one look.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identify {
    /// How often the door may match somebody for one look of a stranger.
    pub false_accept_rate: FalseAcceptRate,
    /// In 1:N, over the second-best person.
    #[serde(default)]
    pub margin: Margin,
    /// How often one look of an enrolled person may fail, as the bundle was measured: what
    /// decides, with the speed, between several precisions. A door that runs does not ask.
    pub highest_false_non_match_rate: Option<HighestNonMatchRate>,
    /// Whether every look is at a claim (1:1), however the door is told of it.
    #[serde(skip)]
    pub claims_only: bool,
}

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
        /// Cosine score.
        score: f32,
        /// What the score must reach, and reaches.
        threshold: f32,
    },
    /// The probe is nobody the door knows.
    NoMatch {
        /// The highest cosine score; `None` if nobody is enrolled.
        score: Option<f32>,
        /// What the score must reach.
        threshold: f32,
    },
    /// Two people are too much alike in this probe.
    Ambiguous {
        /// The highest cosine score.
        score: f32,
        /// What it reaches.
        threshold: f32,
    },
    /// The probe is not the claimed person, or there is no such person: it is not told which,
    /// nor how near it came.
    NotClaimed {
        /// What the score must reach.
        threshold: f32,
    },
}

impl Verdict<'_> {
    /// As far as the decision goes: somebody the door knows, or a stranger.
    pub fn observation(&self) -> Observation<String> {
        match self {
            Self::Match { subject, .. } => Observation::Match((*subject).to_owned()),
            _ => Observation::Stranger,
        }
    }
}

/// The people of the door and the thresholds for that many.
pub struct Identifier {
    roster: Roster,
    margin: Margin,
    /// Of a look at a claim.
    one: OperatingPoint,
    /// Of a look at everybody; that of one if every look is at a claim.
    all: OperatingPoint,
}

impl Identifier {
    /// The thresholds are the bundle's for the rate asked for, over one person and over everybody,
    /// under whatever model they are enrolled.
    ///
    /// # Errors
    /// [`NoOperatingPoint`]: the bundle was not measured strictly enough, so the door must not run.
    pub fn new(
        roster: Roster,
        manifest: &Manifest,
        asked: &Identify,
    ) -> Result<Self, NoOperatingPoint> {
        let others = || roster.others().map(|(model, _)| model);
        let rate = asked.false_accept_rate.get();
        let point = |people| manifest.operating_point_across(rate, people, others());
        let searched = if asked.claims_only { 1 } else { roster.len() };
        let (one, all) = (point(1)?, point(searched)?);
        Ok(Self {
            margin: asked.margin,
            one,
            all,
            roster,
        })
    }

    /// Judges a probe against the claimed person (1:1), or without a `claim` against everybody.
    ///
    /// # Errors
    /// [`ForeignModel`] if it was made by another model than the roster's.
    pub fn identify<'a>(
        &'a self,
        probe: &Template,
        claim: Option<&'a str>,
    ) -> Result<Verdict<'a>, ForeignModel> {
        match claim {
            Some(claim) => self.verify(probe, claim),
            None => self.search(probe),
        }
    }

    fn verify<'a>(
        &'a self,
        probe: &Template,
        subject: &'a str,
    ) -> Result<Verdict<'a>, ForeignModel> {
        let threshold = self.one.threshold;
        let score = self.roster.verify(subject, probe)?;
        Ok(match score.filter(|score| *score >= threshold) {
            Some(score) => Verdict::Match {
                subject,
                score,
                threshold,
            },
            None => Verdict::NotClaimed { threshold },
        })
    }

    fn search(&self, probe: &Template) -> Result<Verdict<'_>, ForeignModel> {
        let threshold = self.all.threshold;
        let best = self.roster.identify(probe)?;
        let Some(best) = best.filter(|best| best.score >= threshold) else {
            let score = best.map(|best| best.score);
            return Ok(Verdict::NoMatch { score, threshold });
        };
        let (subject, score) = (best.subject, best.score);
        let clear = |second| score - second >= self.margin.0;
        Ok(if best.runner_up.is_none_or(clear) {
            Verdict::Match {
                subject,
                score,
                threshold,
            }
        } else {
            Verdict::Ambiguous { score, threshold }
        })
    }

    /// The threshold of a look at everybody, or at a claim if every look is; and what was
    /// measured at it.
    pub fn operating_point(&self) -> OperatingPoint {
        self.all
    }

    /// They themselves.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How many people are enrolled.
    pub fn people(&self) -> usize {
        self.roster.len()
    }

    /// How many of them under another model, which is accepted.
    pub fn of_other_models(&self) -> usize {
        self.roster.others().map(|(_, people)| people).sum()
    }

    /// Whether a person of that name is.
    pub fn knows(&self, subject: &str) -> bool {
        self.roster.contains(subject)
    }
}

#[cfg(test)]
mod tests;
