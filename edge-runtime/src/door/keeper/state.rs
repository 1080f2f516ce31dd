//! What a keeper keeps, without its thread: time is told to it.

use super::Fault;
use crate::door::monitor::{Monitor, Wish, millis};
use crate::door::{Contacts, Door, Lock, LockError, Strike};
use crate::event::Event;
use std::time::Duration;

/// A door that is kept, by a thread or by whoever tells the time.
pub struct State {
    lock: Lock,
    contacts: Contacts,
    monitor: Monitor,
    strike: Strike,
    hold: Duration,
    /// What nobody asked for yet. It grows while the door's loop hangs, which the watchdog bounds.
    events: Vec<Event>,
    lock_fault: Option<LockError>,
    panic: Option<String>,
    /// Nobody keeps it any more.
    pub(super) quit: bool,
}

impl State {
    /// A lock and the contacts around it.
    pub fn new(lock: Lock, contacts: Contacts, door: &Door) -> Self {
        Self {
            lock,
            contacts,
            monitor: Monitor::new(door),
            strike: door.relay.strike,
            hold: door.hold,
            events: Vec::new(),
            lock_fault: None,
            panic: None,
            quit: false,
        }
    }

    /// Locks if it is time to, and does what the contacts want.
    pub fn tick(&mut self, now: Duration) {
        match self.lock.tick(now) {
            Ok(true) => self.at_rest(now),
            Ok(false) => {}
            Err(fault) => self.lock_fault = Some(fault),
        }
        if !self.watches() {
            return;
        }
        let released = self.lock.relock_at();
        let (wish, events) = self.monitor.step(now, self.contacts.read(), released);
        let done = match wish {
            Wish::Keep => Ok(()),
            Wish::Release => self.lock.release(now).map(drop),
            Wish::Relock => self.lock.relock(),
        };
        self.events.extend(events);
        match done {
            Ok(()) if wish == Wish::Relock && released.is_some() => self.at_rest(now),
            Ok(()) => {}
            Err(fault) => self.lock_fault = Some(fault),
        }
    }

    /// Whether there are contacts to read; what they say is nothing to a lock that has ended.
    pub(super) fn watches(&self) -> bool {
        !self.contacts.is_empty() && !self.lock.has_ended()
    }

    /// As [`super::Keeper::release`].
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set.
    pub fn release(
        &mut self,
        now: Duration,
        subject: String,
        with: Option<String>,
    ) -> Result<(), LockError> {
        if self.lock.release(now)? {
            self.events.push(Event::Released {
                at_ms: millis(now),
                subject,
                with,
                hold_ms: millis(self.hold),
            });
        }
        Ok(())
    }

    /// As [`super::Keeper::end`].
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set.
    pub fn end(&mut self, now: Duration) -> Result<(), LockError> {
        let was_released = self.lock.relock_at().is_some();
        if self.lock.has_ended() && !was_released {
            return Ok(());
        }
        self.lock.end()?;
        if was_released || self.strike == Strike::FailSafe {
            self.at_rest(now);
        }
        Ok(())
    }

    pub(super) fn fail(&mut self, now: Duration, reason: String) {
        // A pin that does not obey is tried again at the next tick.
        let _ = self.end(now);
        self.panic.get_or_insert(reason);
    }

    /// What happened since the last time this was asked, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// As [`super::Keeper::fault`].
    pub fn take_fault(&mut self) -> Option<Fault> {
        let lock = self.lock_fault.take().map(Fault::Lock);
        lock.or_else(|| self.panic.clone().map(Fault::Panic))
    }

    pub(super) fn relock_at(&self) -> Option<Duration> {
        self.lock.relock_at()
    }

    /// Tells that the lock went where it rests.
    fn at_rest(&mut self, now: Duration) {
        let at_ms = millis(now);
        let unlocked = self.lock.has_ended() && self.strike == Strike::FailSafe;
        self.events.push(match unlocked {
            true => Event::LeftUnlocked { at_ms },
            false => Event::Relocked { at_ms },
        });
    }
}

#[cfg(test)]
mod tests;
