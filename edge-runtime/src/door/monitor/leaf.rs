//! The leaf of the door: opened or forced, held open, closed again.

use super::{Change, Debounce};
use crate::door::settings::Sensor;
use crate::event::Event;
use crate::millis::millis;
use std::time::Duration;

/// The leaf, as its sensor tells.
pub(super) struct Leaf {
    contact: Debounce,
    settings: Sensor,
    /// When the lock was released last.
    released_at: Option<Duration>,
    /// Nobody had been let through when the level began that is read now.
    secured: bool,
    opened_at: Option<Duration>,
    /// When it is next told that it is held open.
    held_at: Duration,
    /// It was forced, or is held open.
    alarm: bool,
    /// It was opened since the lock was released.
    passage: bool,
    let_through: bool,
}

impl Leaf {
    pub(super) fn new(settings: Sensor) -> Self {
        Self {
            contact: Debounce::new(&settings.contact),
            settings,
            released_at: None,
            secured: true,
            opened_at: None,
            held_at: Duration::ZERO,
            alarm: false,
            passage: false,
            let_through: false,
        }
    }

    /// Whether at the last reading it closed behind whom the lock is released for, and the lock
    /// is to lock then.
    pub(super) fn has_let_through(&self) -> bool {
        self.let_through && self.settings.relock_when_closed
    }

    /// Times before `now` mean nothing any more.
    pub(super) fn restart(&mut self, now: Duration, released: bool) {
        self.contact.restart();
        self.released_at = released.then_some(now);
        if self.opened_at.is_some() {
            self.open(now);
        }
    }

    pub(super) fn step(
        &mut self,
        now: Duration,
        reading: Result<bool, String>,
        released: bool,
        events: &mut Vec<Event>,
    ) -> Change {
        if released {
            self.released_at = Some(now);
        }
        self.passage &= released;
        self.let_through = false;
        let can_be_read = reading.is_ok();
        let change = self.contact.step(now, reading);
        // By the time that a level counts somebody may have been let in, whom it is not of.
        if self.contact.since() == Some(now) {
            let grace = self.settings.grace;
            self.secured = (self.released_at).is_none_or(|at| now > at.saturating_add(grace));
        }
        match change.to {
            Some(true) => self.opened(now, &change, events),
            Some(false) if !change.first => self.closed(now, events),
            _ => {}
        }
        if can_be_read && let Some(since) = self.opened_at.filter(|_| now >= self.held_at) {
            events.push(Event::HeldOpen {
                at_ms: millis(now),
                open_ms: millis(now.saturating_sub(since)),
                again: self.held_at > since.saturating_add(self.settings.held_open),
            });
            self.held_at = now.saturating_add(self.settings.held_open_again);
            self.alarm = true;
        }
        change
    }

    fn opened(&mut self, now: Duration, change: &Change, events: &mut Vec<Event>) {
        let at_ms = millis(now);
        // A door that is open from the start was not seen to be forced.
        let forced = self.secured && !change.first;
        events.push(match forced {
            true => Event::ForcedOpen { at_ms },
            false => Event::DoorOpened { at_ms },
        });
        self.open(self.contact.since().unwrap_or(now));
        self.alarm = forced;
        self.passage = self.released_at == Some(now);
    }

    fn open(&mut self, since: Duration) {
        self.opened_at = Some(since);
        self.held_at = since.saturating_add(self.settings.held_open);
    }

    fn closed(&mut self, now: Duration, events: &mut Vec<Event>) {
        let since = self.opened_at.take().unwrap_or(now);
        events.push(Event::DoorClosed {
            at_ms: millis(now),
            open_ms: millis(now.saturating_sub(since)),
            alarm: std::mem::take(&mut self.alarm),
        });
        self.let_through = std::mem::take(&mut self.passage);
    }
}
