//! What others are told, and what they are not.

use super::notice::{Kind, Notice};
use super::notices::Notices;
use super::settings::MqttSettings;
use super::state::{Fitted, State};
use crate::decide::Refusal;
use crate::event::{self, Event, FrameEvent, Input, Outcome};
use serde_json::json;

fn frame(at_ms: u64, outcome: Outcome, refusal: Option<Refusal>) -> Event {
    Event::Frame(FrameEvent {
        refusal,
        subject: (outcome == Outcome::Match).then(|| "ada".into()),
        ..event::tests::frame(at_ms, outcome)
    })
}

fn released() -> Event {
    Event::Released {
        at_ms: 0,
        subject: "ada".into(),
        with: Some("ben".into()),
        hold_ms: 3000,
    }
}

/// One of each kind, with names wherever there can be one.
fn every_event() -> Vec<Event> {
    let reason = || "ada: the record is damaged".to_owned();
    vec![
        Event::Started {
            model: "00".into(),
            people: 2,
            other_precision: 1,
            claim: Some("ada".into()),
            threshold: 0.5,
            false_match_rate: 1e-3,
            needed: 2,
        },
        Event::RecordUnusable { reason: reason() },
        Event::PeopleChanged {
            people: 3,
            threshold: 0.5,
        },
        Event::Reembedded { people: 3 },
        Event::ReleaseInForce {
            release: 3,
            note: "release 3".into(),
        },
        Event::ClaimsLost {
            reason: "/dev/ttyUSB0: gone".into(),
        },
        Event::ClaimsFound,
        Event::BrokerLost { reason: "x".into() },
        Event::BrokerFound,
        Event::Tamper { at_ms: 0, on: true },
        Event::InputRestored {
            at_ms: 0,
            input: Input::Clock,
        },
        Event::LeftUnlocked { at_ms: 0 },
        frame(0, Outcome::Match, Some(Refusal::OutsideSchedule)),
        released(),
        Event::Relocked { at_ms: 0 },
        Event::Stopped {
            at_ms: 0,
            reason: "the frames ended".into(),
        },
    ]
}

pub(super) const ALL: Fitted = Fitted {
    sensor: true,
    tamper: true,
};

pub(super) fn settings(more: &str) -> MqttSettings {
    let toml = format!("host = \"broker.lan\"\ndoor = \"front\"\n{more}");
    toml::from_str(&toml).unwrap()
}

#[test]
fn each_event_of_weight_is_one_notice() {
    use Outcome::{BadFrame, Match, NoFace, NoMatch, PoorFace};
    let out = Some(Refusal::LockedOut);
    let outside = Some(Refusal::OutsideSchedule);
    let mut notices = Notices::new(false);
    for (event, kind) in [
        (frame(0, NoFace, None), None),
        (frame(100, BadFrame, None), None),
        (frame(150, PoorFace, None), None),
        // One frame of a stranger may be a bad look at somebody known ...
        (frame(200, NoMatch, None), None),
        (frame(300, Match, None), None),
        (frame(400, NoMatch, None), None),
        // ... as many as must agree are a stranger, told once in ten seconds.
        (frame(600, NoMatch, None), Some(Kind::Unknown)),
        (frame(10_599, NoMatch, None), None),
        (frame(10_600, NoMatch, None), Some(Kind::Unknown)),
        // Two visits of one frame each.
        (frame(30_000, NoMatch, None), None),
        (frame(35_001, NoMatch, None), None),
        // A lockout is told when it begins.
        (frame(36_000, NoMatch, out), Some(Kind::Lockout)),
        (frame(36_100, NoFace, out), None),
        (frame(60_000, Match, out), None),
        (frame(60_100, NoFace, None), None),
        (frame(60_200, Match, out), Some(Kind::Lockout)),
        // What a person is asked to do is no refusal.
        (frame(70_000, Match, Some(Refusal::TurnLeft)), None),
        (frame(70_100, Match, Some(Refusal::NeedsSecondPerson)), None),
        (frame(70_200, Match, outside), Some(Kind::Refused)),
        (frame(70_300, Match, outside), None),
        (
            frame(70_400, NoMatch, Some(Refusal::TurnFailed)),
            Some(Kind::Refused),
        ),
        (frame(80_400, Match, outside), Some(Kind::Refused)),
        // Whoever comes after somebody came in is told of anew.
        (released(), Some(Kind::Opened)),
        (frame(80_500, Match, outside), Some(Kind::Refused)),
        (Event::Relocked { at_ms: 90_000 }, Some(Kind::Locked)),
        // A camera that gives nothing for long is told of once, and when it does again.
        (frame(91_000, BadFrame, None), None),
        (frame(95_999, BadFrame, None), None),
        (frame(96_000, BadFrame, None), Some(Kind::Fault)),
        (frame(99_000, BadFrame, None), None),
        (frame(99_100, NoFace, None), Some(Kind::Restored)),
        (frame(99_200, BadFrame, None), None),
        (frame(104_300, NoFace, None), None),
    ] {
        let found = notices.take(&event, 0).map(|notice| notice.kind);
        assert_eq!(found, kind, "{event}");
    }
}

