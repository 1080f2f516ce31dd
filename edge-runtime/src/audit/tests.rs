use super::*;
use crate::event::tests as event;

fn frame(at_ms: u64, outcome: Outcome) -> Event {
    Event::Frame(event::frame(at_ms, outcome))
}

#[test]
fn a_stranger_is_one_entry_in_ten_seconds_a_fault_in_ten_minutes_and_a_visitor_none() {
    let released = Event::Released {
        at_ms: 21_000,
        subject: "ada".into(),
        with: None,
        hold_ms: 3000,
    };
    let mut selection = Selection::default();
    for (event, what) in [
        (frame(0, Outcome::NoFace), None),
        (frame(100, Outcome::BadFrame), Some(What::Failed)),
        (frame(100, Outcome::BadFrame), None),
        (frame(200, Outcome::NoMatch), Some(What::Refused)),
        (frame(400, Outcome::NoMatch), None),
        (frame(10_199, Outcome::NoMatch), None),
        (frame(10_200, Outcome::NoMatch), Some(What::Refused)),
        (frame(20_500, Outcome::Match), None),
        (released, Some(What::Opened)),
        (frame(21_200, Outcome::NoMatch), Some(What::Refused)),
        (Event::Relocked { at_ms: 24_000 }, None),
        (frame(600_099, Outcome::BadFrame), None),
        (frame(600_100, Outcome::BadFrame), Some(What::Failed)),
    ] {
        assert_eq!(selection.take(&event, 0).map(|event| event.what), what);
    }
}

#[test]
fn whoever_is_known_and_turned_away_is_an_entry_of_ones_own() {
    let refused = |at_ms, outcome, refusal| {
        let mut frame = event::frame(at_ms, outcome);
        (frame.refusal, frame.subject) = (Some(refusal), Some("ada".into()));
        Event::Frame(frame)
    };
    let mut selection = Selection::default();
    for (event, subject) in [
        (frame(0, Outcome::NoMatch), Some(None)),
        (
            refused(100, Outcome::Match, Refusal::Expired),
            Some(Some("ada")),
        ),
        (refused(200, Outcome::Match, Refusal::Expired), None),
        (
            refused(300, Outcome::PoorFace, Refusal::TurnFailed),
            Some(Some("ada")),
        ),
        (refused(400, Outcome::Match, Refusal::TurnLeft), None),
        (
            refused(500, Outcome::Match, Refusal::NeedsSecondPerson),
            None,
        ),
        (
            refused(600, Outcome::NoFace, Refusal::LockedOut),
            Some(Some("ada")),
        ),
        (
            refused(10_100, Outcome::Match, Refusal::Expired),
            Some(Some("ada")),
        ),
    ] {
        let taken = selection.take(&event, 0);
        assert!(taken.iter().all(|event| event.what == What::Refused));
        let told = taken.as_ref().map(|event| event.subject.as_deref());
        assert_eq!(told, subject, "{event}");
    }
}

#[test]
fn an_alarm_is_an_entry_and_the_use_of_the_door_is_none() {
    let held = |at_ms, again| Event::HeldOpen {
        at_ms,
        open_ms: 30_000,
        again,
    };
    let fault = |at_ms, input| Event::InputFault {
        at_ms,
        input,
        reason: "because".into(),
    };
    let exit = Event::ExitRequested {
        at_ms: 0,
        hold_ms: 3000,
    };
    let mut selection = Selection::default();
    for (event, what) in [
        (exit, Some(What::Opened)),
        (Event::DoorOpened { at_ms: 100 }, None),
        (Event::ForcedOpen { at_ms: 800 }, Some(What::Alarm)),
        (Event::ForcedOpen { at_ms: 1800 }, None),
        (Event::ForcedOpen { at_ms: 10_800 }, Some(What::Alarm)),
        (held(40_000, false), Some(What::Alarm)),
        (held(100_000, true), None),
        (held(200_000, false), Some(What::Alarm)),
        (fault(200_100, Input::Sensor), Some(What::Failed)),
        (fault(200_200, Input::Sensor), None),
        (fault(200_300, Input::Tamper), Some(What::Failed)),
        (Event::LeftUnlocked { at_ms: 1 }, Some(What::Alarm)),
    ] {
        assert_eq!(selection.take(&event, 0).map(|event| event.what), what);
    }
}

#[test]
fn what_comes_and_goes_is_an_entry_in_ten_minutes_for_each_reason() {
    let lost = |reason: &str| Event::BrokerLost {
        reason: reason.into(),
    };
    let claims = Event::ClaimsLost {
        reason: "unplugged".into(),
    };
    let mut selection = Selection::default();
    for (event, at_ms, taken) in [
        (lost("refused"), 0, true),
        (claims.clone(), 1, true),
        (lost("refused"), 599_999, false),
        (claims, 600_000, false),
        (lost("messages are not sent any more"), 599_999, true),
        (lost("refused"), 600_000, true),
    ] {
        assert_eq!(selection.take(&event, at_ms).is_some(), taken, "{event}");
    }
}
