//! The loop: camera, align, embed, identify, decide, actuate, event.

use crate::camera::Frame;
use crate::decide::{Action, Decision, Observation, Rule};
use crate::door::keeper::Keeper;
use crate::door::{Lock, LockError};
use crate::event::{Event, FrameEvent, LockState, Outcome};
use crate::face::{self, FaceError};
use crate::gallery::{Gallery, GalleryError};
use crate::identify::Verdict;
use crate::network::Network;
use crate::quality::Limits;
use embedded_hal::digital::OutputPin;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Why the door stopped otherwise than at the end of the frames or on request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The door ended for another reason, and then the lock did not lock.
    #[error("{lock}; before that: {reason}")]
    NotLocked {
        /// What the lock said.
        lock: LockError,
        /// Why the door ended.
        reason: String,
    },
    /// No thread to watch over the lock.
    #[error("the system gives no thread to watch over the lock: {0}; end other programs")]
    Thread(io::Error),
    /// Who may come in is not known any more.
    #[error(transparent)]
    People(#[from] GalleryError),
    /// Nobody would learn what the door does.
    #[error("events cannot be written ({0}); the door does not run unobserved")]
    Events(#[from] io::Error),
    /// A fault of this program.
    #[error("the program failed: {0}; start it again and report this")]
    Panic(String),
}

/// A door, ready to look.
pub struct Pipeline<P: OutputPin> {
    /// Faces to templates.
    pub network: Network,
    /// Templates to people.
    pub gallery: Gallery,
    /// How many frames must agree.
    pub rule: Rule,
    /// The lock.
    pub lock: Lock<P>,
    /// Time from one frame to the next; zero for as fast as they can be handled.
    pub interval: Duration,
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
            network: self.network,
            gallery: self.gallery,
            keeper: &keeper,
            decision: Decision::new(self.rule),
            needed: self.rule.needed(),
            interval: self.interval,
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
    network: Network,
    gallery: Gallery,
    keeper: &'a Keeper<P>,
    decision: Decision<String>,
    needed: usize,
    interval: Duration,
    started: Instant,
    stop: &'a Receiver<()>,
    events: Sink<'a>,
}

/// What one frame shows, before it is decided upon.
struct Look {
    outcome: Outcome,
    subject: Option<String>,
    score: Option<f32>,
    reason: String,
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
            let at = self.started.elapsed();
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

    /// Align, embed, identify.
    fn look(&mut self, frame: &Frame) -> Result<Look, RunError> {
        let plain = |outcome, reason| Look {
            outcome,
            subject: None,
            score: None,
            reason,
        };
        let content = match &frame.content {
            Ok(content) => content,
            Err(reason) => return Ok(plain(Outcome::BadFrame, reason.clone())),
        };
        let Some(landmarks) = &content.landmarks else {
            return Ok(plain(Outcome::NoFace, "no face in the frame".into()));
        };
        let template = self.network.input().template;
        let face = match face::good(&content.image, landmarks, template, &Limits::DOOR) {
            Ok(face) => face,
            Err(error @ FaceError::Poor(_)) => {
                return Ok(plain(Outcome::PoorFace, error.to_string()));
            }
            Err(error) => return Ok(plain(Outcome::BadFrame, error.to_string())),
        };
        let probe = match self.network.embed(&face) {
            Ok(probe) => probe,
            Err(error) => return Ok(plain(Outcome::BadFrame, error.to_string())),
        };
        self.refresh()?;
        Ok(match self.gallery.identifier().identify(&probe) {
            Ok(verdict) => self.judged(verdict),
            Err(error) => plain(Outcome::BadFrame, error.to_string()),
        })
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

    fn judged(&self, verdict: Verdict<'_>) -> Look {
        let threshold = self.gallery.identifier().operating_point().threshold;
        let (outcome, subject, score, reason) = match verdict {
            Verdict::Match { subject, score } => {
                let reason = format!("score {score:.3} reaches the threshold {threshold:.3}");
                (Outcome::Match, Some(subject.into()), Some(score), reason)
            }
            Verdict::NoMatch { score: Some(score) } => {
                let reason = format!("score {score:.3} is below the threshold {threshold:.3}");
                (Outcome::NoMatch, None, Some(score), reason)
            }
            Verdict::NoMatch { score: None } => {
                (Outcome::NoMatch, None, None, "nobody is enrolled".into())
            }
            Verdict::UnknownClaim => {
                let reason = "nobody of the claimed name is enrolled".into();
                (Outcome::UnknownClaim, None, None, reason)
            }
        };
        Look {
            outcome,
            subject,
            score,
            reason,
        }
    }

    /// Decide, actuate, tell.
    fn decide(&mut self, frame: String, at: Duration, look: Look) -> Result<(), RunError> {
        let needed = self.needed;
        let subject = look.subject.clone();
        let seen = subject.map_or(Observation::Nobody, Observation::Match);
        let (agreeing, released) = match self.decision.step(at, seen) {
            Action::Wait { agreeing } => (agreeing, None),
            Action::Release(subject) => (needed, self.release(subject)?),
        };
        let reason = match look.outcome {
            Outcome::Match => format!("{}; {agreeing} of {needed} frames agree", look.reason),
            _ => look.reason,
        };
        let frame = FrameEvent {
            frame,
            at_ms: millis(at),
            subject: look.subject,
            score: look.score,
            threshold: self.gallery.identifier().operating_point().threshold,
            agreeing,
            needed,
            outcome: look.outcome,
            reason,
            lock: self.lock_state(),
        };
        (self.events)(&Event::Frame(frame))?;
        released.map_or(Ok(()), |event| Ok((self.events)(&event)?))
    }

    /// Actuate; the event of a lock that was locked.
    fn release(&mut self, subject: String) -> Result<Option<Event>, RunError> {
        let released = self.keeper.release()?;
        Ok(released.map(|at| Event::Released {
            at_ms: millis(at),
            subject,
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

fn why(ended: &Result<&'static str, RunError>) -> String {
    match ended {
        Ok(reason) => (*reason).into(),
        Err(error) => error.to_string(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
