//! Whatever the contacts say: the lock is released only by a press or for a face, never for longer
//! than its time, and no forced opening goes untold.

use super::*;
use crate::door::simulated::{Recording, SimulatedInput, SimulatedPin, Switch};
use crate::door::{ContactPin, Contacts};
use embedded_hal::digital::PinState;
use proptest::prelude::*;

const POLL_MS: u64 = 10;
const HOLD_MS: u64 = 500;
const DEBOUNCE_MS: u64 = 50;
const GRACE_MS: u64 = 200;

fn door() -> Door {
    let toml = format!(
        "driver = \"simulated\"\nactive_level = \"high\"\nhold_ms = {HOLD_MS}\n\
         sensor = {{ active_level = \"high\", held_open_ms = 5000, grace_ms = {GRACE_MS} }}\n\
         exit_button = {{ active_level = \"high\" }}"
    );
    toml::from_str(&toml).unwrap()
}

struct World {
    state: State,
    contacts: Contacts,
    relay: Recording,
    sensor: Switch,
    button: Switch,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        let door = door();
        let (pin, relay) = SimulatedPin::new();
        let (leaf, sensor) = SimulatedInput::new(PinState::Low);
        let (exit, button) = SimulatedInput::new(PinState::Low);
        let contacts = Contacts {
            sensor: Some(ContactPin::new(leaf, &door.sensor.unwrap().contact)),
            exit_button: Some(ContactPin::new(exit, &door.exit_button.unwrap())),
            tamper: None,
        };
        let lock = Lock::new(pin, &door).unwrap();
        Self {
            state: State::new(lock, &door),
            contacts,
            relay,
            sensor,
            button,
            now_ms: 1_000_000,
        }
    }

    /// The contacts say something, and the keeper looks; what it tells.
    fn tick(&mut self, sensor: Says, button: Says, poll: u64) -> Vec<Event> {
        sensor.set(&self.sensor, poll);
        button.set(&self.button, poll);
        let now = Duration::from_millis(self.now_ms);
        self.state.contacts(now, self.contacts.read());
        self.state.take_events()
    }

    fn release(&mut self) {
        let now = Duration::from_millis(self.now_ms);
        self.state.release(now, "ada".into(), None).unwrap();
    }

    fn is_released(&self) -> bool {
        self.relay.levels().last().unwrap().1 == PinState::High
    }
}

/// What a contact says for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    Rest,
    Active,
    Bounces,
    Nothing,
}

impl Says {
    fn is_active(self, poll: u64) -> bool {
        self == Self::Active || self == Self::Bounces && poll.is_multiple_of(3)
    }

    fn set(self, switch: &Switch, poll: u64) {
        match self {
            Self::Nothing => switch.fail("gone"),
            _ => switch.set(PinState::from(self.is_active(poll))),
        }
    }
}

/// A while: polls, sensor, button, whether a face releases at its beginning, a jump of the clock.
type While = (u64, Says, Says, bool, i64);

fn whiles(
    sensor: &'static [Says],
    button: &'static [Says],
    faces: f64,
    jumps: bool,
) -> impl Strategy<Value = Vec<While>> {
    let jump = match jumps {
        true => prop_oneof![6 => Just(0), 1 => -3000..-50_i64, 1 => 0..5000_i64].boxed(),
        false => Just(0).boxed(),
    };
    let says = prop::sample::select::<Says>;
    let face = prop::bool::weighted(faces);
    let one = (1..80_u64, says(sensor), says(button), face, jump);
    prop::collection::vec(one, 1..25)
}

const ANYTHING: &[Says] = &[Says::Rest, Says::Active, Says::Bounces, Says::Nothing];
const NO_PRESS: &[Says] = &[Says::Rest, Says::Nothing];
const CLEAR: &[Says] = &[Says::Rest, Says::Active];

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::ExitRequested { .. })
}

