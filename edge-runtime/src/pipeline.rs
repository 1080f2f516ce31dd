//! The loop: camera, detect, align, embed, identify, decide, actuate, event.

mod ended;
mod sight;

pub use ended::RunError;

use crate::camera::{Face, Frame};
use crate::claim::{Claims, Whom};
use crate::decide::{Access, Action, Decision, Look, Policy, Side};
use crate::detect::{Detector, NotOneFace};
use crate::door::Lock;
use crate::door::keeper::Keeper;
use crate::event::{Event, FrameEvent, LockState, Outcome};
use crate::face::{self, FaceError};
use crate::gallery::Gallery;
use crate::network::Network;
use crate::quality::Limits;
use embedded_hal::digital::OutputPin;
use ended::why;
use sight::Sight;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

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
        frames: impl Iterator<Item = Frame>,
        stop: &Receiver<()>,
        events: Sink<'_>,
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let keeper = Keeper::new(self.lock, started).map_err(RunError::Thread)?;
        let mut watch = Watch {
            detector: self.detector,
            network: self.network,
            gallery: self.gallery,
            keeper: &keeper,
            claims: self.claims,
            needed: self.policy.rule.needed(),
            decision: Decision::new(self.policy, self.access),
            interval: self.interval,
            clock: self.clock,
            started,
            stop,
            events: &mut *events,
        };
        let watched = panic::catch_unwind(AssertUnwindSafe(|| watch.run(frames)));
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

/// The run of a pipeline.
struct Watch<'a, P: OutputPin + Send + 'static> {
    detector: Option<Detector>,
    network: Network,
    gallery: Gallery,
    keeper: &'a Keeper<P>,
    claims: Claims,
    decision: Decision,
    needed: usize,
    interval: Duration,
    clock: fn() -> SystemTime,
    started: Instant,
    stop: &'a Receiver<()>,
    events: Sink<'a>,
}

