//! The loop: camera, detect, align, embed, identify, decide, actuate, event.

mod ahead;
mod busy;
mod ended;
mod sight;
mod watch;

pub use ended::RunError;
pub(crate) use sight::Sight;

use crate::camera::Frame;
use crate::claim::Claims;
use crate::decide::{Access, Decision, Policy};
use crate::detect::Detector;
use crate::door::Keeper;
use crate::event::Event;
use crate::gallery::Gallery;
use crate::millis::millis;
use crate::network::Network;
use crate::watchdog::Watchdog;
use ahead::{Ahead, Search};
use ended::why;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime};
use watch::Watch;

/// A door, ready to look.
pub struct Pipeline {
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
    /// The lock, and the contacts around the door.
    pub keeper: Keeper,
    /// Who ends this if it hangs.
    pub watchdog: Watchdog,
    /// Time from one frame to the next; zero for as fast as they can be handled.
    pub interval: Duration,
    /// The wall clock, which schedules go by.
    pub clock: fn() -> SystemTime,
}

/// Takes events.
pub type Sink<'a> = &'a mut dyn FnMut(&Event) -> io::Result<()>;

impl Pipeline {
    /// Looks at every frame until there are no more, or until `stop` receives something or
    /// loses its sender. A lock that is released when the frames end is waited for. However it
    /// ends, the relay is without current; the last event says why it ended.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(
        self,
        frames: impl Iterator<Item = Frame> + Send + 'static,
        stop: &Receiver<()>,
        events: Sink<'_>,
    ) -> Result<(), RunError> {
        let (keeper, watchdog) = (self.keeper, self.watchdog);
        let started = keeper.started();
        let search = Search {
            detector: self.detector,
            template: self.network.input().template,
        };
        let start = move || Ahead::start(frames, search, self.interval, started);
        let mut ahead = None;
        let mut watch = Watch {
            network: self.network,
            gallery: self.gallery,
            keeper: &keeper,
            watchdog: &watchdog,
            claims: self.claims,
            needed: self.policy.rule.needed(),
            decision: Decision::new(self.policy, self.access),
            clock: self.clock,
            started,
            stop,
            events: &mut *events,
        };
        watchdog.ready();
        let watched = panic::catch_unwind(AssertUnwindSafe(|| {
            watch.run(ahead.insert(start().map_err(RunError::Thread)?))
        }));
        // First the lock, then the words.
        let off = keeper.end();
        let ended = watched.unwrap_or_else(|panic| Err(RunError::Panic(crate::said(&*panic))));
        let ended = match off {
            Ok(()) => ended,
            Err(lock) => Err(RunError::NotLocked {
                lock,
                reason: why(&ended),
            }),
        };
        let reason = why(&ended);
        watchdog.stopping(&reason);
        let at_ms = millis(started.elapsed());
        let mut last = keeper.told();
        last.push(Event::Stopped { at_ms, reason });
        let told = last.iter().map(events).fold(Ok(()), Result::and);
        ahead.into_iter().for_each(|a| a.close(|| watchdog.tick()));
        ended?;
        Ok(told?)
    }
}
