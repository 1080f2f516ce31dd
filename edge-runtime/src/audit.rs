//! Which of the door's events go into its log, and the thread that writes them: a disk is slower
//! than a door may be.

use crate::decide::Refusal;
use crate::event::{Event, FrameEvent, Outcome};
use crate::store::{Store, StoreError};
use shared::audit::{AuditEvent, What};
use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

/// Events that may wait for the disk; a door makes a few a minute.
const QUEUE_LEN: usize = 1024;
/// Whoever stands before the door is refused at every frame; one entry tells of so much time.
const REFUSED_ONCE_IN_MS: u64 = 10_000;

/// Writes the log of a running door.
pub struct Recorder {
    queue: SyncSender<(u64, AuditEvent)>,
    /// Until it is found to have failed.
    writer: Option<JoinHandle<Result<(), StoreError>>>,
    selection: Selection,
}

impl Recorder {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(store: Store) -> io::Result<Self> {
        let (queue, events) = mpsc::sync_channel(QUEUE_LEN);
        let writer = thread::Builder::new().name("log".into());
        Ok(Self {
            queue,
            writer: Some(writer.spawn(move || write(&store, &events))?),
            selection: Selection::default(),
        })
    }

    /// Takes an event; those of weight are written soon, in their order.
    ///
    /// # Errors
    /// The log cannot be written, or not fast enough: the door must not go on unobserved.
    pub fn tell(&mut self, event: &Event) -> io::Result<()> {
        // Noticed at the next event of any kind, not at the next that is written.
        if self.writer.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(self.why());
        }
        let Some(event) = self.selection.take(event) else {
            return Ok(());
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ms = u64::try_from(at.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        self.queue
            .try_send((at_ms, event))
            .map_err(|error| match error {
                TrySendError::Full(_) => io::Error::other("the disk is too slow for the log"),
                TrySendError::Disconnected(_) => self.why(),
            })
    }

    /// Why the thread ended that should be writing.
    fn why(&mut self) -> io::Error {
        let ended = self.writer.take().map(joined);
        match ended {
            Some(Err(error)) => io::Error::other(error),
            _ => io::Error::other("the log cannot be written any more"),
        }
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// [`StoreError`] if something is not, and [`Recorder::tell`] has not said so.
    pub fn end(self) -> Result<(), StoreError> {
        drop(self.queue);
        self.writer.map_or(Ok(()), joined)
    }
}

fn joined(writer: JoinHandle<Result<(), StoreError>>) -> Result<(), StoreError> {
    let ended = writer.join();
    ended.unwrap_or_else(|panic| Err(StoreError::Log(crate::said(&*panic))))
}

fn write(store: &Store, events: &Receiver<(u64, AuditEvent)>) -> Result<(), StoreError> {
    while let Ok(event) = events.recv() {
        // Whatever waits is written in one transaction.
        let batch = [event].into_iter().chain(events.try_iter()).collect();
        store.append(batch)?;
    }
    Ok(())
}

/// Tells events of weight from others.
#[derive(Default)]
struct Selection {
    refused_at_ms: Option<u64>,
}

impl Selection {
    fn take(&mut self, event: &Event) -> Option<AuditEvent> {
        match event {
            Event::Started { model, people, .. } => {
                let detail = format!("{people} people, model {model}");
                Some(AuditEvent::new(What::Started, None, &detail))
            }
            Event::RecordUnusable { reason } | Event::ClaimsLost { reason } => {
                Some(AuditEvent::new(What::Failed, None, reason))
            }
            Event::Released {
                subject,
                with,
                hold_ms,
                ..
            } => {
                // Somebody who is refused from now on is somebody else.
                self.refused_at_ms = None;
                let with = with
                    .as_ref()
                    .map_or(String::new(), |w| format!("with {w}, "));
                let detail = format!("{with}for {hold_ms} ms");
                Some(AuditEvent::new(What::Opened, Some(subject), &detail))
            }
            Event::Stopped { reason, .. } => Some(AuditEvent::new(What::Stopped, None, reason)),
            Event::Frame(frame) => self.refused(frame),
            Event::PeopleChanged { .. } | Event::Relocked { .. } | Event::Reembedded { .. } => None,
        }
    }

    fn refused(&mut self, frame: &FrameEvent) -> Option<AuditEvent> {
        let locked_out = frame.refusal == Some(Refusal::LockedOut);
        if frame.outcome != Outcome::NoMatch && !locked_out {
            return None;
        }
        let told = self.refused_at_ms;
        if told.is_some_and(|at_ms| frame.at_ms.saturating_sub(at_ms) < REFUSED_ONCE_IN_MS) {
            return None;
        }
        self.refused_at_ms = Some(frame.at_ms);
        Some(AuditEvent::new(What::Refused, None, &frame.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LockState;

    fn frame(at_ms: u64, outcome: Outcome) -> Event {
        Event::Frame(FrameEvent {
            frame: "x.png".into(),
            at_ms,
            latency_ms: 0,
            unix_s: 0,
            turn: None,
            refusal: None,
            subject: None,
            score: None,
            threshold: 0.5,
            agreeing: 0,
            needed: 2,
            outcome,
            reason: "because".into(),
            lock: LockState::Locked,
        })
    }

    #[test]
    fn a_stranger_is_one_entry_in_ten_seconds_and_a_visitor_none() {
        let released = Event::Released {
            at_ms: 21_000,
            subject: "ada".into(),
            with: None,
            hold_ms: 3000,
        };
        let mut selection = Selection::default();
        for (event, what) in [
            (frame(0, Outcome::NoFace), None),
            (frame(100, Outcome::BadFrame), None),
            (frame(200, Outcome::NoMatch), Some(What::Refused)),
            (frame(400, Outcome::NoMatch), None),
            (frame(10_199, Outcome::NoMatch), None),
            (frame(10_200, Outcome::NoMatch), Some(What::Refused)),
            (frame(20_500, Outcome::Match), None),
            (released, Some(What::Opened)),
            (frame(21_200, Outcome::NoMatch), Some(What::Refused)),
            (Event::Relocked { at_ms: 24_000 }, None),
        ] {
            assert_eq!(selection.take(&event).map(|event| event.what), what);
        }
    }
}
