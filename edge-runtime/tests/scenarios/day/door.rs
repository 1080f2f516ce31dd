//! The door's program: its decision and its lock, and what the system does when it ends.

use super::contacts::{self, DEBOUNCE_MS};
use super::model::{HOLD_MS, Policy, TURNED};
use super::world::{Pin, World};
use edge_runtime::decide::{Action, Decision, Look, Refusal};
use edge_runtime::door::simulated::{SimulatedInput, Switch};
use edge_runtime::door::{self, ContactPin, Contacts, Lock, State};
use edge_runtime::event::Event;
use embedded_hal::digital::PinState;
use std::mem;
use std::time::Duration;

/// How long the system waits before it starts the program again.
const RESTART_MS: u64 = 5000;

/// A part that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    OneFrameFewer,
    LongerWindow,
    NoSchedules,
    NoLockout,
    NoChallenge,
    OnePerson,
    /// The wall clock is not looked at for jumps.
    RemembersOverJumps,
    LongerHold,
    /// A program that ends leaves the pin as it is.
    LeavesReleasedAtTheEnd,
    /// The exit button is taken to be pressed when it is not.
    ButtonUpsideDown,
    /// The sensor always says that the door is closed.
    DeadSensor,
}

struct Program {
    decision: Decision,
    door: State,
    contacts: Contacts,
    button: Switch,
    leaf: Switch,
    /// Its clock begins with it.
    started_ms: u64,
    /// Of the frame before.
    refusal: Option<Refusal>,
    /// Of the wall clock before it, for a door that takes no notice of them.
    jumps_s: i64,
    /// What it told at this tick.
    told: Vec<Event>,
}

pub(super) struct Door {
    policy: Policy,
    broken: Option<Broken>,
    pin: Pin,
    program: Option<Program>,
    start_at_ms: u64,
}

/// Why a program ends: the lock, the events, or somebody ends it.
struct Ended;

impl Door {
    pub(super) fn start(policy: Policy, broken: Option<Broken>, pin: Pin, now_ms: u64) -> Self {
        let mut door = Self {
            policy,
            broken,
            pin,
            program: None,
            start_at_ms: now_ms,
        };
        door.run(now_ms, 0);
        door
    }

    pub(super) fn runs(&self) -> bool {
        self.program.is_some()
    }

    /// Whether it says that all are locked out.
    pub(super) fn locked_out(&self, now_ms: u64) -> bool {
        self.program.as_ref().is_some_and(|program| {
            let now = Duration::from_millis(now_ms - program.started_ms);
            program.decision.locked_out_until(now).is_some()
        })
    }

    /// What it asks of whoever stands there.
    pub(super) fn asks(&self) -> Option<Refusal> {
        self.program.as_ref()?.refusal
    }

    /// What it told at this tick.
    pub(super) fn told(&self) -> &[Event] {
        self.program.as_ref().map_or(&[], |program| &program.told)
    }

    /// One turn of the loop; whether the program was started anew.
    pub(super) fn tick(&mut self, now_ms: u64, look: Option<Look>, world: &World) -> bool {
        let Some(program) = &mut self.program else {
            return now_ms >= self.start_at_ms && self.run(now_ms, world.jumps_s);
        };
        if program.tick(now_ms, look, world, self.broken).is_ok() {
            return false;
        }
        let now = Duration::from_millis(now_ms - program.started_ms);
        self.start_at_ms = now_ms + RESTART_MS;
        if let Some(mut program) = self.program.take() {
            if self.broken == Some(Broken::LeavesReleasedAtTheEnd) {
                mem::forget(program.door);
            } else {
                // As the pipeline does; the drop that follows tries once more.
                let _ = program.door.end(now);
            }
        }
        false
    }

