//! A turn of the head to a side that chance picks, which a held-up photograph does not make.

use super::Observation;
use serde::Deserialize;
use shared::align::{Landmarks, Point};
use std::time::Duration;

const WITHIN_MS: std::ops::RangeInclusive<u64> = 1000..=60_000;
/// Whoever is not seen for longer may have been replaced.
const MAX_GAP: Duration = Duration::from_millis(1500);

/// What a turn is, and how long it may take. Turns are as [`turn`] measures them.
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
        if !(frontal > 0.0 && frontal * 2.0 <= turned && turned <= 1.0) {
            return Err(format!(
                "frontal is {frontal} and turned is {turned}, expected 0 < frontal, twice frontal <= turned, turned <= 1"
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

/// How far a head is turned to its left (to its right: negative), by where the nose lies between
/// the eyes, in eye distances; about 0.5 times the tangent of the angle. `None` if the landmarks
/// span no face. The picture must not be mirrored.
///
/// The nose is measured against eyes and mouth, so a flat picture gives the same value however it
/// is turned, tilted, moved or stretched, as long as perspective is weak.
pub fn turn(landmarks: &Landmarks) -> Option<f32> {
    let [right_eye, left_eye, nose, mouth_right, mouth_left] = landmarks.0;
    let middle = |a: Point, b: Point| Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0);
    let from = |a: Point, b: Point| (b.x - a.x, b.y - a.y);
    let cross = |a: (f32, f32), b: (f32, f32)| a.0 * b.1 - a.1 * b.0;
    let between = middle(right_eye, left_eye);
    let across = from(right_eye, left_eye);
    let down = from(between, middle(mouth_right, mouth_left));
    // nose = between + turn * across + something * down
    let turn = cross(from(between, nose), down) / cross(across, down);
    turn.is_finite().then_some(turn)
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Begin,
    Turn,
    Return,
    Done,
}

/// Where a challenge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Turn(Side),
    LookAhead,
    Passed,
    Failed,
}

/// One person's challenge.
pub(super) struct Challenge<S> {
    rule: ChallengeRule,
    subject: S,
    side: Side,
    stage: Stage,
    asked_at: Duration,
    seen_at: Duration,
}

impl<S: PartialEq> Challenge<S> {
    pub(super) fn new(rule: ChallengeRule, subject: S, side: Side, now: Duration) -> Self {
        Self {
            rule,
            subject,
            side,
            stage: Stage::Begin,
            asked_at: now,
            seen_at: now,
        }
    }

    /// Takes in one frame; `turn` is of the face in it. Once failed, it is over.
    pub(super) fn step(
        &mut self,
        now: Duration,
        seen: &Observation<S>,
        turn: Option<f32>,
    ) -> Progress {
        let late = now.saturating_sub(self.asked_at) > self.rule.within;
        let lost = now.saturating_sub(self.seen_at) > MAX_GAP;
        let another = match seen {
            Observation::Match(subject) => *subject != self.subject,
            Observation::Stranger => true,
            Observation::Nobody => false,
        };
        if late || lost || another {
            return Progress::Failed;
        }
        let (Observation::Match(_), Some(turn)) = (seen, turn) else {
            return self.progress();
        };
        self.seen_at = now;
        let asked_way = match self.side {
            Side::Left => turn,
            Side::Right => -turn,
        };
        let frontal = turn.abs() <= self.rule.frontal;
        self.stage = match self.stage {
            Stage::Turn if asked_way <= -self.rule.turned => return Progress::Failed,
            Stage::Begin if frontal => Stage::Turn,
            Stage::Turn if asked_way >= self.rule.turned => Stage::Return,
            Stage::Return if frontal => Stage::Done,
            stage => stage,
        };
        self.progress()
    }

    fn progress(&self) -> Progress {
        match self.stage {
            Stage::Begin | Stage::Turn => Progress::Turn(self.side),
            Stage::Return => Progress::LookAhead,
            Stage::Done => Progress::Passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Observation::{Match, Nobody, Stranger};
    use proptest::prelude::*;
    use shared::align::AlignTemplate;

    const RULE: ChallengeRule = ChallengeRule {
        within: Duration::from_secs(5),
        turned: 0.2,
        frontal: 0.08,
    };

    /// The last progress of frames 300 ms apart; the asked side is the left.
    fn after(frames: &[(Observation<u8>, f32)]) -> Progress {
        let mut challenge = Challenge::new(RULE, 1, Side::Left, Duration::ZERO);
        let mut progress = Progress::Turn(Side::Left);
        for (i, (seen, turn)) in frames.iter().enumerate() {
            let now = Duration::from_millis(300 * i as u64);
            progress = challenge.step(now, seen, Some(*turn));
            if progress == Progress::Failed {
                break;
            }
        }
        progress
    }

    #[test]
    fn the_asked_turn_and_nothing_else_passes() {
        let of_one = |turns: &[f32]| {
            let frames: Vec<_> = turns.iter().map(|turn| (Match(1), *turn)).collect();
            after(&frames)
        };
        assert_eq!(of_one(&[0.0, 0.1, 0.25, 0.1, 0.0]), Progress::Passed);
        assert_eq!(of_one(&[0.3, 0.0, 0.3, 0.0]), Progress::Passed);
        // Still, trembling, begun aside, not come back, the other way first.
        assert_eq!(of_one(&[0.0; 9]), Progress::Turn(Side::Left));
        assert_eq!(of_one(&[0.0, 0.15, -0.15, 0.0]), Progress::Turn(Side::Left));
        assert_eq!(of_one(&[0.3, 0.3, 0.0]), Progress::Turn(Side::Left));
        assert_eq!(of_one(&[0.0, 0.3, 0.3]), Progress::LookAhead);
        assert_eq!(of_one(&[0.0, -0.3, 0.3, 0.0]), Progress::Failed);
        // Too late.
        assert_eq!(of_one(&[0.0; 18]), Progress::Failed);
    }

    #[test]
    fn it_is_one_person_throughout() {
        let around = |between: &[Observation<u8>]| {
            let mut frames = vec![(Match(1), 0.0), (Match(1), 0.3)];
            frames.extend(between.iter().map(|seen| (*seen, 0.0)));
            frames.push((Match(1), 0.0));
            after(&frames)
        };
        assert_eq!(around(&[]), Progress::Passed);
        assert_eq!(around(&[Nobody; 3]), Progress::Passed);
        assert_eq!(around(&[Nobody; 5]), Progress::Failed);
        assert_eq!(around(&[Stranger]), Progress::Failed);
        assert_eq!(around(&[Match(2)]), Progress::Failed);
    }

    #[test]
    fn a_nose_toward_the_left_eye_is_a_turn_to_the_left() {
        let mut face = AlignTemplate::Arcface112x112.landmarks();
        assert!(turn(&face).unwrap().abs() < 0.01);
        face.0[2].x += 10.0;
        assert!(turn(&face).unwrap() > 0.25);
        assert_eq!(turn(&Landmarks([Point::new(1.0, 1.0); 5])), None);
    }

    proptest! {
        #[test]
        fn a_flat_picture_never_turns(
            a in 0.4..1.5_f32, b in -0.5..0.5_f32, c in -0.3..0.3_f32, d in 0.4..1.5_f32,
        ) {
            let mut face = AlignTemplate::Arcface112x112.landmarks();
            let before = turn(&face).unwrap();
            for p in &mut face.0 {
                *p = Point::new(a * p.x + b * p.y + 9.0, c * p.x + d * p.y - 5.0);
            }
            prop_assume!((a * d - b * c).abs() > 0.2);
            prop_assert!((turn(&face).unwrap() - before).abs() < 1e-3);
        }
    }
}
