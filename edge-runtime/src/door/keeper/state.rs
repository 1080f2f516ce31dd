//! What a keeper keeps, without its thread: time is told to it.

use super::Fault;
use crate::door::monitor::{Monitor, Wish};
use crate::door::{Door, Lock, LockError, Readings, Strike};
use crate::event::Event;
use crate::millis::millis;
use std::time::Duration;

/// A door that is kept, by a thread or by whoever tells the time.
pub struct State {
    lock: Lock,
    monitor: Monitor,
    strike: Strike,
    /// Whom the lock is released for.
    let_in: Vec<String>,
    /// What nobody asked for yet. It grows while the door's loop hangs, which the watchdog bounds.
    events: Vec<Event>,
    lock_fault: Option<LockError>,
    panic: Option<String>,
    /// Nobody keeps it any more.
    pub(super) quit: bool,
}

impl State {
    /// A lock, and what the contacts around it mean.
    pub fn new(lock: Lock, door: &Door) -> Self {
        Self {
            lock,
            monitor: Monitor::new(door),
            strike: door.relay.strike,
            let_in: Vec::new(),
            events: Vec::new(),
            lock_fault: None,
            panic: None,
            quit: false,
        }
    }

    /// Locks if it is time to, or if nobody reads the contacts any more.
    pub fn tick(&mut self, now: Duration) {
        self.relock(now);
        if !self.lock.has_ended() {
            let (wish, events) = self.monitor.overdue(now);
            self.follow(now, wish, events);
        }
    }

    /// Does what the contacts want; what they say is nothing to a lock that has ended.
    pub fn contacts(&mut self, now: Duration, readings: Readings) {
        self.relock(now);
        if !self.lock.has_ended() {
            let released = self.lock.relock_at();
            let (wish, events) = self.monitor.step(now, readings, released);
            self.follow(now, wish, events);
        }
    }

    fn relock(&mut self, now: Duration) {
        match self.lock.tick(now) {
            Ok(true) => self.at_rest(now),
            Ok(false) => {}
            Err(fault) => self.lock_fault = Some(fault),
        }
    }

    fn follow(&mut self, now: Duration, wish: Wish, mut events: Vec<Event>) {
        let was_released = self.lock.relock_at().is_some();
        let done = match wish {
            Wish::Keep => Ok(()),
            Wish::Release => self.lock.release(now).map(drop),
            Wish::Relock => self.lock.relock(),
        };
        if done.is_err() {
            // Nobody was let out.
            events.retain(|event| !matches!(event, Event::ExitRequested { .. }));
        }
        self.events.append(&mut events);
        match done {
            Ok(()) if wish == Wish::Relock && was_released => self.at_rest(now),
            Ok(()) => {}
            Err(fault) => self.lock_fault = Some(fault),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock.has_ended()
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
        self.lock.release(now)?;
        if let Some(until) = self.lock.relock_at().filter(|_| !self.lock.has_ended())
            && !self.let_in.contains(&subject)
        {
            self.let_in.push(subject.clone());
            self.events.push(Event::Released {
                at_ms: millis(now),
                subject,
                with,
                hold_ms: millis(until.saturating_sub(now)),
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
        self.let_in.clear();
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