impl<P: OutputPin + Send + 'static> Watch<'_, P> {
    /// Returns why it ended.
    fn run(&mut self, mut frames: impl Iterator<Item = Frame>) -> Result<&'static str, RunError> {
        let mut due = Duration::ZERO;
        loop {
            if self.wait_until(due)? {
                return Ok("a signal asked for it");
            }
            due = due.saturating_add(self.interval);
            // To the millisecond, as events tell it, so that they are all that a decision needs.
            let at = Duration::from_millis(millis(self.started.elapsed()));
            let Some(frame) = frames.next() else { break };
            let look = self.look(&frame)?;
            // Nobody gets in any more who came after the signal.
            if self.wait_until(Duration::ZERO)? {
                return Ok("a signal asked for it");
            }
            self.decide(frame.name, at, look)?;
        }
        let relock_at = self.keeper.relock_at();
        let stopped = self.wait_until(relock_at.unwrap_or_default())?;
        Ok(if stopped {
            "a signal asked for it"
        } else {
            "the frames ended"
        })
    }

    /// Detect, align, embed, identify.
    fn look(&mut self, frame: &Frame) -> Result<Sight, RunError> {
        let content = match &frame.content {
            Ok(content) => content,
            Err(reason) => return Ok(Sight::plain(Outcome::BadFrame, reason)),
        };
        let landmarks = match (&content.face, &self.detector) {
            (Face::At(landmarks), _) => Ok(*landmarks),
            (Face::Unknown, Some(detector)) => detector.only_face(&content.image),
            (Face::Nowhere, _) | (Face::Unknown, None) => Err(NotOneFace::None),
        };
        let landmarks = &match landmarks {
            Ok(landmarks) => landmarks,
            Err(NotOneFace::None) => {
                return Ok(Sight::plain(Outcome::NoFace, "no face in the frame"));
            }
            Err(error @ NotOneFace::Several(_)) => {
                return Ok(Sight::plain(Outcome::PoorFace, error.to_string()));
            }
            Err(error) => return Ok(Sight::plain(Outcome::BadFrame, error.to_string())),
        };
        let whom = self.whom()?;
        let claim = match &whom {
            Whom::Everybody => None,
            Whom::Claimed(subject) => Some(subject.as_str()),
            Whom::Nobody => return Ok(Sight::plain(Outcome::NoClaim, "a claim must come first")),
        };
        let template = self.network.input().template;
        let face = match face::good(&content.image, landmarks, template, &Limits::DOOR) {
            Ok(face) => face,
            Err(error @ FaceError::Poor(_)) => return Ok(Sight::poor(&error, landmarks)),
            Err(error) => return Ok(Sight::plain(Outcome::BadFrame, error.to_string())),
        };
        let probe = match self.network.embed(&face) {
            Ok(probe) => probe,
            Err(error) => return Ok(Sight::plain(Outcome::BadFrame, error.to_string())),
        };
        self.refresh()?;
        Ok(match self.gallery.identifier().identify(&probe, claim) {
            Ok(verdict) => Sight::of(verdict, landmarks),
            Err(error) => Sight::plain(Outcome::BadFrame, error.to_string()),
        })
    }

    fn whom(&mut self) -> Result<Whom, RunError> {
        let mut faults = Vec::new();
        let whom = self.claims.whom(Instant::now(), |fault| faults.push(fault));
        for reason in faults {
            (self.events)(&Event::ClaimsLost { reason })?;
        }
        Ok(whom)
    }

    /// Whoever was removed by now stays out.
    fn refresh(&mut self) -> Result<(), RunError> {
        if self.gallery.refresh()? {
            let identifier = self.gallery.identifier();
            (self.events)(&Event::PeopleChanged {
                people: identifier.people(),
                threshold: identifier.operating_point().threshold,
            })?;
            for unusable in self.gallery.unusable() {
                let reason = unusable.to_string();
                (self.events)(&Event::RecordUnusable { reason })?;
            }
        }
        Ok(())
    }

    /// Decide, actuate, tell.
    fn decide(&mut self, frame: String, at: Duration, sight: Sight) -> Result<(), RunError> {
        let needed = self.needed;
        let unix = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        let unix_s = unix.unwrap_or_default().as_secs() as i64;
        let odd = getrandom::u32()? % 2 == 1;
        let action = self.decision.step(&Look {
            at,
            unix_s,
            seen: sight.observation(),
            turn: sight.turn,
            side: if odd { Side::Left } else { Side::Right },
        });
        if action.accepts() {
            self.claims.end();
        }
        let (agreeing, refusal, released) = match action {
            Action::Wait { agreeing, refusal } => (agreeing, refusal, None),
            Action::Release { subject, with } => (needed, None, self.release(subject, with)?),
        };
        let threshold = self.gallery.identifier().operating_point().threshold;
        let frame = FrameEvent {
            frame,
            at_ms: millis(at),
            unix_s,
            turn: sight.turn,
            reason: sight.reason(agreeing, needed, refusal),
            subject: sight.subject,
            score: sight.score,
            threshold: sight.threshold.unwrap_or(threshold),
            agreeing,
            needed,
            outcome: sight.outcome,
            refusal,
            lock: self.lock_state(),
        };
        (self.events)(&Event::Frame(frame))?;
        released.map_or(Ok(()), |event| Ok((self.events)(&event)?))
    }

    /// Actuate; the event of a lock that was locked.
    fn release(
        &mut self,
        subject: String,
        with: Option<String>,
    ) -> Result<Option<Event>, RunError> {
        let released = self.keeper.release()?;
        Ok(released.map(|at| Event::Released {
            at_ms: millis(at),
            subject,
            with,
            hold_ms: millis(self.keeper.hold()),
        }))
    }

    fn lock_state(&self) -> LockState {
        match self.keeper.relock_at() {
            Some(_) => LockState::Released,
            None => LockState::Locked,
        }
    }

    /// Tells of a lock that locks on the way; returns whether to stop.
    fn wait_until(&mut self, due: Duration) -> Result<bool, RunError> {
        loop {
            self.tick()?;
            let relock_at = self.keeper.relock_at().unwrap_or(Duration::MAX);
            let now = self.started.elapsed();
            let wait = due.min(relock_at).saturating_sub(now);
            match self.stop.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) if now >= due => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(true),
            }
        }
    }

    fn tick(&mut self) -> Result<(), RunError> {
        if let Some(at) = self.keeper.relocked()? {
            let at_ms = millis(at);
            (self.events)(&Event::Relocked { at_ms })?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
