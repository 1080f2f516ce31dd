//! Something that others are told, and its JSON.

use serde::{Serialize, Serializer};

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
    /// What is faulty or works again, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// How long the lock stays released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
    /// How long the door has been open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms: Option<u64>,
    /// How many people can be identified now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<usize>,
    /// It happens too often to be told each time; only what is kept changes.
    #[serde(skip)]
    pub quiet: bool,
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
            source: None,
            hold_ms: None,
            open_ms: None,
            people: None,
            quiet: false,
        }
    }
}

/// Kinds of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The door began to look.
    Started,
    /// The door ended.
    Stopped,
    /// The lock was released for somebody who was recognized.
    Opened,
    /// The lock was released for somebody who leaves.
    Exit,
    /// The lock locked again.
    Locked,
    /// The door ends and its strike has no current: it is unlocked.
    LeftUnlocked,
    /// Somebody who is known was not let in.
    Refused,
    /// Somebody who is not known.
    Unknown,
    /// The door is locked for everybody for a time.
    Lockout,
    /// The leaf opened while it may.
    DoorOpened,
    /// The leaf closed.
    DoorClosed,
    /// The leaf opened though the lock was locked.
    Forced,
    /// The leaf has been open for too long.
    Held,
    /// Somebody is at the door's electronics.
    Tamper,
    /// Nobody is any more.
    TamperEnded,
    /// People were enrolled or removed.
    PeopleChanged,
    /// Something failed.
    Fault,
    /// It works again.
    Restored,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Started,
        Self::Stopped,
        Self::Opened,
        Self::Exit,
        Self::Locked,
        Self::LeftUnlocked,
        Self::Refused,
        Self::Unknown,
        Self::Lockout,
        Self::DoorOpened,
        Self::DoorClosed,
        Self::Forced,
        Self::Held,
        Self::Tamper,
        Self::TamperEnded,
        Self::PeopleChanged,
        Self::Fault,
        Self::Restored,
    ];

    /// Whether the lock is released from then on, if it moves.
    pub(crate) fn released(self) -> Option<bool> {
        match self {
            Self::Opened | Self::Exit | Self::LeftUnlocked => Some(true),
            Self::Locked => Some(false),
            _ => None,
        }
    }

    /// Whether the leaf is open from then on, if it moves.
    pub(crate) fn open(self) -> Option<bool> {
        match self {
            Self::DoorOpened | Self::Forced => Some(true),
            Self::DoorClosed => Some(false),
            _ => None,
        }
    }

    /// The word for it in topics and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Opened => "opened",
            Self::Exit => "exit",
            Self::Locked => "locked",
            Self::LeftUnlocked => "left_unlocked",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Lockout => "lockout",
            Self::DoorOpened => "door_opened",
            Self::DoorClosed => "door_closed",
            Self::Forced => "forced",
            Self::Held => "held",
            Self::Tamper => "tamper",
            Self::TamperEnded => "tamper_ended",
            Self::PeopleChanged => "people_changed",
            Self::Fault => "fault",
            Self::Restored => "restored",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
