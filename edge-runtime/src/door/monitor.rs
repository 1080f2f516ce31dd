//! What the contacts around a door mean: who leaves, whether it was forced, whether it is left
//! open. Pure: readings and times go in, wishes and events come out.

mod button;
mod leaf;

use super::debounce::{Change, Debounce};
use super::settings::Door;
use crate::event::{Event, Input};
use crate::millis::millis;
use button::Button;
use leaf::Leaf;
use std::time::Duration;

/// Readings that are further apart prove nothing of what lies between.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// What a contact says, or why it cannot be read; `None` where there is none.
pub(super) type Reading = Option<Result<bool, String>>;

/// What all contacts of a door say at one time.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Whether the door is open.
    pub(super) sensor: Reading,
    /// Whether the exit button is pressed.
    pub(super) exit_button: Reading,
    /// Whether somebody is at the electronics.
    pub(super) tamper: Reading,
}

/// What is to be done with the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Keep,
    /// Somebody wants to leave.
    Release,
    /// It must not stay released.
    Relock,
}

/// The contacts of a door and their past.
pub(super) struct Monitor {
    hold: Duration,
    leaf: Option<Leaf>,
    exit_button: Option<Button>,
    tamper: Option<Debounce>,
    /// When it was told something last.
    told: Option<Duration>,
    /// Time was lost, and no reading came in time since.
    lost: bool,
    /// It was told that nobody reads the contacts.
    is_overdue: bool,
}

impl Monitor {
    pub(super) fn new(door: &Door) -> Self {
        Self {
            hold: door.hold,
            leaf: door.sensor.map(Leaf::new),
            exit_button: door.exit_button.as_ref().map(Button::new),
            tamper: door.tamper.as_ref().map(Debounce::new),
            told: None,
            lost: false,
            is_overdue: false,
        }
    }

    /// Whether no contact was read for so long that a driver must hang, which is told once.
    pub(super) fn overdue(&mut self, now: Duration) -> (Wish, Vec<Event>) {
        if self.leaf.is_none() && self.exit_button.is_none() && self.tamper.is_none() {
            return (Wish::Keep, Vec::new());
        }
        let passed = now.saturating_sub(*self.told.get_or_insert(now));
        if self.is_overdue || passed <= LONGEST_GAP {
            return (Wish::Keep, Vec::new());
        }
        (self.is_overdue, self.lost) = (true, true);
        (Wish::Relock, vec![not_read(now, passed)])
    }

    /// Takes what the contacts say at `now`, and until when the lock is released, if it is. A
    /// fault relocks, and never releases.
    pub(super) fn step(
        &mut self,
        now: Duration,
        readings: Readings,
        released: Option<Duration>,
    ) -> (Wish, Vec<Event>) {
        let mut events = Vec::new();
        let mut fault = self.lost_time(now, released.is_some(), &mut events);
        let mut closed = false;
        if let (Some(leaf), Some(reading)) = (&mut self.leaf, readings.sensor) {
            let change = leaf.step(now, reading, released.is_some(), &mut events);
            fault |= tell_fault(now, Input::Sensor, change, &mut events);
            closed = leaf.has_let_through();
        }
        let mut pressed = false;
        if let (Some(button), Some(reading)) = (&mut self.exit_button, readings.exit_button) {
            let change = button.step(now, reading);
            fault |= tell_fault(now, Input::ExitButton, change, &mut events);
            pressed = button.was_pressed();
        }
        fault |= self.tampered(now, readings.tamper, &mut events);
        let wish = match (fault, pressed, closed) {
            (true, ..) => Wish::Relock,
            (false, true, _) => {
                let hold = released.map_or(self.hold, |until| until.saturating_sub(now));
                events.push(Event::ExitRequested {
                    at_ms: millis(now),
                    hold_ms: millis(hold),
                });
                Wish::Release
            }
            (false, false, true) => Wish::Relock,
            (false, false, false) => Wish::Keep,
        };
        (wish, events)
    }

    /// Tells that somebody came to the electronics, or went; returns whether the contact broke.
    fn tampered(&mut self, now: Duration, reading: Reading, events: &mut Vec<Event>) -> bool {
        let (Some(tamper), Some(reading)) = (&mut self.tamper, reading) else {
            return false;
        };
        let change = tamper.step(now, reading);
        let at_ms = millis(now);
        let told = change.to.filter(|on| *on || !change.first);
        events.extend(told.map(|on| Event::Tamper { at_ms, on }));
        tell_fault(now, Input::Tamper, change, events)
    }

    /// Whether time ran backwards or too far; then what was read before proves nothing.
    fn lost_time(&mut self, now: Duration, released: bool, events: &mut Vec<Event>) -> bool {
        let at_ms = millis(now);
        let told = self.told.replace(now).unwrap_or(now);
        let was_told = std::mem::take(&mut self.is_overdue);
        match now.checked_sub(told) {
            Some(passed) if passed <= LONGEST_GAP => {
                if std::mem::take(&mut self.lost) {
                    let input = Input::Clock;
                    events.push(Event::InputRestored { at_ms, input });
                }
                return false;
            }
            Some(_) if was_told => {}
            Some(passed) => events.push(not_read(now, passed)),
            None => events.push(Event::InputFault {
                at_ms,
                input: Input::Clock,
                reason: format!("the clock ran back by {} ms", (told - now).as_millis()),
            }),
        }
        self.lost = true;
        if let Some(leaf) = &mut self.leaf {
            leaf.restart(now, released);
        }
        if let Some(button) = &mut self.exit_button {
            button.restart();
        }
        if let Some(tamper) = &mut self.tamper {
            tamper.restart();
        }
        true
    }
}

/// Tells of a contact that broke, or is believed again; returns whether it broke.
fn tell_fault(now: Duration, input: Input, change: Change, events: &mut Vec<Event>) -> bool {
    let at_ms = millis(now);
    if change.restored {
        events.push(Event::InputRestored { at_ms, input });
    }
    let broke = change.broke.map(|reason| Event::InputFault {
        at_ms,
        input,
        reason,
    });
    let is_broken = broke.is_some();
    events.extend(broke);
    is_broken
}

fn not_read(now: Duration, passed: Duration) -> Event {
    Event::InputFault {
        at_ms: millis(now),
        input: Input::Clock,
        reason: format!("no contact was read for {} ms", passed.as_millis()),
    }
}

#[cfg(test)]
mod tests;
