//! How the door to try decides, and why there may be none.

use crate::config::Config;
use crate::decide::Policy;
use crate::door::{Door, DoorError, LockError};
use crate::identify::Identify;
use crate::store::StoreError;
use serde::Deserialize;
use shared::bundle::NoOperatingPoint;
use shared::enrollment::EnrollmentError;
use shared::roster::RosterError;
use std::time::Duration;

/// Why there is nothing to try.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Nobody would find faces.
    #[error(
        "the bundle has no detector, which finds the face in a camera's picture; take one with a detector, as models/default.bundle"
    )]
    NoDetector,
    /// Nobody is searched for at that door.
    #[error(
        "this door compares with whom a claim names and with nobody else, and a trial takes no claims; name its --bundle instead"
    )]
    ClaimsOnly,
    /// Others of the door's people are not for a trial to change.
    #[error(
        "the door knows somebody of that name already; take another, or `edge-runtime remove` the person first"
    )]
    Known,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] EnrollmentError),
    /// A record of another network.
    #[error(transparent)]
    Record(#[from] RosterError),
    /// People who are kept are not forgotten by the way.
    #[error("the people of a door are removed with `edge-runtime remove`")]
    Kept,
    /// The bundle has no threshold for that many people.
    #[error(transparent)]
    OperatingPoint(#[from] NoOperatingPoint),
    /// The lock cannot be had.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The lock does not obey.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The thread that keeps the lock.
    #[error("the program failed: {0}; start it again and report this")]
    Panic(String),
    /// The door's people.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// How the door to try decides, as the tables of `door.toml` of the same names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub(super) identify: Identify,
    pub(super) decide: Policy,
    pub(super) door: Door,
}

impl Default for Rules {
    /// Two of the last three frames at a false-accept rate of 0.001, and a simulated lock.
    fn default() -> Self {
        toml::from_str(include_str!("rules.toml")).expect("checked by a test")
    }
}

impl Rules {
    /// With a lock that stays released for so long.
    pub fn hold(mut self, time: Duration) -> Self {
        self.door.hold = time;
        self
    }

    /// How a door that is set up recognizes people. Its lock is simulated, and what else it asks
    /// for is left out.
    ///
    /// # Errors
    /// [`TrialError::ClaimsOnly`].
    pub fn of(config: &Config) -> Result<Self, TrialError> {
        if config.claims_only() {
            return Err(TrialError::ClaimsOnly);
        }
        Ok(Self {
            identify: config.identify,
            decide: Policy::agreement(config.decide.rule),
            door: Self::default().door,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_can_be_read() {
        assert_eq!(Rules::default().decide.rule.needed(), 2);
    }
}
