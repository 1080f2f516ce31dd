//! Between the thread that reads a camera and whoever looks, and that thread's work.

use super::super::decode::Coded;
use super::{Source, Stream, Times};
use crate::contained::contained;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How soon the thread notices that it is to end.
const TICK: Duration = Duration::from_millis(50);
/// Frames that waited in buffers and are passed over at once.
const MOST_WAITING: usize = 64;

/// What both sides see.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) newest: Option<(Instant, Coded)>,
    /// Why there are no frames, until it is told.
    pub(super) lost: Option<String>,
    /// Whether a frame of this stream could be used.
    pub(super) good: bool,
    /// The stream is of no use, and why.
    pub(super) give_up: Option<String>,
    pub(super) stop: bool,
    pub(super) ended: bool,
}

pub(super) enum Taken {
    Frame(Instant, Coded),
    Lost(String),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever a thread was doing when it panicked, each field is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_all();
        changed
    }

    /// Waits until there is what `find` looks for, no longer than to the deadline.
    pub(super) fn wait<T>(
        &self,
        deadline: Instant,
        find: impl Fn(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(found) = find(&mut state) {
                return Some(found);
            }
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes what is to be told, a loss before a frame; waits for it to the deadline.
    pub(super) fn take(&self, deadline: Instant) -> Option<Taken> {
        self.wait(deadline, |state| {
            let lost = state.lost.take().map(Taken::Lost);
            lost.or_else(|| {
                let (at, coded) = state.newest.take()?;
                Some(Taken::Frame(at, coded))
            })
        })
    }

    /// Reads until it is to stop. Whatever ends a stream, the next attempt comes.
    pub(super) fn read(&self, source: &impl Source, times: &Times) {
        let mut pause = times.pause;
        while !self.state().stop {
            let opened = Instant::now();
            let reason = match contained(|| self.stream(source, times)) {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(said) => format!("{}: the driver failed: {said}", source.name()),
            };
            let good = self.change(|state| {
                // What came before is old when the camera is back.
                (state.newest, state.give_up) = (None, None);
                state.lost = Some(reason);
                std::mem::take(&mut state.good)
            });
            // A camera that gives a frame now and then and fails again is not spared the wait.
            if good && opened.elapsed() > pause {
                pause = times.pause;
            }
            self.wait(Instant::now() + pause, |state| state.stop.then_some(()));
            pause = (2 * pause).min(times.longest_pause);
        }
    }

    /// Reads one stream; returns when it is to stop.
    fn stream(&self, source: &impl Source, times: &Times) -> Result<(), String> {
        let mut stream = source.open()?;
        let (mut patience, mut last) = (times.first, Instant::now());
        let mut awake = Instant::now();
        loop {
            if self.state().stop {
                return Ok(());
            }
            if let Some(reason) = self.state().give_up.take() {
                return Err(reason);
            }
            let frame = newest(&mut stream)?;
            // Frames that waited in buffers meanwhile are older than they look.
            if awake.elapsed() > times.age + TICK {
                let name = source.name();
                return Err(format!(
                    "{name}: the door was held up for {:?}",
                    awake.elapsed()
                ));
            }
            awake = Instant::now();
            if let Some(frame) = frame {
                (patience, last) = (times.stall, awake);
                self.put(awake, frame);
            } else if last.elapsed() > patience {
                let name = source.name();
                return Err(format!(
                    "{name}: the stream stalled, no frame for {patience:?}"
                ));
            }
        }
    }

    fn put(&self, at: Instant, frame: Coded) {
        self.change(|state| {
            // What is wrong is told before what comes after it.
            if !matches!(state.newest, Some((_, Coded::Garbled(_)))) {
                state.newest = Some((at, frame));
            }
        });
    }
}

/// The last of those that wait, or the next.
fn newest(stream: &mut impl Stream) -> Result<Option<Coded>, String> {
    let mut newest = stream.next(TICK)?;
    for _ in 0..MOST_WAITING {
        match newest {
            Some(Coded::Jpeg(_) | Coded::Yuyv { .. }) => {}
            None | Some(Coded::Garbled(_)) => break,
        }
        match stream.next(Duration::ZERO)? {
            None => break,
            newer => newest = newer,
        }
    }
    Ok(newest)
}
