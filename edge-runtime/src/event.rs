//! What the door tells while it runs: one event a line, as text or as JSON.
//!
//! Events name people, because that is what they are for; nothing else does, so there is no
//! `Debug` here.

mod text;

use crate::decide::Refusal;
use serde::Serialize;

/// Something that happened at the door.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The door began to look.
    Started {
        /// Digest of the model, in hexadecimal.
        model: String,
        /// People who can be identified.
        people: usize,
        /// How many of them are enrolled under another precision of the network.
        other_precision: usize,
        /// Who is expected, in 1:1.
        claim: Option<String>,
        /// A frame matches at this cosine score.
        threshold: f32,
        /// False-match rate that the threshold is for.
        false_match_rate: f64,
        /// Frames that must agree.
        needed: usize,
    },
    /// A record is not used; this person stays locked out.
    RecordUnusable {
        /// Why, with the person's name.
        reason: String,
    },
    /// The bundle belongs to a release that is trusted.
    ReleaseInForce {
        /// Its number.
        release: u64,
        /// How it came here, and who let it in.
        note: String,
    },
    /// People were enrolled or removed while the door ran.
    PeopleChanged {
        /// People who can be identified now.
        people: usize,
        /// A frame matches at this cosine score now.
        threshold: f32,
    },
    /// The model was changed, and people have new templates of the faces that were kept.
    Reembedded {
        /// How many people.
        people: usize,
    },
    /// No claims can be read for now, or any more.
    ClaimsLost {
        /// Why.
        reason: String,
    },
    /// Claims can be read again.
    ClaimsFound,
    /// The MQTT broker cannot be told of the door for now.
    BrokerLost {
        /// Why.
        reason: String,
    },
    /// The MQTT broker is told of the door, and of what it missed.
    BrokerFound,
    /// A frame was looked at.
    Frame(FrameEvent),
    /// The lock was released.
    Released {
        /// Milliseconds since the start.
        at_ms: u64,
        /// For whom.
        subject: String,
        /// Who came first, where two people must.
        with: Option<String>,
        /// For how long, in milliseconds.
        hold_ms: u64,
    },
    /// The lock locked again.
    Relocked {
        /// Milliseconds since the start.
        at_ms: u64,
    },
    /// The lock was released for somebody who leaves, or was released already.
    ExitRequested {
        /// Milliseconds since the start.
        at_ms: u64,
        /// For how long from now, in milliseconds.
        hold_ms: u64,
    },
    /// The door opened.
    DoorOpened {
        /// Milliseconds since the start.
        at_ms: u64,
    },
    /// The door opened though the lock was locked.
    ForcedOpen {
        /// Milliseconds since the start.
        at_ms: u64,
    },
    /// The door has been open for too long.
    HeldOpen {
        /// Milliseconds since the start.
        at_ms: u64,
        /// For how long, in milliseconds.
        open_ms: u64,
        /// Told before, and it is open still.
        again: bool,
    },
    /// The door closed.
    DoorClosed {
        /// Milliseconds since the start.
        at_ms: u64,
        /// How long it was open, in milliseconds.
        open_ms: u64,
        /// It had been forced, or held open.
        alarm: bool,
    },
    /// Somebody is at the door's electronics.
    Tamper {
        /// Milliseconds since the start.
        at_ms: u64,
        /// Or is not any more.
        on: bool,
    },
    /// A contact means nothing any more; the lock locked.
    InputFault {
        /// Milliseconds since the start.
        at_ms: u64,
        /// Which.
        input: Input,
        /// Why.
        reason: String,
    },
    /// A contact is believed again.
    InputRestored {
        /// Milliseconds since the start.
        at_ms: u64,
        /// Which.
        input: Input,
    },
    /// The door ends, and so its fail-safe strike has no current: it is unlocked.
    LeftUnlocked {
        /// Milliseconds since the start.
        at_ms: u64,
    },
    /// The door ended; its relay is without current, unless `reason` says otherwise.
    Stopped {
        /// Milliseconds since the start.
        at_ms: u64,
        /// Why.
        reason: String,
    },
}

impl Event {
    /// The same for whoever may read a system's journal: nothing of frames, and of nobody the name.
    pub fn nameless(&self) -> Option<Self> {
        let somebody = || "somebody".to_owned();
        let mut event = self.clone();
        match &mut event {
            Self::Frame(_) => return None,
            Self::Started { claim, .. } => *claim = claim.as_ref().map(|_| somebody()),
            Self::Released { subject, with, .. } => {
                *subject = somebody();
                *with = with.as_ref().map(|_| somebody());
            }
            Self::RecordUnusable { reason } => {
                *reason = "somebody's record; `edge-runtime list` says whose, and why".into();
            }
            _ => {}
        }
        Some(event)
    }
}

