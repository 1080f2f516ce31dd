//! Events as lines for people.

use super::Event;
use std::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started {
                people,
                other_precision,
                threshold,
                false_match_rate,
                needed,
                ..
            } => write!(
                f,
                "started: {people} enrolled{}, threshold {threshold:.3} (false-match rate {false_match_rate:.1e}), {needed} frames must agree",
                across(*other_precision)
            ),
            Self::PeopleChanged { people, threshold } => {
                write!(
                    f,
                    "people changed: {people} enrolled, threshold {threshold:.3}"
                )
            }
            Self::ReleaseInForce { release, note } => {
                write!(f, "release {release} is trusted and in force: {note}")
            }
            Self::Reembedded { people } => {
                write!(
                    f,
                    "another model: new templates of {people} people, from kept faces"
                )
            }
            Self::RecordUnusable { reason } => write!(f, "not used: {reason}"),
            Self::ClaimsLost { reason } => f.write_str(reason),
            Self::BrokerLost { reason } => write!(f, "messages wait: {reason}"),
            Self::ClaimsFound => f.write_str("claims can be read again"),
            Self::BrokerFound => f.write_str("the broker is told"),
            Self::Frame(frame) => {
                write!(
                    f,
                    "{:>8} ms  {}: {}",
                    frame.at_ms, frame.frame, frame.reason
                )
            }
            Self::Released {
                at_ms,
                subject,
                with,
                hold_ms,
            } => {
                let with = with
                    .as_ref()
                    .map_or(String::new(), |w| format!(" with {w}"));
                write!(
                    f,
                    "{at_ms:>8} ms  RELEASED for {subject}{with}, {hold_ms} ms"
                )
            }
            Self::Relocked { at_ms } => write!(f, "{at_ms:>8} ms  locked again"),
            Self::ExitRequested { at_ms, hold_ms } => {
                write!(f, "{at_ms:>8} ms  RELEASED from inside, {hold_ms} ms")
            }
            Self::DoorOpened { at_ms } => write!(f, "{at_ms:>8} ms  door opened"),
            Self::ForcedOpen { at_ms } => write!(f, "{at_ms:>8} ms  ALARM: door forced open"),
            Self::HeldOpen { at_ms, open_ms, .. } => {
                write!(f, "{at_ms:>8} ms  ALARM: door open for {open_ms} ms")
            }
            Self::DoorClosed { at_ms, open_ms, .. } => {
                write!(f, "{at_ms:>8} ms  door closed after {open_ms} ms")
            }
            Self::Tamper { at_ms, on: true } => write!(f, "{at_ms:>8} ms  ALARM: tampered with"),
            Self::Tamper { at_ms, on: false } => write!(f, "{at_ms:>8} ms  not tampered with"),
            Self::InputFault {
                at_ms,
                input,
                reason,
            } => write!(f, "{at_ms:>8} ms  fault of {}: {reason}", input.name()),
            Self::InputRestored { at_ms, input } => {
                write!(f, "{at_ms:>8} ms  {} works again", input.name())
            }
            Self::LeftUnlocked { at_ms } => {
                write!(
                    f,
                    "{at_ms:>8} ms  UNLOCKED: no current on the fail-safe strike"
                )
            }
            Self::Stopped { at_ms, reason } => write!(f, "{at_ms:>8} ms  stopped: {reason}"),
        }
    }
}

/// Of how many people the templates are another precision's.
fn across(people: usize) -> String {
    match people {
        0 => String::new(),
        _ => format!(" ({people} of them under another precision of the network)"),
    }
}
