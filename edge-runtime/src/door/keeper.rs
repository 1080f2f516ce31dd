//! A door with a thread of its own, so that it locks in time, lets people out and tells alarms
//! whatever the door's loop is doing: a slow frame, a camera that hangs, events that nobody reads.

mod state;

use super::{Contacts, Door, Lock, LockError};
use crate::contained::excuse;
use crate::event::Event;
pub use state::State;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// From one attempt to lock a pin that does not obey to the next.
const RETRY: Duration = Duration::from_millis(50);
/// From one reading of the contacts to the next.
const POLL: Duration = Duration::from_millis(10);
/// That nobody reads the contacts any more is looked at so often.
const OVERDUE: Duration = Duration::from_secs(1);
/// How long a panic waits for a thread that is just moving the lock.
const PANIC_WAITS: Duration = Duration::from_millis(20);
/// How long whoever ends the process waits for that thread, or for the one that reads.
const END_WAITS: Duration = Duration::from_millis(500);

/// Keeps a [`Lock`]: locks it when its time is over, reads the contacts, and ends the lock when
/// dropped. A contact whose driver hangs holds nothing up.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Closed by the thread that reads the contacts, when it ends.
    reader: Option<Receiver<()>>,
}

/// Why a door cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// What the lock said when it was to be moved; the keeper goes on trying to lock.
    Lock(LockError),
    /// What a thread said that panicked; the lock has ended.
    Panic(String),
}

struct Shared {
    started: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

impl Keeper {
    /// Keeps a lock and the contacts around it.
    ///
    /// # Errors
    /// If there is no thread to be had; the lock has ended.
    pub fn start(lock: Lock, contacts: Contacts, door: &Door) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            started: Instant::now(),
            state: Mutex::new(State::new(lock, door)),
            changed: Condvar::new(),
        });
        let thread = shared.spawn("lock", Shared::keep)?;
        let mut keeper = Self {
            shared,
            thread: Some(thread),
            reader: None,
        };
        if !contacts.is_empty() {
            let (reads, reader) = mpsc::channel();
            keeper.shared.spawn("contacts", move |shared| {
                shared.read(contacts);
                drop(reads);
            })?;
            keeper.reader = Some(reader);
        }
        Ok(keeper)
    }

    /// When its time began, which all times of its events are since.
    pub fn started(&self) -> Instant {
        self.shared.started
    }

    /// Releases the lock for somebody, now, for the time it is configured to. A lock that is
    /// released already keeps its time, which is told of somebody else; one that has ended stays so.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set.
    pub fn release(&self, subject: String, with: Option<String>) -> Result<(), LockError> {
        let released = (self.shared.state()).release(self.shared.now(), subject, with);
        self.shared.changed.notify_all();
        released
    }

    /// What happened since the last time this was asked, in order.
    pub fn told(&self) -> Vec<Event> {
        let mut state = self.shared.state();
        // Should the thread have died, this is what locks.
        state.tick(self.shared.now());
        state.take_events()
    }

    /// Why the door cannot go on, if it cannot; a lock that did not lock is told once.
    pub fn fault(&self) -> Option<Fault> {
        self.shared.state().take_fault()
    }

    /// Takes the current off, for good.
    ///
    /// # Errors
    /// [`LockError`] if the pin cannot be set; the keeper goes on trying until it is dropped.
    pub fn end(&self) -> Result<(), LockError> {
        let ended = self.shared.state().end(self.shared.now());
        self.shared.changed.notify_all();
        ended
    }

    /// When the lock will be locked again, if it is released or may be.
    pub fn relock_at(&self) -> Option<Duration> {
        self.shared.state().relock_at()
    }

    /// What ends the lock from elsewhere.
    pub fn safe_state(&self) -> SafeState {
        SafeState(self.shared.clone())
    }
}

/// Ends the lock of a door, from whatever thread learns that the door cannot go on.
#[derive(Clone)]
pub struct SafeState(Arc<Shared>);

impl SafeState {
    /// Takes the current off, for good. A pin that does not obey is tried again by the keeper; one
    /// that hangs while it is moved is not waited for, as who asks ends the process, and its pins
    /// with it.
    pub fn enter(&self) {
        if let Some(mut state) = self.0.state_within(END_WAITS) {
            // Who asks has no use for the error; the door's loop gets it when it ends the lock
            // itself.
            let _ = state.end(self.0.now());
            self.0.changed.notify_all();
        }
    }

    /// As [`Keeper::told`], for who cannot ask the keeper any more.
    pub fn told(&self) -> Vec<Event> {
        let state = self.0.state_within(END_WAITS);
        state.map_or(Vec::new(), |mut state| state.take_events())
    }

    /// From now on a panic in any thread of the process ends the lock before it is told, but for
    /// one that is an answer: of a decoder, say, that was given a garbled frame.
    pub fn enter_on_panic(&self) {
        let shared = self.0.clone();
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if excuse() {
                return;
            }
            shared.fail_soon(crate::said(info.payload()));
            tell(info);
        }));
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The lock knows what it last did, even where a thread died.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits no longer than `within`.
    fn state_within(&self, within: Duration) -> Option<MutexGuard<'_, State>> {
        let asked = Instant::now();
        loop {
            match self.state.try_lock() {
                Ok(state) => return Some(state),
                Err(TryLockError::Poisoned(state)) => return Some(state.into_inner()),
                Err(TryLockError::WouldBlock) if asked.elapsed() < within => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => return None,
            }
        }
    }

    /// Starts a thread; should it panic, the lock ends.
    fn spawn(
        self: &Arc<Self>,
        name: &str,
        job: impl FnOnce(&Self) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let shared = self.clone();
        thread::Builder::new().name(name.into()).spawn(move || {
            let ran = panic::catch_unwind(AssertUnwindSafe(|| job(&shared)));
            if let Err(panic) = ran {
                shared.fail(&mut shared.state(), crate::said(&*panic));
            }
        })
    }

    fn keep(&self) {
        let mut state = self.state();
        while !state.quit {
            let now = self.now();
            state.tick(now);
            // An instant that is past is one that the pin did not obey.
            let relock = |at: Duration| at.checked_sub(now).unwrap_or(RETRY);
            let wait = state.relock_at().map_or(OVERDUE, relock).min(OVERDUE);
            let woken = self.changed.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads the contacts, which may take any time, while nobody waits for it.
    fn read(&self, mut contacts: Contacts) {
        loop {
            let readings = contacts.read();
            let mut state = self.state();
            if state.quit || state.has_ended() {
                return;
            }
            let before = state.relock_at();
            state.contacts(self.now(), readings);
            if state.relock_at() != before {
                self.changed.notify_all();
            }
            drop(state);
            thread::sleep(POLL);
        }
    }

    fn fail(&self, state: &mut State, reason: String) {
        state.fail(self.now(), reason);
        self.changed.notify_all();
    }

    /// As [`Shared::fail`], but does not wait long: the thread that panics may be the one that is
    /// moving the lock, and then the lock ends as that thread does.
    fn fail_soon(&self, reason: String) {
        if let Some(mut state) = self.state_within(PANIC_WAITS) {
            self.fail(&mut state, reason);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        // Others may have what can end the lock, and so the lock is not dropped here.
        let _ = state.end(self.shared.now());
        state.quit = true;
        drop(state);
        self.shared.changed.notify_all();
        let _ = self.thread.take().map(JoinHandle::join);
        // Nothing is ever sent.
        let _ = (self.reader.take()).map(|reader| reader.recv_timeout(END_WAITS));
    }
}

#[cfg(test)]
mod tests;
