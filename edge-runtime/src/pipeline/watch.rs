//! Embed, identify, decide, actuate, tell: what is done with each face in turn.

use super::Sink;
use super::ahead::{Ahead, Searched};
use super::ended::RunError;
use super::sight::Sight;
use crate::claim::{Claims, Whom};
use crate::decide::{Action, Decision, Look, Side};
use crate::door::Keeper;
use crate::event::{Event, FrameEvent, LockState, Outcome};
use crate::find::Unseen;
use crate::gallery::Gallery;
use crate::millis::millis;
use crate::network::Network;
use crate::watchdog::Watchdog;
use shared::align::{AlignedFace, Landmarks};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// What else goes on is looked at so often while there is no face.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// A frame that was taken longer ago is not decided upon.
const OLDEST: Duration = Duration::from_secs(2);
const ASKED: &str = "a signal asked for it";

/// The run of a pipeline.
pub(super) struct Watch<'a> {
    pub(super) network: Network,
    pub(super) gallery: Gallery,
    pub(super) keeper: &'a Keeper,
    pub(super) watchdog: &'a Watchdog,
    pub(super) claims: Claims,
    pub(super) decision: Decision,
    pub(super) needed: usize,
    pub(super) started: Instant,
    pub(super) clock: fn() -> SystemTime,
    pub(super) stop: &'a Receiver<()>,
    pub(super) events: Sink<'a>,
}

impl Watch<'_> {
    /// Returns why it ended.
    pub(super) fn run(&mut self, ahead: &mut Ahead) -> Result<&'static str, RunError> {
        loop {
            if self.tick()? {
                return Ok(ASKED);
            }
            match ahead.next(TICK)? {
                Ok(Searched { name, at, face }) => {
                    let sight = self.compare(face)?;
                    // Nobody gets in any more who came after the signal.
                    if self.tick()? {
                        return Ok(ASKED);
                    }
                    let sight = self.fresh(at, sight);
                    self.decide(name, at, sight)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        while self.keeper.relock_at().is_some() {
            if self.tick()? {
                return Ok(ASKED);
            }
            thread::sleep(TICK);
        }
        self.tick()?;
        Ok("the frames ended")
    }

    /// Whoever stood there some time ago may have gone, and somebody else have come: after a store,
    /// a reader of events or the whole program stood still, frames that waited are old.
    fn fresh(&self, at: Duration, sight: Sight) -> Sight {
        let age = self.started.elapsed().saturating_sub(at);
        if age <= OLDEST {
            return sight;
        }
        let age_ms = age.as_millis();
        Sight::plain(
            Outcome::BadFrame,
            format!("the frame is {age_ms} ms old, which is too old to decide upon"),
        )
    }

    /// Embed, identify.
    fn compare(
        &mut self,
        face: Result<(AlignedFace, Landmarks), Unseen>,
    ) -> Result<Sight, RunError> {
        let (face, landmarks) = match face {
            Ok(found) => found,
            Err(unseen) => return Ok(Sight::unseen(unseen)),
        };
        let whom = self.whom()?;
        let claim = match &whom {
            Whom::Everybody => None,
            Whom::Claimed(subject) => Some(subject.as_str()),
            Whom::Nobody => return Ok(Sight::plain(Outcome::NoClaim, "a claim must come first")),
        };
        let probe = match self.network.embed(&face) {
            Ok(probe) => probe,
            Err(error) => return Ok(Sight::plain(Outcome::BadFrame, error.to_string())),
        };
        self.refresh()?;
        Ok(match self.gallery.identifier().identify(&probe, claim) {
            Ok(verdict) => Sight::of(verdict, &landmarks),
            Err(error) => Sight::plain(Outcome::BadFrame, error.to_string()),
        })
    }

    fn whom(&mut self) -> Result<Whom, RunError> {
        let mut told = Vec::new();
        let whom = self.claims.whom(Instant::now(), |event| told.push(event));
        told.iter().try_for_each(&mut *self.events)?;
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
        let (agreeing, refusal) = match action {
            Action::Wait { agreeing, refusal } => (agreeing, refusal),
            Action::Release { subject, with } => {
                self.keeper.release(subject, with)?;
                (needed, None)
            }
        };
        let threshold = self.gallery.identifier().operating_point().threshold;
        let frame = FrameEvent {
            frame,
            at_ms: millis(at),
            latency_ms: millis(self.started.elapsed().saturating_sub(at)),
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
        if sight.outcome != Outcome::BadFrame {
            self.watchdog.frame();
        }
        // First what moved: whatever is told may be the last that is.
        self.tell_moves()?;
        (self.events)(&Event::Frame(frame))?;
        self.tell()
    }

    fn lock_state(&self) -> LockState {
        match self.keeper.relock_at() {
            Some(_) => LockState::Released,
            None => LockState::Locked,
        }
    }

    /// Goes round; returns whether to stop.
    fn tick(&mut self) -> Result<bool, RunError> {
        self.watchdog.tick();
        self.tell()?;
        Ok(self.stop.try_recv() != Err(TryRecvError::Empty))
    }

    /// Tells what happened at the door meanwhile.
    fn tell(&mut self) -> Result<(), RunError> {
        self.tell_moves()?;
        self.keeper
            .fault()
            .map_or(Ok(()), |fault| Err(fault.into()))
    }

    fn tell_moves(&mut self) -> io::Result<()> {
        // Each, whatever becomes of the one before.
        let told = self.keeper.told();
        let told = told.iter().map(&mut *self.events);
        told.fold(Ok(()), Result::and)
    }
}
