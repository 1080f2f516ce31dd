//! The exit button.

use super::{Change, Debounce};
use crate::door::settings::Contact;
use std::time::Duration;

/// Nobody presses a button for so long: it is stuck, or its line has a fault.
const STUCK: Duration = Duration::from_secs(60);

/// A button, which is pressed by being let go before.
pub(super) struct Button {
    contact: Debounce,
    pressed: bool,
    stuck: bool,
}

impl Button {
    pub(super) fn new(contact: &Contact) -> Self {
        Self {
            contact: Debounce::new(contact),
            pressed: false,
            stuck: false,
        }
    }

    /// Whether the last reading was the one that made it a press.
    pub(super) fn was_pressed(&self) -> bool {
        self.pressed
    }

    /// A button that was pressed across lost time is not pressed anew.
    pub(super) fn restart(&mut self) {
        self.contact.restart();
        self.contact.forget();
    }

    pub(super) fn step(&mut self, now: Duration, reading: Result<bool, String>) -> Change {
        let mut change = self.contact.step(now, reading);
        if change.broke.is_some() {
            self.contact.forget();
        }
        self.pressed = change.to == Some(true) && !change.first;
        let down = self.contact.settled() == Some(true);
        let since = self.contact.since().filter(|_| down);
        let stuck = since.is_some_and(|since| now.saturating_sub(since) >= STUCK);
        if stuck && !self.stuck {
            change.broke = Some(format!("it has been pressed for {} s", STUCK.as_secs()));
        }
        change.restored |= self.stuck && change.to == Some(false);
        self.stuck = stuck || (self.stuck && down);
        change
    }
}
