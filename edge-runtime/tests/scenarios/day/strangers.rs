//! When strangers must have locked everybody out.

use super::model::Lockout;
use std::collections::VecDeque;

/// Refusals that a door must have counted; it may have counted more.
pub(super) struct Strangers {
    rule: Lockout,
    refused: VecDeque<u64>,
    /// Frames from before it do not count for a refusal.
    begins_ms: u64,
    /// The person that was seen last.
    person: String,
    locked_out_since_ms: Option<u64>,
}

impl Strangers {
    pub(super) fn new(rule: Lockout) -> Self {
        Self {
            rule,
            refused: VecDeque::new(),
            begins_ms: 0,
            person: String::new(),
            locked_out_since_ms: None,
        }
    }

    pub(super) fn begins_ms(&self) -> u64 {
        self.begins_ms
    }

    /// As many frames as must agree showed a stranger.
    pub(super) fn refuse(&mut self, now_ms: u64) {
        self.begins_ms = now_ms + 1;
        self.refused.retain(|at| now_ms - at <= self.rule.within_ms);
        self.refused.push_back(now_ms);
    }

    /// Somebody else. Strangers from before another person, or before one who is turned away or
    /// let in, may count or not: here they do not.
    pub(super) fn see_person(&mut self, now_ms: u64, person: &str, permitted: bool, enough: bool) {
        if person != self.person || enough || !permitted {
            self.begins_ms = now_ms + 1;
            self.person = person.into();
        }
        if enough {
            // Perhaps let in, through a lock that is released already.
            self.refused.clear();
        }
    }

    /// The program begins anew, or somebody came in.
    pub(super) fn forget(&mut self) {
        self.refused.clear();
    }

    /// Whether the door is locked out, and not, when it must be.
    ///
    /// # Errors
    /// The rule that is broken.
    pub(super) fn check(
        &mut self,
        now_ms: u64,
        runs: bool,
        locked_out: bool,
    ) -> Result<(), String> {
        if runs && !locked_out && self.refused.len() >= self.rule.refusals {
            return Err(format!(
                "not locked out after {} refusals",
                self.refused.len()
            ));
        }
        if locked_out {
            // Nobody is refused meanwhile.
            self.begins_ms = now_ms + 1;
            self.refused.clear();
        }
        let since_ms = self.locked_out_since_ms;
        self.locked_out_since_ms = locked_out.then(|| since_ms.unwrap_or(now_ms));
        let ended = since_ms.filter(|_| runs && !locked_out);
        match ended.map(|since_ms| now_ms - since_ms) {
            Some(lasted_ms) if lasted_ms < self.rule.lasts_ms => {
                Err(format!("not locked out any more after {lasted_ms} ms"))
            }
            _ => Ok(()),
        }
    }
}
