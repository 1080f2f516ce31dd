//! How the door is now, as the broker keeps it for whoever comes later.

use super::notice::{Kind, Notice};
use super::notices::RECORDS;
use crate::door::Door;
use serde_json::json;
use std::collections::BTreeMap;

/// "online", or "offline" as the door's last will.
pub(super) const AVAILABILITY: &str = "availability";
/// "locked" or "unlocked".
pub(super) const LOCK: &str = "lock";
/// The leaf, "open" or "closed".
pub(super) const CONTACT: &str = "contact";
/// "none", "forced" or "held".
pub(super) const ALARM: &str = "alarm";
/// "on" or "off".
pub(super) const TAMPER: &str = "tamper";
/// An object: status, people, problem, dropped.
pub(super) const HEALTH: &str = "health";

/// Which contacts a door is fitted with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fitted {
    /// One that tells whether it is open.
    pub sensor: bool,
    /// One at its electronics.
    pub tamper: bool,
}

impl Fitted {
    /// Those that are configured.
    pub fn of(door: &Door) -> Self {
        Self {
            sensor: door.sensor.is_some(),
            tamper: door.tamper.is_some(),
        }
    }
}

/// The door as its notices tell it.
pub(super) struct State {
    fitted: Fitted,
    lock: &'static str,
    contact: &'static str,
    alarm: &'static str,
    tamper: &'static str,
    status: &'static str,
    people: Option<usize>,
    /// What does not work, and why.
    problems: BTreeMap<&'static str, String>,
}

impl State {
    /// Before anything is told. To lock is the first thing that a door does, and a leaf that is
    /// open is told.
    pub(super) fn new(fitted: Fitted) -> Self {
        Self {
            fitted,
            lock: "locked",
            contact: "closed",
            alarm: "none",
            tamper: "off",
            status: "starting",
            people: None,
            problems: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, notice: &Notice) {
        self.people = notice.people.or(self.people);
        if let Some(released) = notice.kind.released() {
            self.lock = if released { "unlocked" } else { "locked" };
        }
        if let Some(open) = notice.kind.open() {
            self.contact = if open { "open" } else { "closed" };
        }
        match notice.kind {
            Kind::Started => self.status = "running",
            Kind::Stopped => self.status = "stopped",
            // Records that are still of no use are told after it.
            Kind::PeopleChanged => drop(self.problems.remove(RECORDS)),
            Kind::DoorClosed => self.alarm = "none",
            Kind::Forced => self.alarm = "forced",
            Kind::Held if self.alarm == "none" => self.alarm = "held",
            Kind::Tamper => self.tamper = "on",
            Kind::TamperEnded => self.tamper = "off",
            Kind::Fault => {
                let reason = notice.reason.clone().unwrap_or_default();
                self.problems.extend(notice.source.map(|s| (s, reason)));
            }
            Kind::Restored => self.problems.retain(|s, _| Some(*s) != notice.source),
            _ => {}
        }
    }

    /// Each topic and what is kept there; `dropped` messages could not be kept.
    pub(super) fn topics(&self, dropped: u64) -> Vec<(&'static str, String)> {
        let problems = self.problems.iter();
        let problems: Vec<_> = problems
            .map(|(what, why)| format!("{what}: {why}"))
            .collect();
        let health = json!({
            "status": self.status,
            "people": self.people,
            "problem": (!problems.is_empty()).then(|| problems.join("; ")),
            "dropped": dropped,
        });
        let mut topics = vec![(LOCK, self.lock.into()), (HEALTH, health.to_string())];
        if self.fitted.sensor {
            topics.extend([(CONTACT, self.contact.into()), (ALARM, self.alarm.into())]);
        }
        if self.fitted.tamper {
            topics.push((TAMPER, self.tamper.into()));
        }
        topics
    }
}
