//! A turn of the head to a side that chance picks, which a held-up photograph does not make.

use super::Observation;
use crate::quality::Limits;
use serde::Deserialize;
use std::time::Duration;

const WITHIN_MS: std::ops::RangeInclusive<u64> = 1000..=60_000;
/// Whoever is not recognized for longer may have been replaced.
const MAX_GAP: Duration = Duration::from_secs(2);
/// A face that is turned farther is not compared.
const MOST_TURNED: f32 = Limits::DOOR.yaw;

/// What a turn is, and how long it may take. Turns are as [`crate::quality::yaw`] measures them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "ChallengeToml")]
pub struct ChallengeRule {
    within: Duration,
    /// At least this is a turn.
    turned: f32,
    /// At most this is straight ahead.
    frontal: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeToml {
    within_ms: u64,
    turned: f32,
    frontal: f32,
}

impl TryFrom<ChallengeToml> for ChallengeRule {
    type Error = String;

    fn try_from(toml: ChallengeToml) -> Result<Self, String> {
        let ChallengeToml {
            within_ms,
            turned,
            frontal,
        } = toml;
        if !WITHIN_MS.contains(&within_ms) {
            let (least, most) = (WITHIN_MS.start(), WITHIN_MS.end());
            return Err(format!(
                "within_ms is {within_ms}, expected {least} to {most}"
            ));
        }
        // Between the two lies the hysteresis: a trembling landmark is no turn.
        if !(frontal > 0.0 && frontal * 2.0 <= turned && turned < MOST_TURNED) {
            return Err(format!(
                "frontal is {frontal} and turned is {turned}, expected 0 < frontal, twice frontal <= turned, turned < {MOST_TURNED}"
            ));
        }
        Ok(Self {
            within: Duration::from_millis(within_ms),
            turned,
            frontal,
        })
    }
}

/// A side, the subject's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To the subject's left.
    Left,
    /// To the subject's right.
    Right,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Not seen straight ahead yet.
    Begin,
    /// Is to turn.
    Turn,
    /// Somebody's head has turned; whose is not known.
    Away,
    /// This person's head has turned.
    Return,
    Done,
    /// Turned to the other side.
    Failed,
}

/// Where a challenge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    LookAhead,
    Turn(Side),
    Passed,
    Failed,
}

/// One person's challenge: recognized straight ahead, turned to the side, and straight ahead.
pub(super) struct Challenge<S> {
    rule: ChallengeRule,
    subject: S,
    side: Side,
    stage: Stage,
    asked_at: Duration,
    recognized_at: Duration,
}

impl<S: PartialEq> Challenge<S> {
    pub(super) fn new(rule: ChallengeRule, subject: S, side: Side, now: Duration) -> Self {
        Self {
            rule,
            subject,
            side,
            stage: Stage::Begin,
            asked_at: now,
            recognized_at: now,
        }
    }

    /// Whether that is no look straight ahead.
    pub(super) fn is_aside(&self, turn: Option<f32>) -> bool {
        turn.is_some_and(|turn| turn.abs() > self.rule.frontal)
    }

    /// Takes in one frame; `turn` is of the face in it, be it recognized or nobody's. Once failed,
    /// it is over.
    pub(super) fn step(
        &mut self,
        now: Duration,
        seen: &Observation<S>,
        turn: Option<f32>,
    ) -> Progress {
        let late = now.saturating_sub(self.asked_at) > self.rule.within;
        let lost = now.saturating_sub(self.recognized_at) > MAX_GAP;
        let recognized = matches!(seen, Observation::Match(subject) if *subject == self.subject);
        let another = !recognized && *seen != Observation::Nobody;
        if late || lost || another {
            return Progress::Failed;
        }
        if recognized {
            self.recognized_at = now;
        }
        if let Some(turn) = turn {
            self.turned(turn, recognized);
        }
        self.progress()
    }

    /// A head that turns unrecognized may be anybody's beside a photograph: it can fail the
    /// challenge, and tells when to look ahead, but only one that is recognized turned passes.
    fn turned(&mut self, turn: f32, recognized: bool) {
        let asked_way = match self.side {
            Side::Left => turn,
            Side::Right => -turn,
        };
        let turned = asked_way >= self.rule.turned;
        let wrong_way = asked_way <= -self.rule.turned;
        let frontal = recognized && turn.abs() <= self.rule.frontal;
        self.stage = match self.stage {
            Stage::Begin | Stage::Away if frontal => Stage::Turn,
            Stage::Turn | Stage::Away if wrong_way => Stage::Failed,
            Stage::Turn | Stage::Away if turned && recognized => Stage::Return,
            Stage::Turn if turned => Stage::Away,
            Stage::Return if frontal => Stage::Done,
            stage => stage,
        };
    }

    fn progress(&self) -> Progress {
        match self.stage {
            Stage::Begin | Stage::Away | Stage::Return => Progress::LookAhead,
            Stage::Turn => Progress::Turn(self.side),
            Stage::Done => Progress::Passed,
            Stage::Failed => Progress::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
