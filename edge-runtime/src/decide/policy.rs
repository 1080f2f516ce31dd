//! The `[decide]` part of `door.toml`.

use super::{ChallengeRule, LockoutRule, Rule};
use serde::Deserialize;
use std::time::Duration;

const TWO_PEOPLE_MS: std::ops::RangeInclusive<u64> = 1..=600_000;

/// Under what conditions the lock is released.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "PolicyToml")]
pub struct Policy {
    /// How many frames must agree.
    pub rule: Rule,
    pub(super) lockout: Option<LockoutRule>,
    pub(super) challenge: Option<ChallengeRule>,
    /// Two different people must come within this time.
    pub(super) two_people_within: Option<Duration>,
}

impl Policy {
    /// Agreement over frames, and nothing more.
    pub fn agreement(rule: Rule) -> Self {
        Self {
            rule,
            lockout: None,
            challenge: None,
            two_people_within: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyToml {
    agreeing_frames: usize,
    of_last_frames: usize,
    window_ms: u64,
    two_people_within_ms: Option<u64>,
    lockout: Option<LockoutRule>,
    challenge: Option<ChallengeRule>,
}

impl TryFrom<PolicyToml> for Policy {
    type Error = String;

    fn try_from(toml: PolicyToml) -> Result<Self, String> {
        let rule = Rule::new(toml.agreeing_frames, toml.of_last_frames, toml.window_ms);
        let within = toml.two_people_within_ms;
        if let Some(ms) = within.filter(|ms| !TWO_PEOPLE_MS.contains(ms)) {
            let (least, most) = (TWO_PEOPLE_MS.start(), TWO_PEOPLE_MS.end());
            return Err(format!(
                "two_people_within_ms is {ms}, expected {least} to {most}"
            ));
        }
        Ok(Self {
            rule: rule.map_err(|error| error.to_string())?,
            lockout: toml.lockout,
            challenge: toml.challenge,
            two_people_within: within.map(Duration::from_millis),
        })
    }
}