    /// Starts the program, if the pin obeys.
    fn run(&mut self, now_ms: u64, jumps_s: i64) -> bool {
        self.start_at_ms = now_ms + RESTART_MS;
        let door: door::Door = toml::from_str(&self.door_settings()).unwrap();
        let access = if self.is(Broken::NoSchedules) {
            ""
        } else {
            "time_zone = \"UTC\"\nschedules.office = [\"mon-fri 08:00-18:00\"]\n\
             people.cyd = { valid_until = \"2020-01-01\" }\npeople.dan = { schedule = \"office\" }"
        };
        let (contacts, button, leaf) = wire(&door);
        let lock = Lock::new(self.pin.clone(), &door);
        self.program = lock.ok().map(|lock| Program {
            decision: Decision::new(
                toml::from_str(&self.policy_settings()).unwrap(),
                toml::from_str(access).unwrap(),
            ),
            door: State::new(lock, &door),
            contacts,
            button,
            leaf,
            started_ms: now_ms,
            refusal: None,
            jumps_s,
            told: Vec::new(),
        });
        self.runs()
    }

    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    fn door_settings(&self) -> String {
        let hold_ms = HOLD_MS + 400 * u64::from(self.is(Broken::LongerHold));
        let level = if self.is(Broken::ButtonUpsideDown) {
            "low"
        } else {
            "high"
        };
        format!(
            "driver = \"simulated\"\nactive_level = \"high\"\nhold_ms = {hold_ms}\n\
             exit_button = {{ active_level = \"{level}\", debounce_ms = {DEBOUNCE_MS} }}\n\
             sensor = {{ active_level = \"high\", debounce_ms = {DEBOUNCE_MS}, held_open_ms = 20000, \
             relock_when_closed = {} }}\n",
            self.policy.challenge
        )
    }

    fn policy_settings(&self) -> String {
        let Policy {
            needed,
            of_last,
            window_ms,
            two_people_ms,
            challenge,
            lockout,
        } = self.policy;
        let needed = needed - usize::from(self.is(Broken::OneFrameFewer));
        let window_ms = window_ms * if self.is(Broken::LongerWindow) { 3 } else { 1 };
        let refusals = if self.is(Broken::NoLockout) {
            1000
        } else {
            lockout.refusals
        };
        let mut toml = format!(
            "agreeing_frames = {needed}\nof_last_frames = {of_last}\nwindow_ms = {window_ms}\n\
             lockout = {{ refusals = {refusals}, within_ms = {}, lasts_ms = {lasts}, at_most_ms = {lasts} }}\n",
            lockout.within_ms,
            lasts = lockout.lasts_ms,
        );
        if let Some(ms) = two_people_ms.filter(|_| !self.is(Broken::OnePerson)) {
            toml += &format!("two_people_within_ms = {ms}\n");
        }
        if challenge && !self.is(Broken::NoChallenge) {
            toml +=
                &format!("challenge = {{ within_ms = 8000, turned = {TURNED}, frontal = 0.08 }}\n");
        }
        toml
    }
}

impl Program {
    fn tick(
        &mut self,
        now_ms: u64,
        look: Option<Look>,
        world: &World,
        broken: Option<Broken>,
    ) -> Result<(), Ended> {
        let now = Duration::from_millis(now_ms - self.started_ms);
        set(&self.button, &world.contacts.button);
        if broken != Some(Broken::DeadSensor) {
            set(&self.leaf, &world.contacts.leaf);
        }
        self.door.contacts(now, self.contacts.read());
        self.told = self.door.take_events();
        if self.door.take_fault().is_some() || world.killed {
            return Err(Ended);
        }
        if let Some(mut look) = look {
            look.at = now;
            if broken == Some(Broken::RemembersOverJumps) {
                look.unix_s -= world.jumps_s - self.jumps_s;
            }
            match self.decision.step(&look) {
                Action::Release { subject, with } => {
                    self.door.release(now, subject, with).map_err(|_| Ended)?;
                }
                Action::Wait { refusal, .. } => self.refusal = refusal,
            }
        }
        (!world.no_events).then_some(()).ok_or(Ended)
    }
}

/// The contacts, and what sets the exit button and the sensor.
fn wire(door: &door::Door) -> (Contacts, Switch, Switch) {
    let (sensor, leaf) = SimulatedInput::new(PinState::Low);
    let (exit_button, button) = SimulatedInput::new(PinState::Low);
    let contact = door.sensor.map(|sensor| sensor.contact);
    let contacts = Contacts {
        sensor: contact.map(|contact| ContactPin::new(sensor, &contact)),
        exit_button: door.exit_button.map(|c| ContactPin::new(exit_button, &c)),
        tamper: None,
    };
    (contacts, button, leaf)
}

fn set(switch: &Switch, contact: &contacts::Contact) {
    match contact.reading {
        Some(active) => switch.set(PinState::from(active)),
        None => switch.fail("the wire is off"),
    }
}
