//! Which of the door's events go into its log, and the thread that writes them: a disk is slower
//! than a door may be.

use crate::decide::Refusal;
use crate::event::{Event, FrameEvent, Input, Outcome};
use crate::millis::{millis, unix_millis};
use crate::seldom::Seldom;
use crate::store::{Store, StoreError};
use shared::audit::{AuditEvent, What};
use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Events that may wait for the disk; a door makes a few a minute.
const QUEUE_LEN: usize = 1024;
/// Whoever stands before the door is refused at every frame, and a loose contact is faulty again
/// and again; one entry tells of so much time.
const ONCE_IN_MS: u64 = 10_000;
/// A camera, a reader of claims or a broker that is gone says so every few seconds, for as long as
/// nobody looks after it.
const GONE_ONCE_IN_MS: u64 = 600_000;

/// Writes the log of a running door.
pub struct Recorder {
    queue: SyncSender<(u64, AuditEvent)>,
    /// Until it is found to have failed.
    writer: Option<JoinHandle<Result<(), StoreError>>>,
    selection: Selection,
    started: Instant,
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
            started: Instant::now(),
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
        let now_ms = millis(self.started.elapsed());
        let Some(event) = self.selection.take(event, now_ms) else {
            return Ok(());
        };
        self.queue
            .try_send((unix_millis(), event))
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

/// Writes what happened last at a door that cannot tell it itself, and why it ends.
///
/// # Errors
/// [`StoreError`].
pub fn last_words(store: &Store, told: &[Event], reason: &str) -> Result<(), StoreError> {
    let mut selection = Selection::default();
    let told = told.iter().filter_map(|event| selection.take(event, 0));
    let last = AuditEvent::new(What::Failed, None, reason);
    let words = told.chain([last]).map(|event| (unix_millis(), event));
    store.append(words.collect())
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
    taken: Seldom<Often>,
}

/// What may happen many times a second, if somebody wants to fill the log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Often {
    /// Why, and who, if somebody known is turned away.
    Refused(Option<Refusal>, Option<String>),
    BadFrame,
    /// By the reason: a broker that is away must not hide that messages are not sent any more.
    Gone(String),
    Forced,
    Tamper,
    Exit,
    Fault(Input),
}

impl Selection {
    /// `now_ms` since some start, for events that have no time.
    fn take(&mut self, event: &Event, now_ms: u64) -> Option<AuditEvent> {
        match event {
            Event::Started {
                model,
                people,
                other_precision,
                ..
            } => {
                let across = match other_precision {
                    0 => String::new(),
                    _ => format!(", {other_precision} of them under another precision"),
                };
                let detail = format!("{people} people{across}, model {model}");
                Some(AuditEvent::new(What::Started, None, &detail))
            }
            Event::ReleaseInForce { note, .. } => Some(AuditEvent::new(What::Started, None, note)),
            Event::RecordUnusable { reason } => Some(AuditEvent::new(What::Failed, None, reason)),
            Event::ClaimsLost { reason } | Event::BrokerLost { reason } => {
                self.seldom(Often::Gone(reason.clone()), now_ms, What::Failed, reason)
            }
            Event::Released {
                subject,
                with,
                hold_ms,
                ..
            } => {
                // Somebody who is refused from now on is somebody else.
                self.taken.forget(|kind| matches!(kind, Often::Refused(..)));
                let with = with
                    .as_ref()
                    .map_or(String::new(), |w| format!("with {w}, "));
                let detail = format!("{with}for {hold_ms} ms");
                Some(AuditEvent::new(What::Opened, Some(subject), &detail))
            }
            Event::Stopped { reason, .. } => Some(AuditEvent::new(What::Stopped, None, reason)),
            Event::Frame(frame) if frame.outcome == Outcome::BadFrame => {
                self.seldom(Often::BadFrame, frame.at_ms, What::Failed, &frame.reason)
            }
            Event::Frame(frame) => self.refused(frame),
            Event::ExitRequested { at_ms, hold_ms } => {
                let detail = format!("from inside, for {hold_ms} ms");
                self.seldom(Often::Exit, *at_ms, What::Opened, &detail)
            }
            Event::InputFault {
                at_ms,
                input,
                reason,
            } => {
                let detail = format!("{}: {reason}", input.name());
                self.seldom(Often::Fault(*input), *at_ms, What::Failed, &detail)
            }
            _ => self.alarm(event),
        }
    }

    fn alarm(&mut self, event: &Event) -> Option<AuditEvent> {
        let alarm = |detail: &str| Some(AuditEvent::new(What::Alarm, None, detail));
        match event {
            Event::ForcedOpen { at_ms } => {
                self.seldom(Often::Forced, *at_ms, What::Alarm, "door forced open")
            }
            Event::Tamper { at_ms, on: true } => {
                self.seldom(Often::Tamper, *at_ms, What::Alarm, "tampered with")
            }
            Event::HeldOpen {
                open_ms,
                again: false,
                ..
            } => alarm(&format!("door open for {open_ms} ms")),
            Event::LeftUnlocked { .. } => {
                alarm("left unlocked: no current on the fail-safe strike")
            }
            _ => None,
        }
    }

    /// An entry, unless there was one of its kind a moment ago.
    fn seldom(&mut self, kind: Often, at_ms: u64, what: What, detail: &str) -> Option<AuditEvent> {
        let once_in_ms = match kind {
            Often::BadFrame | Often::Gone(_) => GONE_ONCE_IN_MS,
            _ => ONCE_IN_MS,
        };
        let is_news = self.taken.is_news(kind, at_ms, once_in_ms);
        is_news.then(|| AuditEvent::new(what, None, detail))
    }

    fn refused(&mut self, frame: &FrameEvent) -> Option<AuditEvent> {
        let refused = frame.refusal.filter(|refusal| refusal.is_final());
        if frame.outcome != Outcome::NoMatch && refused.is_none() {
            return None;
        }
        // Who is known and turned away is another entry than a stranger just before.
        let subject = frame.subject.clone().filter(|_| refused.is_some());
        let kind = Often::Refused(refused, subject.clone());
        let is_news = self.taken.is_news(kind, frame.at_ms, ONCE_IN_MS);
        is_news.then(|| AuditEvent::new(What::Refused, subject.as_deref(), &frame.reason))
    }
}

#[cfg(test)]
mod tests;
