//! Which of a door's events others are told: those of weight, each once, and without names unless
//! they are asked for.

use super::notice::{Kind, Notice};
use crate::decide::Refusal;
use crate::event::{Event, FrameEvent, Outcome};
use crate::seldom::Seldom;

/// Whoever stands before the door is seen at every frame, and a loose contact tells something
/// again and again; one notice tells of so much time.
const ONCE_IN_MS: u64 = 10_000;
/// The same of a leaf that opens and closes.
const LEAF_ONCE_IN_MS: u64 = 1_000;
/// A camera that gives nothing that can be used for so long is taken to be gone.
const CAMERA_GONE_MS: u64 = 5_000;
/// Frames of a stranger that are further apart are of two visits.
const SAME_VISIT_MS: u64 = 5_000;

/// What is faulty where a record cannot be used.
pub(super) const RECORDS: &str = "records";
/// Its reason, where nobody is named.
pub(super) const UNNAMED_RECORD: &str = "a record cannot be used";

/// Tells events of weight from others.
pub struct Notices {
    names: bool,
    /// Frames of a stranger in a row, and when the last one was.
    strangers: (usize, u64),
    /// The last refusal of somebody known, and of whom.
    refused: Option<(Refusal, Option<String>)>,
    locked_out: bool,
    /// Since when no frame could be used, and whether that was told.
    no_frame: Option<(u64, bool)>,
    /// By kind and what is faulty.
    told: Seldom<(Kind, Option<&'static str>)>,
}

impl Notices {
    /// Nothing told yet; with `names` people are named.
    pub fn new(names: bool) -> Self {
        Self {
            names,
            strangers: (0, 0),
            refused: None,
            locked_out: false,
            no_frame: None,
            told: Seldom::default(),
        }
    }

    /// The notice of an event that happens now, if there is one; `now_ms` since 1970 UTC.
    pub fn take(&mut self, event: &Event, now_ms: u64) -> Option<Notice> {
        let new = |kind| Notice::new(kind, now_ms);
        let fault = |source, reason: &str| Notice {
            source: Some(source),
            reason: Some(reason.into()),
            ..new(Kind::Fault)
        };
        Some(match event {
            Event::Frame(frame) => return self.frame(frame, now_ms),
            Event::Started { people, .. } => Notice {
                people: Some(*people),
                ..new(Kind::Started)
            },
            Event::PeopleChanged { people, .. } => Notice {
                people: Some(*people),
                ..new(Kind::PeopleChanged)
            },
            Event::Released {
                subject,
                with,
                hold_ms,
                ..
            } => {
                self.forget_visit();
                Notice {
                    person: self.named(Some(subject)),
                    with: self.named(with.as_ref()),
                    hold_ms: Some(*hold_ms),
                    ..new(Kind::Opened)
                }
            }
            Event::Relocked { .. } => new(Kind::Locked),
            Event::LeftUnlocked { .. } => new(Kind::LeftUnlocked),
            Event::Stopped { reason, .. } => Notice {
                reason: Some(reason.clone()),
                ..new(Kind::Stopped)
            },
            Event::ClaimsLost { reason } => fault("claims", reason),
            Event::ClaimsFound => Notice {
                source: Some("claims"),
                ..new(Kind::Restored)
            },
            Event::RecordUnusable { reason } if self.names => fault(RECORDS, reason),
            // The reason begins with the name.
            Event::RecordUnusable { .. } => fault(RECORDS, UNNAMED_RECORD),
            _ => return self.contact(event, now_ms),
        })
    }

    /// What the contacts around the door tell.
    fn contact(&mut self, event: &Event, now_ms: u64) -> Option<Notice> {
        let new = |kind| Notice::new(kind, now_ms);
        let (at_ms, once_in_ms, notice) = match event {
            Event::ExitRequested { at_ms, hold_ms } => {
                let hold_ms = Some(*hold_ms);
                let exit = new(Kind::Exit);
                (at_ms, ONCE_IN_MS, Notice { hold_ms, ..exit })
            }
            Event::DoorOpened { at_ms } => (at_ms, LEAF_ONCE_IN_MS, new(Kind::DoorOpened)),
            Event::DoorClosed { at_ms, open_ms, .. } => {
                let open_ms = Some(*open_ms);
                let closed = new(Kind::DoorClosed);
                (at_ms, LEAF_ONCE_IN_MS, Notice { open_ms, ..closed })
            }
            Event::ForcedOpen { at_ms } => (at_ms, ONCE_IN_MS, new(Kind::Forced)),
            Event::HeldOpen { at_ms, open_ms, .. } => {
                let open_ms = Some(*open_ms);
                let held = new(Kind::Held);
                (at_ms, 0, Notice { open_ms, ..held })
            }
            Event::Tamper { at_ms, on: true } => (at_ms, ONCE_IN_MS, new(Kind::Tamper)),
            Event::Tamper { at_ms, on: false } => (at_ms, ONCE_IN_MS, new(Kind::TamperEnded)),
            Event::InputFault {
                at_ms,
                input,
                reason,
            } => {
                let fault = Notice {
                    source: Some(input.name()),
                    reason: Some(reason.clone()),
                    ..new(Kind::Fault)
                };
                (at_ms, ONCE_IN_MS, fault)
            }
            Event::InputRestored { at_ms, input } => {
                let source = Some(input.name());
                let restored = new(Kind::Restored);
                (at_ms, ONCE_IN_MS, Notice { source, ..restored })
            }
            // The broker is not told that it was away, nor of what is told otherwise.
            _ => return None,
        };
        let what = (notice.kind, notice.source);
        let quiet = !self.told.is_news(what, *at_ms, once_in_ms);
        Some(Notice { quiet, ..notice })
    }