#[test]
fn a_loose_contact_does_not_fill_the_queue() {
    let fault = |at_ms, input| Event::InputFault {
        at_ms,
        input,
        reason: "because".into(),
    };
    let closed = |at_ms| Event::DoorClosed {
        at_ms,
        open_ms: 90,
        alarm: false,
    };
    let held = |at_ms| Event::HeldOpen {
        at_ms,
        open_ms: 30_000,
        again: true,
    };
    let exit = |at_ms| Event::ExitRequested {
        at_ms,
        hold_ms: 3000,
    };
    let mut notices = Notices::new(false);
    for (event, kind, quiet) in [
        (Event::DoorOpened { at_ms: 0 }, Kind::DoorOpened, false),
        (closed(90), Kind::DoorClosed, false),
        (Event::DoorOpened { at_ms: 999 }, Kind::DoorOpened, true),
        (closed(1090), Kind::DoorClosed, false),
        (Event::ForcedOpen { at_ms: 2000 }, Kind::Forced, false),
        (Event::ForcedOpen { at_ms: 11_999 }, Kind::Forced, true),
        (held(12_000), Kind::Held, false),
        (held(12_001), Kind::Held, false),
        (exit(13_000), Kind::Exit, false),
        (exit(14_000), Kind::Exit, true),
        (fault(15_000, Input::Sensor), Kind::Fault, false),
        (fault(15_000, Input::Tamper), Kind::Fault, false),
        (fault(15_001, Input::Sensor), Kind::Fault, true),
    ] {
        let notice = notices.take(&event, 0).unwrap();
        assert_eq!((notice.kind, notice.quiet), (kind, quiet), "{event}");
    }
}

#[test]
fn no_name_is_told_unless_names_are_asked_for() {
    for names in [false, true] {
        let mut notices = Notices::new(names);
        let mut state = State::new(ALL);
        let mut told = String::new();
        for event in every_event() {
            let notice = notices.take(&event, 1);
            notice.iter().for_each(|notice| state.take(notice));
            told += &serde_json::to_string(&notice).unwrap();
            told += &format!("{:?}", state.topics(0));
        }
        assert_eq!(told.contains("ada"), names, "{told}");
        assert_eq!(told.contains("ben"), names, "{told}");
    }
}

#[test]
fn the_json_is_this() {
    let mut notices = Notices::new(true);
    for (event, expected) in [
        (
            released(),
            json!({"event_type": "opened", "at_ms": 7, "person": "ada", "with": "ben", "hold_ms": 3000}),
        ),
        (
            frame(0, Outcome::Match, Some(Refusal::NotYetValid)),
            json!({"event_type": "refused", "at_ms": 7, "person": "ada", "reason": "not_yet_valid"}),
        ),
        (
            Event::PeopleChanged {
                people: 3,
                threshold: 0.5,
            },
            json!({"event_type": "people_changed", "at_ms": 7, "people": 3}),
        ),
        (
            Event::Relocked { at_ms: 9 },
            json!({"event_type": "locked", "at_ms": 7}),
        ),
    ] {
        let notice = notices.take(&event, 7);
        assert_eq!(serde_json::to_value(notice).unwrap(), expected);
    }
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}

#[test]
fn the_state_follows_the_notices() {
    let mut state = State::new(ALL);
    let of = |kind| Notice::new(kind, 0);
    let fault = |source| Notice {
        source: Some(source),
        reason: Some("gone".into()),
        ..of(Kind::Fault)
    };
    let works = |source| Notice {
        source: Some(source),
        ..of(Kind::Restored)
    };
    let started = Notice {
        people: Some(2),
        ..of(Kind::Started)
    };
    for (notice, topic, expected) in [
        (
            started,
            "health",
            r#"{"dropped":4,"people":2,"problem":null,"status":"running"}"#,
        ),
        (of(Kind::Unknown), "lock", "locked"),
        (of(Kind::Opened), "lock", "unlocked"),
        (of(Kind::Locked), "lock", "locked"),
        (of(Kind::Exit), "lock", "unlocked"),
        (of(Kind::DoorOpened), "contact", "open"),
        (of(Kind::Held), "alarm", "held"),
        (of(Kind::DoorClosed), "alarm", "none"),
        (of(Kind::Forced), "alarm", "forced"),
        (of(Kind::Held), "alarm", "forced"),
        (of(Kind::Forced), "contact", "open"),
        (of(Kind::DoorClosed), "contact", "closed"),
        (of(Kind::Tamper), "tamper", "on"),
        (of(Kind::TamperEnded), "tamper", "off"),
        (fault("claims"), "health", r#""problem":"claims: gone""#),
        (
            fault("sensor"),
            "health",
            r#""problem":"claims: gone; sensor: gone""#,
        ),
        (works("claims"), "health", r#""problem":"sensor: gone""#),
        (works("sensor"), "health", r#""problem":null"#),
        (fault("records"), "health", r#""problem":"records: gone""#),
        (of(Kind::PeopleChanged), "health", r#""problem":null"#),
        (of(Kind::Locked), "lock", "locked"),
        (of(Kind::LeftUnlocked), "lock", "unlocked"),
        (of(Kind::Stopped), "health", r#""status":"stopped""#),
    ] {
        let kind = notice.kind.word();
        state.take(&notice);
        let shown = state.topics(4);
        let (_, shown) = shown.iter().find(|(name, _)| *name == topic).unwrap();
        assert!(shown.contains(expected), "{kind}: {shown}");
    }
    let bare = State::new(Fitted::default()).topics(0);
    assert_eq!(
        bare.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["lock", "health"]
    );
}
