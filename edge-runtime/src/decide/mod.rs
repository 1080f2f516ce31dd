//! Whether to open: a pure function of what was seen, when, and of a coin. Every policy can only
//! keep the lock locked.

mod access;
mod agreement;
mod challenge;
mod lockout;
mod policy;

pub use access::Access;
pub use agreement::{ImpossibleRule, Rule};
pub use challenge::{ChallengeRule, Side};
pub use lockout::LockoutRule;
pub use policy::Policy;

use agreement::Agreement;
use challenge::{Challenge, Progress};
use lockout::Lockout;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// The wall clock may go wrong by this much against the monotonic one, unnoticed.
const MAX_CLOCK_JUMP_S: u64 = 10;

/// Whom a frame shows, as far as the decision goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Observation<S> {
    /// This person.
    Match(S),
    /// A face that is not let in.
    Stranger,
    /// No face, or a frame that cannot be used.
    Nobody,
}

/// All that a decision depends on.
#[derive(Clone, PartialEq)]
pub struct Look {
    /// When the frame was taken, since some start.
    pub at: Duration,
    /// The same by the wall clock, in seconds since 1970 UTC.
    pub unix_s: i64,
    /// Whom it shows.
    pub seen: Observation<String>,
    /// How far the head is turned, as [`crate::quality::yaw`] measures it, even of a face that is
    /// too far turned to be compared and so is nobody's.
    pub turn: Option<f32>,
    /// The side that a challenge which begins now asks for; by chance.
    pub side: Side,
}

/// Why the lock is not released, where it is not for want of agreeing frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Too many refusals a short while ago.
    LockedOut,
    /// This person may come in at other times.
    OutsideSchedule,
    /// This person may come in on a later day.
    NotYetValid,
    /// This person could come in until some day.
    Expired,
    /// The head must turn to the subject's left.
    TurnLeft,
    /// The head must turn to the subject's right.
    TurnRight,
    /// The head must be straight, before the turn and after it.
    LookAhead,
    /// The head did not turn as asked in time, or somebody else came between.
    TurnFailed,
    /// A second person must come.
    NeedsSecondPerson,
}

impl Refusal {
    /// Whether somebody is turned away by it, and not asked to do something.
    pub fn is_final(self) -> bool {
        match self {
            Self::LockedOut
            | Self::OutsideSchedule
            | Self::NotYetValid
            | Self::Expired
            | Self::TurnFailed => true,
            Self::TurnLeft | Self::TurnRight | Self::LookAhead | Self::NeedsSecondPerson => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LockedOut => "locked out after too many refusals",
            Self::OutsideSchedule => "outside this person's schedule",
            Self::NotYetValid => "this person is not valid yet",
            Self::Expired => "this person is not valid any more",
            Self::TurnLeft => "turn your head to your left",
            Self::TurnRight => "turn your head to your right",
            Self::LookAhead => "look ahead",
            Self::TurnFailed => "the head did not turn as asked",
            Self::NeedsSecondPerson => "a second person is needed",
        })
    }
}

/// What to do with the lock.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Wait {
        /// Frames that agree on the person of this one.
        agreeing: usize,
        /// Why not, apart from their number.
        refusal: Option<Refusal>,
    },
    /// Release it.
    Release {
        /// For this person ...
        subject: String,
        /// ... who came second, after this one, where two must.
        with: Option<String>,
    },
}

impl Action {
    /// Whether this frame's person has shown enough: to come in, or to be one of two.
    pub fn accepts(&self) -> bool {
        match self {
            Self::Release { .. } => true,
            Self::Wait { refusal, .. } => *refusal == Some(Refusal::NeedsSecondPerson),
        }
    }
}

/// What was seen lately, judged by a [`Policy`].
pub struct Decision {
    policy: Policy,
    access: Access,
    agreement: Agreement<String>,
    lockout: Option<Lockout>,
    challenge: Option<Challenge<String>>,
    /// The first of two people, and when.
    first: Option<(Duration, String)>,
    /// The clocks at the last look.
    clocks: Option<(Duration, i64)>,
}

impl Decision {
    /// Nothing seen yet.
    pub fn new(policy: Policy, access: Access) -> Self {
        Self {
            agreement: Agreement::new(policy.rule),
            lockout: policy.lockout.map(Lockout::new),
            policy,
            access,
            challenge: None,
            first: None,
            clocks: None,
        }
    }

    /// Takes in one frame. A clock that jumps is doubt: what was seen before no longer counts,
    /// but a lockout goes on. Neither does it after a release: the next one needs as much again.
    pub fn step(&mut self, look: &Look) -> Action {
        if self.clocks.is_some_and(|last| jumped(last, look)) {
            self.forget();
        }
        self.clocks = Some((look.at, look.unix_s));
        if self.locked_out_until(look.at).is_some() {
            self.forget();
            return wait(0, Refusal::LockedOut);
        }
        let access = match &look.seen {
            Observation::Match(subject) => self.access.check(subject, look.unix_s),
            _ => Ok(()),
        };
        match access {
            Ok(()) => self.judge(look),
            Err(refusal) => {
                // Somebody else came between.
                self.start_over();
                wait(0, refusal)
            }
        }
    }