    fn frame(&mut self, frame: &FrameEvent, now_ms: u64) -> Option<Notice> {
        self.camera(frame, now_ms)
            .or_else(|| self.person(frame, now_ms))
    }

    fn camera(&mut self, frame: &FrameEvent, now_ms: u64) -> Option<Notice> {
        let notice = |kind| Notice {
            source: Some("camera"),
            ..Notice::new(kind, now_ms)
        };
        if frame.outcome != Outcome::BadFrame {
            let was_told = self.no_frame.take().is_some_and(|(_, told)| told);
            return was_told.then(|| notice(Kind::Restored));
        }
        let (since, told) = self.no_frame.get_or_insert((frame.at_ms, false));
        let is_gone = frame.at_ms.saturating_sub(*since) >= CAMERA_GONE_MS;
        (is_gone && !std::mem::replace(told, is_gone)).then(|| Notice {
            reason: Some(frame.reason.clone()),
            ..notice(Kind::Fault)
        })
    }

    fn person(&mut self, frame: &FrameEvent, now_ms: u64) -> Option<Notice> {
        let locked_out = frame.refusal == Some(Refusal::LockedOut);
        let before = std::mem::replace(&mut self.locked_out, locked_out);
        if locked_out {
            return (!before).then(|| Notice::new(Kind::Lockout, now_ms));
        }
        match (frame.outcome, frame.refusal) {
            (_, Some(refusal)) if refusal.is_final() => self.refused(frame, refusal, now_ms),
            (Outcome::NoMatch, _) => self.stranger(frame, now_ms),
            (Outcome::Match, _) => {
                self.strangers.0 = 0;
                None
            }
            _ => None,
        }
    }

    fn refused(&mut self, frame: &FrameEvent, refusal: Refusal, now_ms: u64) -> Option<Notice> {
        let refused = Some((refusal, frame.subject.clone()));
        if refused != self.refused {
            self.told.forget(|what| *what == (Kind::Refused, None));
            self.refused = refused;
        }
        let what = (Kind::Refused, None);
        let is_news = self.told.is_news(what, frame.at_ms, ONCE_IN_MS);
        is_news.then(|| Notice {
            person: self.named(frame.subject.as_ref()),
            reason: Some(word(refusal)),
            ..Notice::new(Kind::Refused, now_ms)
        })
    }

    /// Somebody known may look like a stranger in one frame; a stranger does in as many as must
    /// agree.
    fn stranger(&mut self, frame: &FrameEvent, now_ms: u64) -> Option<Notice> {
        let (count, at_ms) = self.strangers;
        let same = frame.at_ms.saturating_sub(at_ms) <= SAME_VISIT_MS;
        self.strangers = (if same { count + 1 } else { 1 }, frame.at_ms);
        let is_news = self.strangers.0 >= frame.needed
            && (self.told).is_news((Kind::Unknown, None), frame.at_ms, ONCE_IN_MS);
        is_news.then(|| Notice::new(Kind::Unknown, now_ms))
    }

    /// Whoever comes now is somebody else.
    fn forget_visit(&mut self) {
        self.strangers.0 = 0;
        self.refused = None;
        self.told.forget(|what| *what == (Kind::Unknown, None));
    }

    fn named(&self, name: Option<&String>) -> Option<String> {
        name.filter(|_| self.names).cloned()
    }
}

/// The word that the door's JSON has for it.
fn word(refusal: Refusal) -> String {
    let json = serde_json::to_value(refusal).unwrap_or_default();
    json.as_str().unwrap_or_default().into()
}