proptest! {
    #[test]
    fn without_a_press_or_a_face_it_is_never_released(
        whiles in whiles(ANYTHING, NO_PRESS, 0.0, true),
    ) {
        let mut world = World::new();
        for (polls, sensor, button, _, jump) in whiles {
            world.now_ms = world.now_ms.saturating_add_signed(jump);
            for poll in 0..polls {
                world.tick(sensor, button, poll);
                world.now_ms += POLL_MS;
            }
        }
        let levels = world.relay.levels();
        prop_assert!(levels.iter().all(|(_, level)| *level == PinState::Low));
    }

    /// In the time that really passes, whatever the clock says.
    #[test]
    fn it_is_released_for_a_reason_and_never_longer_than_its_time(
        whiles in whiles(ANYTHING, ANYTHING, 0.3, true),
    ) {
        let mut world = World::new();
        let (mut passed_ms, mut released_ms, mut pressed) = (0, None, 0);
        for (polls, sensor, button, face, jump) in whiles {
            world.now_ms = world.now_ms.saturating_add_signed(jump);
            for poll in 0..polls {
                pressed = if button.is_active(poll) { pressed + 1 } else { 0 };
                let before = world.relay.levels().len();
                let exit = world.tick(sensor, button, poll).iter().any(is_exit);
                prop_assert!(!exit || pressed >= 3);
                // It may lock and be released anew at once.
                let levels = world.relay.levels();
                let locked = levels[before..].iter().any(|(_, l)| *l == PinState::Low);
                if locked || !world.is_released() {
                    released_ms = None;
                }
                if world.is_released() && released_ms.is_none() {
                    prop_assert!(exit);
                    released_ms = Some(passed_ms);
                }
                prop_assert!(released_ms.is_none_or(|at| passed_ms - at < HOLD_MS));
                if face && poll == 0 {
                    world.release();
                    prop_assert!(world.is_released());
                    released_ms = released_ms.or(Some(passed_ms));
                }
                world.now_ms += POLL_MS;
                passed_ms += POLL_MS;
            }
        }
    }

    #[test]
    fn a_forced_opening_is_always_told_and_no_other_is(
        whiles in whiles(CLEAR, CLEAR, 0.3, false),
    ) {
        let mut world = World::new();
        let mut past = Vec::new();
        for (polls, sensor, button, face, _) in whiles {
            for poll in 0..polls {
                let events = world.tick(sensor, button, poll);
                if face && poll == 0 {
                    world.release();
                }
                past.push(Polled {
                    open: sensor == Says::Active,
                    released: world.is_released(),
                    told: events.iter().any(|e| matches!(e, Event::ForcedOpen { .. })),
                });
                world.now_ms += POLL_MS;
            }
        }
        check_forced(&past)?;
    }
}

#[test]
fn contacts_that_nobody_reads_lock_and_are_told_once_until_somebody_does() {
    let mut world = World::new();
    let mut told = Vec::new();
    let mut pass = |world: &mut World, ms: u64, read: bool| {
        for _ in (0..ms).step_by(POLL_MS as usize) {
            if read {
                told.extend(world.tick(Says::Rest, Says::Rest, 0));
            } else {
                world.state.tick(Duration::from_millis(world.now_ms));
                told.extend(world.state.take_events());
            }
            world.now_ms += POLL_MS;
        }
    };
    pass(&mut world, 1000, true);
    pass(&mut world, 1900, false);
    world.release();
    pass(&mut world, 200, false);
    assert!(!world.is_released());
    pass(&mut world, 5000, false);
    pass(&mut world, 1000, true);
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    let is_there = |i: usize, needle: &str| assert!(told[i].contains(needle), "{told:?}");
    is_there(0, "ada");
    is_there(1, "no contact was read for 20");
    is_there(2, "locked");
    is_there(3, "clock works again");
    assert_eq!(told.len(), 4, "{told:?}");
}

/// What was at one poll.
struct Polled {
    open: bool,
    released: bool,
    /// That the door was forced.
    told: bool,
}

/// Looks at every opening that lasts. At the edge of the grace it may be told or not.
fn check_forced(past: &[Polled]) -> Result<(), TestCaseError> {
    let settles = (DEBOUNCE_MS / POLL_MS) as usize;
    let grace = (GRACE_MS / POLL_MS) as usize;
    let released = |polls: &[Polled]| polls.iter().any(|polled| polled.released);
    for at in settles + 1..past.len().saturating_sub(settles) {
        let was_closed = past[at - settles - 1..at].iter().all(|polled| !polled.open);
        let stays_open = past[at..=at + settles].iter().all(|polled| polled.open);
        if !was_closed || !stays_open {
            continue;
        }
        let told = past[at + settles].told;
        if !released(&past[at.saturating_sub(grace + 2)..=at]) {
            prop_assert!(told, "untold at poll {at}");
        }
        if released(&past[at.saturating_sub(grace - 1)..at]) {
            prop_assert!(!told, "told at poll {at}");
        }
    }
    Ok(())
}