    /// When the present lockout ends, if there is one.
    pub fn locked_out_until(&self, now: Duration) -> Option<Duration> {
        self.lockout.as_ref()?.until(now)
    }

    /// Counts the frame; then one condition after the other.
    fn judge(&mut self, look: &Look) -> Action {
        let challenged = self.challenge.as_mut();
        let aside = challenged.as_ref().is_some_and(|c| c.is_aside(look.turn));
        let seen = match &look.seen {
            // Whoever turns as asked may not be recognized for a while, which is no refusal.
            Observation::Stranger if aside => &Observation::Nobody,
            seen => seen,
        };
        let agreeing = self.agreement.step(look.at, seen);
        let enough = agreeing >= self.policy.rule.needed();
        let progress = challenged.map(|c| c.step(look.at, seen, look.turn));
        if progress == Some(Progress::Failed) {
            return self.refuse(look.at, Some(Refusal::TurnFailed));
        }
        let subject = match seen {
            Observation::Match(subject) => subject,
            Observation::Stranger if enough => return self.refuse(look.at, None),
            _ => return waiting(0, progress),
        };
        match (progress, self.policy.challenge) {
            _ if !enough => waiting(agreeing, progress),
            (None, Some(rule)) => self.challenge(rule, subject, look),
            (Some(Progress::Passed), _) | (None, None) => self.accept(look, subject, agreeing),
            _ => waiting(agreeing, progress),
        }
    }

    /// Asks for a turn of the head. Frames from before it, which a photograph can give, no longer
    /// count.
    fn challenge(&mut self, rule: ChallengeRule, subject: &str, look: &Look) -> Action {
        self.start_over();
        let mut challenge = Challenge::new(rule, subject.to_owned(), look.side, look.at);
        let progress = challenge.step(look.at, &look.seen, look.turn);
        self.challenge = Some(challenge);
        waiting(0, Some(progress))
    }

    /// This person may come in, with a second one where two must.
    fn accept(&mut self, look: &Look, subject: &str, agreeing: usize) -> Action {
        let first = self.first.take();
        self.start_over();
        let with = match self.policy.two_people_within {
            None => None,
            Some(within) => {
                // The first one's time may have ended meanwhile.
                let counts = |(at, first): &(Duration, String)| {
                    first != subject
                        && look.at.saturating_sub(*at) <= within
                        && self.access.check(first, look.unix_s).is_ok()
                };
                let Some((_, first)) = first.filter(counts) else {
                    self.first = Some((look.at, subject.into()));
                    return wait(agreeing, Refusal::NeedsSecondPerson);
                };
                Some(first)
            }
        };
        if let Some(lockout) = &mut self.lockout {
            lockout.forgive();
        }
        Action::Release {
            subject: subject.into(),
            with,
        }
    }

    /// One refusal; a lockout, if it is one too many.
    fn refuse(&mut self, now: Duration, refusal: Option<Refusal>) -> Action {
        self.start_over();
        if let Some(lockout) = &mut self.lockout {
            lockout.refuse(now);
        }
        let locked_out = self.locked_out_until(now).map(|_| Refusal::LockedOut);
        Action::Wait {
            agreeing: 0,
            refusal: locked_out.or(refusal),
        }
    }

    fn forget(&mut self) {
        self.start_over();
        self.first = None;
    }

    /// The person before the door must show as much again.
    fn start_over(&mut self) {
        self.agreement.forget();
        self.challenge = None;
    }
}

fn jumped((at, unix_s): (Duration, i64), look: &Look) -> bool {
    let Some(passed) = look.at.checked_sub(at) else {
        return true;
    };
    let wall = i128::from(look.unix_s) - i128::from(unix_s);
    wall.abs_diff(passed.as_secs().into()) > u128::from(MAX_CLOCK_JUMP_S)
}

fn wait(agreeing: usize, refusal: Refusal) -> Action {
    Action::Wait {
        agreeing,
        refusal: Some(refusal),
    }
}

/// Waits for frames, or for what a challenge asks for.
fn waiting(agreeing: usize, progress: Option<Progress>) -> Action {
    let refusal = progress.and_then(|progress| match progress {
        Progress::Turn(Side::Left) => Some(Refusal::TurnLeft),
        Progress::Turn(Side::Right) => Some(Refusal::TurnRight),
        Progress::LookAhead => Some(Refusal::LookAhead),
        Progress::Passed => None,
        Progress::Failed => Some(Refusal::TurnFailed),
    });
    Action::Wait { agreeing, refusal }
}

#[cfg(test)]
mod tests;