/// What came of one frame.
#[derive(Clone, PartialEq, Serialize)]
pub struct FrameEvent {
    /// What the camera calls the frame.
    pub frame: String,
    /// When it was taken, in milliseconds since the start.
    pub at_ms: u64,
    /// From then to the decision, in milliseconds.
    pub latency_ms: u64,
    /// When it was decided upon, in seconds since 1970 UTC by the wall clock.
    pub unix_s: i64,
    /// Who it shows, if it matches.
    pub subject: Option<String>,
    /// The highest cosine score, if there was a face to compare. In 1:1 that of a match only:
    /// others would tell whom a claim names.
    pub score: Option<f32>,
    /// What a score must reach.
    pub threshold: f32,
    /// How far the head is turned, as [`crate::quality::yaw`] measures it.
    pub turn: Option<f32>,
    /// Frames that agree on this person now.
    pub agreeing: usize,
    /// Frames that must agree.
    pub needed: usize,
    /// In a word.
    pub outcome: Outcome,
    /// Why the lock is not released, where it is not for want of agreeing frames; or what the
    /// person is asked to do.
    pub refusal: Option<Refusal>,
    /// In a sentence.
    pub reason: String,
    /// After this frame.
    pub lock: LockState,
}

/// What a frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody the door knows, or the claimed person.
    Match,
    /// Somebody else; in 1:1 whether or not the claimed person exists.
    NoMatch,
    /// Nobody.
    NoFace,
    /// Somebody, who cannot be seen well enough to be compared.
    PoorFace,
    /// Nothing that can be used.
    BadFrame,
    /// Not looked at: a claim must come first.
    NoClaim,
}

/// Where the lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// Locked.
    Locked,
    /// Released for its time.
    Released,
}

/// What tells of the door besides the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The door-position contact.
    Sensor,
    /// The exit button.
    ExitButton,
    /// The tamper contact.
    Tamper,
    /// The clock that the contacts are read by.
    Clock,
}

impl Input {
    /// As settings and files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::ExitButton => "exit_button",
            Self::Tamper => "tamper",
            Self::Clock => "clock",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame of nobody in particular.
    pub(crate) fn frame(at_ms: u64, outcome: Outcome) -> FrameEvent {
        FrameEvent {
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
        }
    }

    #[test]
    fn nobody_is_named_in_a_journal() {
        let name = || "ada".to_owned();
        let events = [
            Event::Frame(frame(1, Outcome::Match)),
            Event::Started {
                model: "m".into(),
                people: 1,
                other_precision: 0,
                claim: Some(name()),
                threshold: 0.5,
                false_match_rate: 1e-3,
                needed: 2,
            },
            Event::RecordUnusable { reason: name() },
            Event::Released {
                at_ms: 2,
                subject: name(),
                with: Some(name()),
                hold_ms: 3,
            },
            Event::Relocked { at_ms: 5 },
        ];
        let told = events.iter().filter_map(Event::nameless);
        let told: Vec<String> = told
            .map(|event| serde_json::to_string(&event).unwrap())
            .collect();
        assert_eq!(told.len(), 4);
        assert!(!told.concat().contains("ada"), "{told:?}");
        assert_eq!(told.concat().matches("somebody").count(), 4);
    }

    #[test]
    fn the_json_is_this() {
        let frame = Event::Frame(FrameEvent {
            frame: "x.png".into(),
            at_ms: 120,
            latency_ms: 30,
            unix_s: 1_767_571_200,
            subject: Some("ada".into()),
            score: Some(0.61),
            threshold: 0.45,
            turn: Some(0.25),
            agreeing: 1,
            needed: 2,
            outcome: Outcome::Match,
            refusal: Some(Refusal::OutsideSchedule),
            reason: "because".into(),
            lock: LockState::Locked,
        });
        let relocked = Event::Relocked { at_ms: 3120 };
        for (event, json) in [
            (
                frame,
                r#"{"event":"frame","frame":"x.png","at_ms":120,"latency_ms":30,"unix_s":1767571200,"subject":"ada","score":0.61,"threshold":0.45,"turn":0.25,"agreeing":1,"needed":2,"outcome":"match","refusal":"outside_schedule","reason":"because","lock":"locked"}"#,
            ),
            (relocked, r#"{"event":"relocked","at_ms":3120}"#),
            (
                Event::InputFault {
                    at_ms: 7,
                    input: Input::ExitButton,
                    reason: "gone".into(),
                },
                r#"{"event":"input_fault","at_ms":7,"input":"exit_button","reason":"gone"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
        }
    }
}
