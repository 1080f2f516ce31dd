//! The loop: camera, align, embed, identify, decide, actuate, event.

use crate::camera::Frame;
use crate::decide::{Action, Decision, Observation, Rule};
use crate::door::{Lock, LockError};
use crate::event::{Event, FrameEvent, LockState, Outcome};
use crate::face;
use crate::identify::{Identifier, Verdict};
use crate::network::Network;
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
    /// Nobody would learn what the door does.
    #[error("events cannot be written ({0}); the door does not run unobserved")]
    Events(#[from] io::Error),
    /// A fault of this program.
    #[error("the program failed: {0}; the lock was locked, start it again and report this")]
    Panic(String),
}

/// A door, ready to look.
pub struct Pipeline<P: OutputPin> {
    /// Faces to templates.
    pub network: Network,
    /// Templates to people.
    pub identifier: Identifier,
    /// How many frames must agree.
    pub rule: Rule,
    /// The lock.
    pub lock: Lock<P>,
    /// Time from one frame to the next; zero for as fast as they can be handled.
    pub interval: Duration,
}

/// Takes events.
pub type Sink<'a> = &'a mut dyn FnMut(&Event) -> io::Result<()>;

impl<P: OutputPin> Pipeline<P> {
    /// Looks at every frame until there are no more, or until `stop` receives something or
    /// loses its sender. A lock that is released when the frames end is waited for. However it
    /// ends, the lock is locked; the last event says why it ended.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(
        mut self,
        frames: impl Iterator<Item = Frame>,
        stop: &Receiver<()>,
        events: Sink<'_>,
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let watched = panic::catch_unwind(AssertUnwindSafe(|| {
            Watch::new(&mut self, started, stop, &mut *events).run(frames)
        }));
        // First the lock, then the words.
        let was_released = self.lock.relock_at().is_some();
        let relocked = self.lock.relock();
        let at_ms = millis(started.elapsed());
        let ended = watched.unwrap_or_else(|panic| Err(RunError::Panic(crate::said(&*panic))));
        let ended = ended.and_then(|reason| Ok(relocked.clone().map(|()| reason)?));
        let reason = match &ended {
            Ok(reason) => (*reason).to_owned(),
            Err(error) => error.to_string(),
        };
        let mut told = Ok(());
        if was_released && relocked.is_ok() {
            told = events(&Event::Relocked { at_ms });
        }
        let told = told.and(events(&Event::Stopped { at_ms, reason }));
        ended?;
        Ok(told?)
    }
}

/// The run of a pipeline.
struct Watch<'a, P: OutputPin> {
    door: &'a mut Pipeline<P>,
    decision: Decision<String>,
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

impl<'a, P: OutputPin> Watch<'a, P> {
    fn new(
        door: &'a mut Pipeline<P>,
        started: Instant,
        stop: &'a Receiver<()>,
        events: Sink<'a>,
    ) -> Self {
        let decision = Decision::new(door.rule);
        Self {
            door,
            decision,
            started,
            stop,
            events,
        }
    }

    /// Returns why it ended.
    fn run(&mut self, mut frames: impl Iterator<Item = Frame>) -> Result<&'static str, RunError> {
        let mut due = Duration::ZERO;
        loop {
            if self.wait_until(due)? {
                return Ok("a signal asked for it");
            }
            due = due.saturating_add(self.door.interval);
            let at = self.started.elapsed();
            let Some(frame) = frames.next() else { break };
            self.tick()?;
            let look = self.look(&frame)?;
            self.tick()?;
            self.decide(frame.name, at, look)?;
        }
        let relock_at = self.door.lock.relock_at();
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
        let template = self.door.network.input().template;
        let probe = match face::align(&content.image, landmarks, template) {
            Ok(face) => self.door.network.embed(&face).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let probe = match probe {
            Ok(probe) => probe,
            Err(reason) => return Ok(plain(Outcome::BadFrame, reason)),
        };
        self.tick()?;
        Ok(match self.door.identifier.identify(&probe) {
            Ok(verdict) => self.judged(verdict),
            Err(error) => plain(Outcome::BadFrame, error.to_string()),
        })
    }

    fn judged(&self, verdict: Verdict<'_>) -> Look {
        let threshold = self.door.identifier.operating_point().threshold;
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
        let needed = self.door.rule.needed();
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
            threshold: self.door.identifier.operating_point().threshold,
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
        let now = self.started.elapsed();
        let was_locked = self.door.lock.release(now)?;
        Ok(was_locked.then(|| Event::Released {
            at_ms: millis(now),
            subject,
            hold_ms: millis(self.door.lock.hold()),
        }))
    }

    fn lock_state(&self) -> LockState {
        match self.door.lock.relock_at() {
            Some(_) => LockState::Released,
            None => LockState::Locked,
        }
    }

    /// Locks in time on the way; returns whether to stop.
    fn wait_until(&mut self, due: Duration) -> Result<bool, RunError> {
        loop {
            self.tick()?;
            let relock_at = self.door.lock.relock_at().unwrap_or(Duration::MAX);
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
        let now = self.started.elapsed();
        if self.door.lock.tick(now)? {
            let at_ms = millis(now);
            (self.events)(&Event::Relocked { at_ms })?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
