//! The contacts around the door, what people do with them, and what must come of it.

use super::Counts;
use crate::chance::Chance;

/// As the door is set: a level counts when it lasts so long.
pub(super) const DEBOUNCE_MS: u64 = 60;
/// Readings that it must last besides.
const READINGS: u32 = 3;
/// A door that opens so shortly after the lock locked was not forced.
const GRACE_MS: u64 = 500;
/// By then an alarm must have been told.
const TOLD_MS: u64 = 1000;

/// A contact, active until some time, which cannot be read until another.
#[derive(Default)]
pub(super) struct Contact {
    active_until_ms: u64,
    broken_until_ms: u64,
    /// What can be read now; nothing while it is broken.
    pub(super) reading: Option<bool>,
    /// Since when it is active and was read so, and how often.
    active: Option<(u64, u32)>,
}

impl Contact {
    fn pass(&mut self, now_ms: u64) {
        let is_active = now_ms < self.active_until_ms;
        self.reading = (now_ms >= self.broken_until_ms).then_some(is_active);
        self.active = match (self.reading, self.active) {
            (Some(true), Some((since_ms, readings))) => Some((since_ms, readings + 1)),
            (Some(true), None) => Some((now_ms, 1)),
            _ => None,
        };
    }

    fn lasts(&self, now_ms: u64) -> bool {
        let (since_ms, readings) = self.active.unwrap_or((now_ms, 0));
        readings >= READINGS && now_ms - since_ms >= DEBOUNCE_MS
    }
}

/// The exit button and the door's leaf.
#[derive(Default)]
pub(super) struct Contacts {
    pub(super) button: Contact,
    pub(super) leaf: Contact,
    released_ms: u64,
    /// When the leaf was last not seen to be shut, by a door that runs.
    seen_shut_after_ms: u64,
    /// When the leaf was opened though nobody was let through, if that must still be told.
    forced_ms: Option<u64>,
}

impl Contacts {
    /// Time passes; `released` is where the pin was until now.
    pub(super) fn pass(
        &mut self,
        now_ms: u64,
        released: bool,
        chance: &mut Chance,
        counts: &mut Counts,
    ) {
        let for_ms = |chance: &mut Chance, most| now_ms + 200 + chance.below(most) as u64;
        if released {
            self.released_ms = now_ms;
        }
        if chance.once_in(900) {
            // Somebody leaves, or leans on it.
            let most_ms = if chance.once_in(100) { 90_000 } else { 2000 };
            self.button.active_until_ms = for_ms(chance, most_ms);
        }
        let shut = now_ms >= self.leaf.active_until_ms;
        let forced = chance.once_in(20_000);
        if shut && (forced || released && chance.once_in(12)) {
            let most_ms = if chance.once_in(50) { 60_000 } else { 6000 };
            self.leaf.active_until_ms = for_ms(chance, most_ms);
            let calm_since_ms = self.seen_shut_after_ms.max(self.released_ms + GRACE_MS);
            let secured = now_ms > calm_since_ms + TOLD_MS;
            self.forced_ms = Some(now_ms).filter(|_| secured);
        }
        for contact in [&mut self.button, &mut self.leaf] {
            if chance.once_in(15_000) {
                counts.contact_faults += 1;
                contact.broken_until_ms = for_ms(chance, 5000);
            }
            contact.pass(now_ms);
        }
    }

    /// Whether somebody wants to leave.
    pub(super) fn may_leave(&self, now_ms: u64) -> bool {
        self.button.lasts(now_ms)
    }

    /// `runs`: a door that was started before the leaf was opened; `told`: of a forced door.
    ///
    /// # Errors
    /// An alarm that was not told.
    pub(super) fn check(&mut self, now_ms: u64, runs: bool, told: bool) -> Result<(), String> {
        if !runs || self.leaf.reading != Some(false) {
            self.seen_shut_after_ms = now_ms;
        }
        if told || !runs || self.leaf.reading != Some(true) {
            self.forced_ms = None;
        }
        let late = |since_ms: &u64| now_ms - since_ms > TOLD_MS;
        match self.forced_ms.filter(late) {
            Some(since_ms) => Err(format!("forced open at {since_ms} ms, and nobody is told")),
            None => Ok(()),
        }
    }
}
