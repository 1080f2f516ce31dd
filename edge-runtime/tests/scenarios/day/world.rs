//! Who comes to the door, and what goes wrong.

use super::Counts;
use super::contacts::Contacts;
use super::model::{HOLD_MS, MONDAY};
use crate::chance::Chance;
use edge_runtime::decide::{Look, Observation, Refusal, Side};
use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Two who may come in, one whose time is over, one with office hours.
const PEOPLE: [&str; 4] = ["ada", "ben", "cyd", "dan"];

/// A pin that may not do as told.
#[derive(Clone, Default)]
pub(super) struct Pin(Arc<Mutex<Wire>>);

#[derive(Clone, Copy, Default)]
struct Wire {
    released: bool,
    /// How often it was released.
    releases: u64,
    disobeys: bool,
    /// What fails may have moved the bolt all the same.
    moves_though_failing: bool,
}

impl Pin {
    fn wire(&self) -> Wire {
        *self.0.lock().unwrap()
    }

    pub(super) fn is_released(&self) -> bool {
        self.wire().released
    }

    pub(super) fn releases(&self) -> u64 {
        self.wire().releases
    }

    pub(super) fn disobeys(&self) -> bool {
        self.wire().disobeys
    }

    fn set(&mut self, released: bool) -> Result<(), ErrorKind> {
        let wire = self.wire();
        if !wire.disobeys || wire.moves_though_failing && released {
            let releases = wire.releases + u64::from(released && !wire.released);
            *self.0.lock().unwrap() = Wire {
                released,
                releases,
                ..wire
            };
        }
        (!wire.disobeys).then_some(()).ok_or(ErrorKind::Other)
    }
}

impl ErrorType for Pin {
    type Error = ErrorKind;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.set(true)
    }
}

/// Somebody, or nobody, until some time.
#[derive(Clone, Copy)]
enum Visitor {
    Nobody,
    Stranger,
    /// One who is taken for somebody in a third of the frames.
    Lookalike(&'static str),
    Person(&'static str),
}

/// Everything outside of the door's program.
pub(super) struct World {
    pub(super) pin: Pin,
    /// The wall clock jumped within this tick.
    pub(super) jumped: bool,
    /// Events cannot be written within this tick.
    pub(super) no_events: bool,
    /// Somebody ends the program, or a fault of its own does.
    pub(super) killed: bool,
    pub(super) contacts: Contacts,
    visitor: Visitor,
    visitor_until_ms: u64,
    blind_until_ms: u64,
    garbled_until_ms: u64,
    pin_fails_until_ms: u64,
    wall_ms: i64,
    /// All jumps of the wall clock together.
    pub(super) jumps_s: i64,
    turn: f32,
}

impl World {
    /// A Monday morning or any other time of that week.
    pub(super) fn new(chance: &mut Chance) -> Self {
        Self {
            pin: Pin::default(),
            jumped: false,
            no_events: false,
            killed: false,
            contacts: Contacts::default(),
            visitor: Visitor::Nobody,
            visitor_until_ms: 0,
            blind_until_ms: 0,
            garbled_until_ms: 0,
            pin_fails_until_ms: 0,
            wall_ms: MONDAY * 1000 + chance.below(7 * 86_400) as i64 * 1000,
            jumps_s: 0,
            turn: 0.0,
        }
    }

    /// Time passes, and things go wrong.
    pub(super) fn pass(
        &mut self,
        passed_ms: u64,
        now_ms: u64,
        chance: &mut Chance,
        counts: &mut Counts,
    ) {
        self.wall_ms += passed_ms as i64;
        self.jumped = chance.once_in(8000);
        if self.jumped {
            counts.clock_jumps += 1;
            let far_s = 14 + chance.below(3 * 86_400) as i64;
            let jump_s = if chance.once_in(2) { far_s } else { -far_s };
            self.wall_ms += jump_s * 1000;
            self.jumps_s += jump_s;
        }
        self.fail(now_ms, chance, counts);
        let released = self.pin.is_released();
        self.contacts.pass(now_ms, released, chance, counts);
        if now_ms >= self.visitor_until_ms {
            self.visitor = match chance.below(10) {
                0..=3 => Visitor::Nobody,
                4 => Visitor::Stranger,
                5 => Visitor::Lookalike(chance.pick(&PEOPLE)),
                _ => Visitor::Person(chance.pick(&PEOPLE)),
            };
            self.visitor_until_ms = now_ms + 500 + chance.below(12_000) as u64;
        }
    }

    /// What was whole until now.
    fn fail(&mut self, now_ms: u64, chance: &mut Chance, counts: &mut Counts) {
        if chance.once_in(6000) {
            counts.camera_faults += 1;
            let until_ms = now_ms + chance.below(20_000) as u64;
            let kinds = [&mut self.blind_until_ms, &mut self.garbled_until_ms];
            let [blind, garbled] = kinds;
            *(if chance.once_in(2) { blind } else { garbled }) = until_ms;
        }
        // More often while the lock is released, where it matters.
        if chance.once_in(if self.pin.is_released() { 400 } else { 20_000 }) {
            counts.pin_faults += 1;
            self.pin_fails_until_ms = now_ms + chance.below(3 * HOLD_MS as usize) as u64;
        }
        let wire = self.pin.wire();
        *self.pin.0.lock().unwrap() = Wire {
            disobeys: now_ms < self.pin_fails_until_ms,
            moves_though_failing: chance.once_in(2),
            ..wire
        };
        self.no_events = chance.once_in(if self.pin.is_released() { 1000 } else { 20_000 });
        counts.event_faults += u64::from(self.no_events);
        self.killed = chance.once_in(15_000);
    }

    /// What the door's camera and gallery make of it; `asked` is what the door asks for.
    pub(super) fn look(
        &mut self,
        now_ms: u64,
        asked: Option<Refusal>,
        chance: &mut Chance,
    ) -> Option<Look> {
        if now_ms < self.blind_until_ms {
            return None;
        }
        // Most do as asked, after a moment.
        if chance.once_in(4) {
            self.turn = match asked {
                Some(Refusal::TurnLeft) => 0.3,
                Some(Refusal::TurnRight) => -0.3,
                _ => 0.0,
            };
        }
        let person = |name: &str| Observation::Match(name.to_owned());
        let seen = match self.visitor {
            _ if now_ms < self.garbled_until_ms || chance.once_in(12) => Observation::Nobody,
            Visitor::Nobody => Observation::Nobody,
            Visitor::Stranger => Observation::Stranger,
            Visitor::Lookalike(name) if chance.once_in(3) => person(name),
            Visitor::Lookalike(_) => Observation::Stranger,
            Visitor::Person(_) if chance.once_in(10) => Observation::Stranger,
            Visitor::Person(name) => person(name),
        };
        Some(Look {
            at: Duration::from_millis(now_ms),
            unix_s: self.wall_ms.div_euclid(1000),
            seen,
            turn: Some(self.turn),
            side: chance.pick(&[Side::Left, Side::Right]),
        })
    }
}
