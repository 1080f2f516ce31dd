//! What of a door's events others are told: those of weight, each once, and without names unless
//! they are asked for.

use crate::decide::Refusal;
use crate::event::{Event, FrameEvent, Outcome};
use serde::Serialize;

/// Whoever stands before the door is seen at every frame; one notice tells of so much time.
const ONCE_IN_MS: u64 = 10_000;
/// Frames of a stranger that are further apart are of two visits.
const SAME_VISIT_MS: u64 = 5_000;

/// Something that others are told.
#[derive(Clone, PartialEq, Serialize)]
pub struct Notice {
    /// In a word.
    #[serde(rename = "event_type")]
    pub kind: Kind,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// Whom it concerns, where names are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Who came first, where two people must, and where names are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Why: a refusal in a word, anything else in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long the lock stays released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
    /// How many people can be identified now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<usize>,
}

/// Kinds of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The door began to look.
    Started,
    /// The door ended.
    Stopped,
    /// The lock was released.
    Opened,
    /// The lock locked again.
    Locked,
    /// Somebody who is known was not let in.
    Refused,
    /// Somebody who is not known.
    Unknown,
    /// The door is locked for everybody for a time.
    Lockout,
    /// People were enrolled or removed.
    PeopleChanged,
    /// Something failed.
    Fault,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Started,
        Self::Stopped,
        Self::Opened,
        Self::Locked,
        Self::Refused,
        Self::Unknown,
        Self::Lockout,
        Self::PeopleChanged,
        Self::Fault,
    ];

    /// The word for it in topics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Opened => "opened",
            Self::Locked => "locked",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Lockout => "lockout",
            Self::PeopleChanged => "people_changed",
            Self::Fault => "fault",
        }
    }
}

impl Notice {
    /// A notice of which nothing more is said.
    pub fn new(kind: Kind, at_ms: u64) -> Self {
        Self {
            kind,
            at_ms,
            person: None,
            with: None,
            reason: None,
            hold_ms: None,
            people: None,
        }
    }
}

/// Tells events of weight from others.
pub struct Notices {
    names: bool,
    /// Frames of a stranger in a row, and when the last one was.
    strangers: (usize, u64),
    /// When a stranger was told of.
    unknown_at_ms: Option<u64>,
    /// The last refusal of somebody known, for whom, and when.
    refused: Option<(Refusal, Option<String>, u64)>,
    locked_out: bool,
}

impl Notices {
    /// Nothing told yet; with `names` people are named.
    pub fn new(names: bool) -> Self {
        Self {
            names,
            strangers: (0, 0),
            unknown_at_ms: None,
            refused: None,
            locked_out: false,
        }
    }

    /// The notice of an event that happens now, if there is one; `now_ms` since 1970 UTC.
    pub fn take(&mut self, event: &Event, now_ms: u64) -> Option<Notice> {
        let new = |kind| Notice::new(kind, now_ms);
        let fault = |reason: &str| Notice {
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
                // Whoever comes now is somebody else.
                *self = Self::new(self.names);
                Notice {
                    person: self.named(Some(subject)),
                    with: self.named(with.as_ref()),
                    hold_ms: Some(*hold_ms),
                    ..new(Kind::Opened)
                }
            }
            Event::Relocked { .. } => new(Kind::Locked),
            Event::Stopped { reason, .. } => Notice {
                reason: Some(reason.clone()),
                ..new(Kind::Stopped)
            },
            Event::ClaimsLost { reason } => fault(reason),
            Event::RecordUnusable { reason } if self.names => fault(reason),
            // The reason begins with the name.
            Event::RecordUnusable { .. } => fault("somebody's record cannot be used"),
            Event::Reembedded { .. } | Event::BrokerLost { .. } | Event::BrokerFound => {
                return None;
            }
        })
    }

    fn frame(&mut self, frame: &FrameEvent, now_ms: u64) -> Option<Notice> {
        let before = std::mem::replace(
            &mut self.locked_out,
            frame.refusal == Some(Refusal::LockedOut),
        );
        if self.locked_out {
            return (!before).then(|| Notice::new(Kind::Lockout, now_ms));
        }
        match (frame.outcome, frame.refusal) {
            (_, Some(refusal)) if is_final(refusal) => self.refused(frame, refusal, now_ms),
            (Outcome::NoMatch, _) => self.stranger(frame, now_ms),
            (Outcome::Match, _) => {
                self.strangers.0 = 0;
                None
            }
            _ => None,
        }
    }

    fn refused(&mut self, frame: &FrameEvent, refusal: Refusal, now_ms: u64) -> Option<Notice> {
        let told = self.refused.as_ref();
        let again = told.is_some_and(|(before, whom, at_ms)| {
            *before == refusal && *whom == frame.subject && is_recent(frame, *at_ms)
        });
        if again {
            return None;
        }
        self.refused = Some((refusal, frame.subject.clone(), frame.at_ms));
        Some(Notice {
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
        let told = self.unknown_at_ms;
        if self.strangers.0 < frame.needed || told.is_some_and(|at_ms| is_recent(frame, at_ms)) {
            return None;
        }
        self.unknown_at_ms = Some(frame.at_ms);
        Some(Notice::new(Kind::Unknown, now_ms))
    }

    fn named(&self, name: Option<&String>) -> Option<String> {
        name.filter(|_| self.names).cloned()
    }
}

/// Whether somebody is turned away by it, and not asked to do something.
fn is_final(refusal: Refusal) -> bool {
    match refusal {
        Refusal::OutsideSchedule
        | Refusal::NotYetValid
        | Refusal::Expired
        | Refusal::TurnFailed => true,
        Refusal::LockedOut
        | Refusal::TurnLeft
        | Refusal::TurnRight
        | Refusal::LookAhead
        | Refusal::NeedsSecondPerson => false,
    }
}

fn is_recent(frame: &FrameEvent, at_ms: u64) -> bool {
    frame.at_ms.saturating_sub(at_ms) < ONCE_IN_MS
}

/// The word that the door's JSON has for it.
fn word(refusal: Refusal) -> String {
    let json = serde_json::to_value(refusal).unwrap_or_default();
    json.as_str().unwrap_or_default().into()
}
