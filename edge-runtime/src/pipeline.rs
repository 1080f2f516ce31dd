//! The loop: camera, detect, align, embed, identify, decide, actuate, event.

mod ahead;
mod ended;
mod sight;
mod watch;

pub use ended::RunError;

use crate::camera::Frame;
use crate::claim::Claims;
use crate::decide::{Access, Decision, Policy};
use crate::detect::Detector;
use crate::door::Lock;
use crate::door::keeper::Keeper;
use crate::event::Event;
use crate::gallery::Gallery;
use crate::network::Network;
use ahead::{Ahead, Search};
use embedded_hal::digital::OutputPin;
use ended::why;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};
use watch::Watch;

/// A door, ready to look.
pub struct Pipeline<P: OutputPin> {
    /// Frames to faces, where the camera does not say where they are.
    pub detector: Option<Detector>,
    /// Faces to templates.
    pub network: Network,
    /// Templates to people.
    pub gallery: Gallery,
    /// Whom each look is at.
    pub claims: Claims,
    /// Under what conditions the lock is released.
    pub policy: Policy,
    /// Who may come in when.
    pub access: Access,
    /// The lock.
    pub lock: Lock<P>,
    /// Time from one frame to the next; zero for as fast as they can be handled.
    pub interval: Duration,
    /// The wall clock, which schedules go by.
    pub clock: fn() -> SystemTime,
}

/// Takes events.
pub type Sink<'a> = &'a mut dyn FnMut(&Event) -> io::Result<()>;

impl<P: OutputPin + Send + 'static> Pipeline<P> {
    /// Looks at every frame until there are no more, or until `stop` receives something or
    /// loses its sender. A lock that is released when the frames end is waited for. However it
    /// ends, the lock is locked; the last event says why it ended.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(
        self,
        frames: impl Iterator<Item = Frame> + Send + 'static,
        stop: &Receiver<()>,
        events: Sink<'_>,
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let keeper = Keeper::new(self.lock, started).map_err(RunError::Thread)?;
        let search = Search {
            detector: self.detector,
            template: self.network.input().template,
        };
        let ahead = move || Ahead::start(frames, search, self.interval, started);
        let mut watch = Watch {
            network: self.network,
            gallery: self.gallery,
            keeper: &keeper,
            claims: self.claims,
            needed: self.policy.rule.needed(),
            decision: Decision::new(self.policy, self.access),
            clock: self.clock,
            started,
            stop,
            events: &mut *events,
        };
        let watched = panic::catch_unwind(AssertUnwindSafe(|| {
            watch.run(ahead().map_err(RunError::Thread)?)
        }));
        // First the lock, then the words.
        let relocked = keeper.relock();
        let at_ms = millis(started.elapsed());
        let ended = watched.unwrap_or_else(|panic| Err(RunError::Panic(crate::said(&*panic))));
        let mut told = Ok(());
        let ended = match relocked {
            Ok(None) => ended,
            Ok(Some(_)) => {
                told = events(&Event::Relocked { at_ms });
                ended
            }
            Err(lock) => Err(RunError::NotLocked {
                lock,
                reason: why(&ended),
            }),
        };
        let reason = why(&ended);
        let told = told.and(events(&Event::Stopped { at_ms, reason }));
        ended?;
        Ok(told?)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
