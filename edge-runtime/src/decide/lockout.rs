//! Locked for everybody after repeated refusals, each time longer.

use serde::Deserialize;
use std::collections::VecDeque;
use std::time::Duration;

const MAX_REFUSALS: usize = 1000;
const MAX_MS: u64 = 24 * 3600 * 1000;

/// How many refusals within what time lock everybody out, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "LockoutToml")]
pub struct LockoutRule {
    refusals: usize,
    within: Duration,
    /// The first one; each that follows lasts twice as long ...
    lasts: Duration,
    /// ... up to this.
    at_most: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockoutToml {
    refusals: usize,
    within_ms: u64,
    lasts_ms: u64,
    at_most_ms: u64,
}

impl TryFrom<LockoutToml> for LockoutRule {
    type Error = String;

    fn try_from(toml: LockoutToml) -> Result<Self, String> {
        let LockoutToml { refusals, .. } = toml;
        if !(1..=MAX_REFUSALS).contains(&refusals) {
            return Err(format!(
                "refusals is {refusals}, expected 1 to {MAX_REFUSALS}"
            ));
        }
        let time = |name, ms| {
            let possible = (1..=MAX_MS).contains(&ms);
            let impossible = || format!("{name} is {ms}, expected 1 to {MAX_MS}");
            possible
                .then(|| Duration::from_millis(ms))
                .ok_or_else(impossible)
        };
        let lasts = time("lasts_ms", toml.lasts_ms)?;
        let at_most = time("at_most_ms", toml.at_most_ms)?;
        if at_most < lasts {
            return Err("at_most_ms is less than lasts_ms, expected at least that".into());
        }
        Ok(Self {
            refusals,
            within: time("within_ms", toml.within_ms)?,
            lasts,
            at_most,
        })
    }
}

/// The refusals up to now.
pub(super) struct Lockout {
    rule: LockoutRule,
    refused: VecDeque<Duration>,
    until: Duration,
    next: Duration,
}

impl Lockout {
    pub(super) fn new(rule: LockoutRule) -> Self {
        Self {
            rule,
            refused: VecDeque::new(),
            until: Duration::ZERO,
            next: rule.lasts,
        }
    }

    /// When the present lockout ends. A clock that jumps back makes it longer, never shorter.
    pub(super) fn until(&self, now: Duration) -> Option<Duration> {
        (now < self.until).then_some(self.until)
    }

    /// Counts one refusal.
    pub(super) fn refuse(&mut self, now: Duration) {
        let recent = |at: &Duration| now.saturating_sub(*at) <= self.rule.within;
        self.refused.retain(recent);
        self.refused.push_back(now);
        if self.refused.len() >= self.rule.refusals {
            self.refused.clear();
            self.until = now.saturating_add(self.next);
            self.next = (self.next * 2).min(self.rule.at_most);
        }
    }

    /// After somebody came in, counting and doubling begin anew.
    pub(super) fn forgive(&mut self) {
        self.refused.clear();
        self.next = self.rule.lasts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lockout_lasts_twice_as_long_up_to_a_bound() {
        let ms = Duration::from_millis;
        let mut lockout = Lockout::new(LockoutRule {
            refusals: 2,
            within: ms(100),
            lasts: ms(1000),
            at_most: ms(3000),
        });
        let mut now = ms(0);
        for lasts in [1000, 2000, 3000, 3000] {
            lockout.refuse(now);
            // Too long ago by the next one.
            now += ms(101);
            lockout.refuse(now);
            assert_eq!(lockout.until(now), None);
            now += ms(100);
            lockout.refuse(now);
            assert_eq!(lockout.until(now), Some(now + ms(lasts)));
            assert_eq!(lockout.until(now + ms(lasts)), None);
            now += ms(lasts);
        }
        lockout.forgive();
        lockout.refuse(now);
        lockout.refuse(now);
        assert_eq!(lockout.until(now), Some(now + ms(1000)));
    }
}
