//! The lock: released for a time, locked at all others.

pub mod keeper;
pub mod rppal;
pub mod simulated;

use crate::config::{ActiveLevel, Door};
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

/// A lock on an output pin. It locks when made, when its time is over, and when dropped.
pub struct Lock<P: OutputPin> {
    pin: P,
    active_level: ActiveLevel,
    hold: Duration,
    /// When it must be locked again; `None` once it was locked without an error.
    relock_at: Option<Duration>,
    /// The latest time it was told.
    told: Duration,
}

impl<P: OutputPin> Lock<P> {
    /// Takes the pin and locks.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set.
    pub fn new(pin: P, config: &Door) -> Result<Self, LockError> {
        let mut lock = Self {
            pin,
            active_level: config.active_level,
            hold: config.hold,
            relock_at: None,
            told: Duration::ZERO,
        };
        lock.relock()?;
        Ok(lock)
    }

    /// Releases the lock at `now` since some start, for the time it is configured to. A lock that
    /// is released already keeps its time, so that nothing holds it open longer.
    ///
    /// Returns whether it was locked.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the lock tried to lock again.
    pub fn release(&mut self, now: Duration) -> Result<bool, LockError> {
        if self.relock_at.is_some() {
            return Ok(false);
        }
        self.told = now;
        // Schedule the relock first: a write that fails may still have moved the bolt.
        self.relock_at = Some(now.saturating_add(self.hold));
        if let Err(error) = self.set(true) {
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

    /// Locks.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the next [`Lock::tick`] tries again.
    pub fn relock(&mut self) -> Result<(), LockError> {
        let due = self.relock_at.get_or_insert(Duration::ZERO);
        *due = Duration::ZERO;
        self.set(false)?;
        self.relock_at = None;
        Ok(())
    }

    /// When the lock will be locked again, if it is released or may be.
    pub fn relock_at(&self) -> Option<Duration> {
        self.relock_at
    }

    /// How long a release lasts.
    pub fn hold(&self) -> Duration {
        self.hold
    }

    fn set(&mut self, released: bool) -> Result<(), LockError> {
        let high = released == (self.active_level == ActiveLevel::High);
        self.pin
            .set_state(PinState::from(high))
            .map_err(|error| LockError {
                wanted: if high { "high" } else { "low" },
                reason: format!("{error:?}"),
            })
    }
}

impl<P: OutputPin> Drop for Lock<P> {
    /// Locks on every way out, a panic included; nobody is left to hear of an error.
    fn drop(&mut self) {
        let _ = self.relock();
    }
}

#[cfg(test)]
mod tests;
