//! A lock with a thread of its own, so that it locks in time whatever the door's loop is doing: a
//! slow frame, a camera that hangs, events that nobody reads.

use super::{Lock, LockError};
use embedded_hal::digital::OutputPin;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// From one attempt to lock a pin that does not obey to the next.
const RETRY: Duration = Duration::from_millis(50);

/// Locks a [`Lock`] when its time is over. Locks when dropped, too.
pub struct Keeper<P: OutputPin + Send + 'static> {
    shared: Arc<Shared<P>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<P: OutputPin> {
    started: Instant,
    state: Mutex<State<P>>,
    changed: Condvar,
}

struct State<P: OutputPin> {
    lock: Lock<P>,
    /// When it locked, until somebody asked.
    relocked: Option<Duration>,
    /// What it said when it was to lock, until somebody asked.
    fault: Option<LockError>,
    ended: bool,
}

impl<P: OutputPin + Send + 'static> Keeper<P> {
    /// Keeps a lock; times are since `started`.
    ///
    /// # Errors
    /// If there is no thread to be had; the lock is locked.
    pub fn new(lock: Lock<P>, started: Instant) -> io::Result<Self> {
        let state = State {
            lock,
            relocked: None,
            fault: None,
            ended: false,
        };
        let shared = Arc::new(Shared {
            started,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let kept = shared.clone();
        let name = thread::Builder::new().name("lock".into());
        let thread = Some(name.spawn(move || kept.keep())?);
        Ok(Self { shared, thread })
    }

    /// As [`Lock::release`], now. Returns when, if it was locked.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set.
    pub fn release(&self) -> Result<Option<Duration>, LockError> {
        let now = self.shared.started.elapsed();
        let was_locked = self.shared.state().lock.release(now)?;
        self.shared.changed.notify_all();
        Ok(was_locked.then_some(now))
    }

    /// When the lock locked because its time was over, once for each time.
    ///
    /// # Errors
    /// [`LockError`] if it could not; the keeper goes on trying.
    pub fn relocked(&self) -> Result<Option<Duration>, LockError> {
        let mut state = self.shared.state();
        // Should the thread have died, this is what locks.
        state.tick(self.shared.started.elapsed());
        match state.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(state.relocked.take()),
        }
    }

    /// Locks now. Returns when, if the lock was released or that was not told yet.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the keeper goes on trying.
    pub fn relock(&self) -> Result<Option<Duration>, LockError> {
        let mut state = self.shared.state();
        let was_released = state.lock.relock_at().is_some();
        state.lock.relock()?;
        let now = was_released.then(|| self.shared.started.elapsed());
        Ok(state.relocked.take().or(now))
    }

    /// As [`Lock::relock_at`].
    pub fn relock_at(&self) -> Option<Duration> {
        self.shared.state().lock.relock_at()
    }

    /// As [`Lock::hold`].
    pub fn hold(&self) -> Duration {
        self.shared.state().lock.hold()
    }
}

impl<P: OutputPin> State<P> {
    fn tick(&mut self, now: Duration) {
        match self.lock.tick(now) {
            Ok(true) => self.relocked = Some(now),
            Ok(false) => {}
            Err(fault) => self.fault = Some(fault),
        }
    }
}

impl<P: OutputPin> Shared<P> {
    fn state(&self) -> MutexGuard<'_, State<P>> {
        // The lock knows what it last did, even where a thread died.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) {
        let mut state = self.state();
        while !state.ended {
            let now = self.started.elapsed();
            state.tick(now);
            // An instant that is past is one that the pin did not obey.
            let wait = state
                .lock
                .relock_at()
                .map_or(Duration::MAX, |at| at.checked_sub(now).unwrap_or(RETRY));
            let woken = self.changed.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<P: OutputPin + Send + 'static> Drop for Keeper<P> {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        // It ends at once, and the lock locks when the last of the two lets it go.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ActiveLevel, Door, Driver};
    use crate::door::simulated::SimulatedPin;
    use embedded_hal::digital::{ErrorKind, ErrorType, PinState};
    use std::sync::atomic::{AtomicBool, Ordering};

    const HOLD: Duration = Duration::from_millis(60);

    fn config() -> Door {
        Door {
            driver: Driver::Simulated,
            active_level: ActiveLevel::High,
            hold: HOLD,
        }
    }

    /// For what the thread does by itself.
    fn wait(until: impl Fn() -> bool) {
        let started = Instant::now();
        while !until() {
            assert!(started.elapsed() < Duration::from_secs(30));
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_locks_in_time_though_nobody_calls() {
        let (pin, recording) = SimulatedPin::new();
        let keeper = Keeper::new(Lock::new(pin, &config()).unwrap(), Instant::now()).unwrap();
        for _ in 0..2 {
            let released = keeper.release().unwrap().unwrap();
            assert_eq!(keeper.release().unwrap(), None);
            wait(|| keeper.relock_at().is_none());
            let relocked = keeper.relocked().unwrap().unwrap();
            assert!(relocked >= released + HOLD);
            assert_eq!(keeper.relocked().unwrap(), None);
        }
        let levels: Vec<_> = recording.levels().into_iter().map(|(_, l)| l).collect();
        use PinState::{High, Low};
        assert_eq!(levels, [Low, High, Low, High, Low]);
    }

    #[test]
    fn it_locks_when_told_and_when_dropped() {
        let (pin, recording) = SimulatedPin::new();
        let hold = Duration::from_secs(60);
        let lock = Lock::new(pin, &Door { hold, ..config() }).unwrap();
        let keeper = Keeper::new(lock, Instant::now()).unwrap();
        keeper.release().unwrap();
        assert!(keeper.relock().unwrap().is_some());
        assert_eq!(keeper.relock().unwrap(), None);
        keeper.release().unwrap();
        drop(keeper);
        assert_eq!(recording.levels().last().unwrap().1, PinState::Low);
    }

    /// Cannot be set to low while it is stuck.
    struct StuckPin(Arc<AtomicBool>);

    impl ErrorType for StuckPin {
        type Error = ErrorKind;
    }

    impl OutputPin for StuckPin {
        fn set_low(&mut self) -> Result<(), ErrorKind> {
            let stuck = self.0.load(Ordering::Relaxed);
            (!stuck).then_some(()).ok_or(ErrorKind::Other)
        }

        fn set_high(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }

    #[test]
    fn it_says_that_it_cannot_lock_and_goes_on_trying() {
        let stuck = Arc::new(AtomicBool::new(false));
        let lock = Lock::new(StuckPin(stuck.clone()), &config()).unwrap();
        let keeper = Keeper::new(lock, Instant::now()).unwrap();
        keeper.release().unwrap();
        stuck.store(true, Ordering::Relaxed);
        wait(|| keeper.relocked().is_err());
        assert!(keeper.relock_at().is_some());
        stuck.store(false, Ordering::Relaxed);
        wait(|| keeper.relock_at().is_none());
    }
}
