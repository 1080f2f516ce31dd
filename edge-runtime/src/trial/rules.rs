//! How the door to try decides, and why there may be none.

use crate::config::Config;
use crate::decide::Policy;
use crate::door::{Door, DoorError, LockError};
use crate::identify::Identify;
use crate::store::StoreError;
use serde::Deserialize;
use shared::bundle::NoOperatingPoint;
use std::time::Duration;

/// Why there is nothing to try.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Nobody would find faces.
    #[error(
        "the bundle has no detector, which finds the face in a camera's picture; take one with a detector, as models/default.bundle"
    )]
    NoDetector,
    /// The bundle has no threshold for that many people.
    #[error(transparent)]
    OperatingPoint(#[from] NoOperatingPoint),
    /// The lock cannot be had.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The lock does not obey.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The lock, or its thread, failed.
    #[error("{0}")]
    Fault(String),
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

    /// Those of a door that is set up, but for its lock, which is simulated.
    pub fn of(config: &Config) -> Self {
        Self {
            identify: config.identify,
            decide: config.decide.clone(),
            door: Self::default().door,
        }
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
