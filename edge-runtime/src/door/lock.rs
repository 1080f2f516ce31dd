//! A lock on an output pin: released for a time, locked at all others, and without current in the
//! end.

use super::pins::{self, Output};
use super::settings::{ActiveLevel, Door, Relay, Strike};
use embedded_hal::digital::{OutputPin, PinState};
use std::time::Duration;

/// The pin did not do as told: the lock may be in either state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the lock's pin could not be set to {wanted} ({reason}); check the wiring and the driver, and test the lock by hand"
)]
pub struct LockError {
    wanted: &'static str,
    reason: String,
}

/// A lock on an output pin. It locks when made and when its time is over. When dropped it takes the
/// current off, which locks a fail-secure strike and unlocks a fail-safe one.
pub struct Lock {
    pin: Output,
    relay: Relay,
    hold: Duration,
    /// When it must be at rest again; `None` once it was set so without an error.
    relock_at: Option<Duration>,
    /// The latest time it was told.
    told: Duration,
    /// It rests without current from now on, and is never released.
    ended: bool,
}

impl Relay {
    /// Whether current is on while the lock is released, or while it is locked.
    fn energized(self, released: bool) -> bool {
        released == (self.strike == Strike::FailSecure)
    }

    /// The pin's level with the current on or off.
    fn level(self, energized: bool) -> PinState {
        PinState::from(energized == (self.active_level == ActiveLevel::High))
    }

    /// The pin's level while the lock is locked.
    pub(super) fn locked_level(self) -> PinState {
        self.level(self.energized(false))
    }
}

impl Lock {
    /// Takes the pin and locks.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set.
    pub fn new(pin: impl OutputPin + Send + 'static, door: &Door) -> Result<Self, LockError> {
        let mut lock = Self {
            pin: pins::output(pin),
            relay: door.relay,
            hold: door.hold,
            relock_at: None,
            told: Duration::ZERO,
            ended: false,
        };
        lock.relock()?;
        Ok(lock)
    }

    /// Releases the lock at `now` since some start, for the time it is configured to. A lock that
    /// is released already keeps its time, so that nothing holds it open longer; one that has
    /// ended stays so.
    ///
    /// Returns whether it was locked and is released.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the lock tried to lock again.
    pub fn release(&mut self, now: Duration) -> Result<bool, LockError> {
        if self.ended || self.relock_at.is_some() {
            return Ok(false);
        }
        self.told = now;
        // Schedule the relock first: a write that fails may still have moved the bolt.
        self.relock_at = Some(now.saturating_add(self.hold));
        if let Err(error) = self.energize(self.relay.energized(true)) {
            // The first error is the one to tell; `relock_at` still stands if this fails, too.
            let _ = self.relock();
            return Err(error);
        }
        Ok(true)
    }

    /// Locks if the time is over, or runs backwards. To be called often: the lock is late by what
    /// lies between.
    ///
    /// Returns whether it locked.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the next call tries again.
    pub fn tick(&mut self, now: Duration) -> Result<bool, LockError> {
        let backwards = now < self.told;
        self.told = now;
        let over = self.relock_at.is_some_and(|at| backwards || now >= at);
        if over {
            self.relock()?;
        }
        Ok(over)
    }

    /// Locks; if it has ended, takes the current off.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the next [`Lock::tick`] tries again.
    pub fn relock(&mut self) -> Result<(), LockError> {
        self.relock_at = Some(Duration::ZERO);
        let energized = !self.ended && self.relay.energized(false);
        self.energize(energized)?;
        self.relock_at = None;
        Ok(())
    }

    /// Ends: takes the current off, for good.
    ///
    /// # Errors
    /// As [`Lock::relock`].
    pub fn end(&mut self) -> Result<(), LockError> {
        self.ended = true;
        self.relock()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// When the lock will be locked again, if it is released or may be.
    pub fn relock_at(&self) -> Option<Duration> {
        self.relock_at
    }

    fn energize(&mut self, energized: bool) -> Result<(), LockError> {
        let level = self.relay.level(energized);
        self.pin.set_state(level).map_err(|error| LockError {
            wanted: match level {
                PinState::High => "high",
                PinState::Low => "low",
            },
            reason: error.0,
        })
    }
}

impl Drop for Lock {
    /// Ends on every way out, a panic included; nobody is left to hear of an error.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests;
