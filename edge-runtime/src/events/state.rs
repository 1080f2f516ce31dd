//! How the door is now, as the broker keeps it for whoever comes later.

use super::notice::{Kind, Notice};
use serde_json::json;

/// "online", or "offline" as the door's last will.
pub(super) const AVAILABILITY: &str = "availability";
/// "locked" or "unlocked".
pub(super) const LOCK: &str = "lock";
/// An object: status, people, problem, dropped.
pub(super) const HEALTH: &str = "health";

/// The door as its notices tell it.
pub(super) struct State {
    lock: &'static str,
    status: &'static str,
    people: Option<usize>,
    /// The last fault since the start.
    problem: Option<String>,
}

impl Default for State {
    /// Before anything is told the lock is locked: that is the first thing that a door does.
    fn default() -> Self {
        Self {
            lock: "locked",
            status: "starting",
            people: None,
            problem: None,
        }
    }
}

impl State {
    pub(super) fn take(&mut self, notice: &Notice) {
        self.people = notice.people.or(self.people);
        match notice.kind {
            Kind::Started => self.status = "running",
            Kind::Stopped => self.status = "stopped",
            Kind::Opened => self.lock = "unlocked",
            Kind::Locked => self.lock = "locked",
            Kind::Fault => self.problem.clone_from(&notice.reason),
            Kind::Refused | Kind::Unknown | Kind::Lockout | Kind::PeopleChanged => {}
        }
    }

    /// Each topic and what is kept there; `dropped` messages could not be kept.
    pub(super) fn topics(&self, dropped: u64) -> [(&'static str, String); 2] {
        let health = json!({
            "status": self.status,
            "people": self.people,
            "problem": self.problem,
            "dropped": dropped,
        });
        [(LOCK, self.lock.into()), (HEALTH, health.to_string())]
    }
}
