use super::*;
use crate::door::simulated::{Recording, SimulatedInput, SimulatedPin, Switch};
use crate::door::{ContactPin, Strike};
use crate::event::Input;
use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin, PinState};
use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

const HOLD: Duration = Duration::from_millis(100);

fn door(hold: Duration, strike: Strike) -> Door {
    let strike = match strike {
        Strike::FailSecure => "fail-secure",
        Strike::FailSafe => "fail-safe",
    };
    let toml = format!(
        "driver = \"simulated\"\nactive_level = \"high\"\nhold_ms = {}\nstrike = \"{strike}\"\n\
         exit_button = {{ active_level = \"low\", debounce_ms = 20 }}",
        hold.as_millis()
    );
    toml::from_str(&toml).unwrap()
}

fn keep(hold: Duration, strike: Strike) -> (Keeper, Recording, Switch) {
    let door = door(hold, strike);
    let (pin, recording) = SimulatedPin::new();
    let (button, switch) = SimulatedInput::new(PinState::High);
    let contacts = Contacts {
        exit_button: door
            .exit_button
            .map(|contact| ContactPin::new(button, &contact)),
        ..Contacts::default()
    };
    let lock = Lock::new(pin, &door).unwrap();
    let keeper = Keeper::start(lock, contacts, &door).unwrap();
    (keeper, recording, switch)
}

fn levels(recording: &Recording) -> Vec<PinState> {
    recording.levels().into_iter().map(|(_, l)| l).collect()
}

fn release(keeper: &Keeper) {
    keeper.release("ada".into(), None).unwrap();
}

/// For what the thread does by itself.
fn wait(until: impl Fn() -> bool) {
    let started = Instant::now();
    while !until() {
        assert!(started.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_locks_in_time_though_nobody_calls() {
    let (keeper, recording, _) = keep(HOLD, Strike::FailSecure);
    for _ in 0..2 {
        release(&keeper);
        release(&keeper);
        wait(|| keeper.relock_at().is_none());
        let told = keeper.told();
        let [
            Event::Released { at_ms, hold_ms, .. },
            Event::Relocked { at_ms: relocked },
        ] = told[..]
        else {
            panic!("{} events", told.len());
        };
        assert!(relocked >= at_ms + hold_ms);
        assert_eq!(hold_ms, 100);
        assert!(keeper.told().is_empty());
    }
    use PinState::{High, Low};
    assert_eq!(levels(&recording), [Low, High, Low, High, Low]);
}

#[test]
fn everybody_whom_it_is_released_for_is_told_once_with_the_time_that_is_left() {
    let (keeper, recording, _) = keep(Duration::from_secs(60), Strike::FailSecure);
    for subject in ["ada", "ada", "eve", "ada"] {
        keeper.release(subject.into(), None).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    let told = keeper.told();
    let released = |event: &Event| match event {
        Event::Released {
            subject, hold_ms, ..
        } => Some((subject.clone(), *hold_ms)),
        _ => None,
    };
    let told: Vec<_> = told.iter().map(|event| released(event).unwrap()).collect();
    let [(first, 60_000), (second, left)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!([&first[..], &second[..]], ["ada", "eve"]);
    assert!((50_000..60_000).contains(left), "{left}");
    assert_eq!(levels(&recording).len(), 2);
}

#[test]
fn the_exit_button_releases_though_nobody_calls() {
    let (keeper, recording, button) = keep(HOLD, Strike::FailSecure);
    // Seen at rest first.
    thread::sleep(Duration::from_secs(1));
    button.set(PinState::Low);
    wait(|| recording.levels().len() == 3);
    use PinState::{High, Low};
    assert_eq!(levels(&recording), [Low, High, Low]);
    let told = keeper.told();
    assert!(matches!(
        told[..],
        [
            Event::ExitRequested { hold_ms: 100, .. },
            Event::Relocked { .. }
        ]
    ));
}

#[test]
fn from_wherever_it_is_ended_the_current_goes_off_at_once_and_for_good() {
    use PinState::{High, Low};
    for (strike, expected) in [
        (Strike::FailSecure, [Low, High, Low]),
        (Strike::FailSafe, [High, Low, Low]),
    ] {
        let (keeper, recording, button) = keep(Duration::from_secs(60), strike);
        thread::sleep(Duration::from_millis(100));
        release(&keeper);
        keeper.safe_state().enter();
        assert_eq!(levels(&recording), expected);
        button.set(PinState::Low);
        release(&keeper);
        thread::sleep(Duration::from_millis(100));
        assert_eq!(keeper.end(), Ok(()));
        assert_eq!(levels(&recording), expected);
        let told = keeper.told();
        match strike {
            Strike::FailSecure => {
                assert!(matches!(
                    told[..],
                    [Event::Released { .. }, Event::Relocked { .. }]
                ));
            }
            Strike::FailSafe => {
                assert!(matches!(
                    told[..],
                    [Event::Released { .. }, Event::LeftUnlocked { .. }]
                ));
            }
        }
    }
}

#[test]
fn it_ends_the_lock_when_dropped_though_others_could_end_it_too() {
    let (keeper, recording, _) = keep(Duration::from_secs(60), Strike::FailSecure);
    let safe_state = keeper.safe_state();
    release(&keeper);
    drop(keeper);
    assert_eq!(levels(&recording).last(), Some(&PinState::Low));
    safe_state.enter();
}

/// Whoever reads it waits as long as somebody has the other end of the channel.
struct HangingInput(mpsc::Receiver<()>);

impl ErrorType for HangingInput {
    type Error = ErrorKind;
}

impl InputPin for HangingInput {
    fn is_high(&mut self) -> Result<bool, ErrorKind> {
        let _ = self.0.recv();
        Ok(true)
    }

    fn is_low(&mut self) -> Result<bool, ErrorKind> {
        self.is_high().map(|high| !high)
    }
}

#[test]
fn a_contact_that_hangs_holds_nothing_up_and_is_told() {
    use PinState::{High, Low};
    let door = door(HOLD, Strike::FailSecure);
    let (pin, recording) = SimulatedPin::new();
    let (hangs, input) = mpsc::channel();
    let contacts = Contacts {
        exit_button: (door.exit_button).map(|c| ContactPin::new(HangingInput(input), &c)),
        ..Contacts::default()
    };
    let lock = Lock::new(pin, &door).unwrap();
    let keeper = Keeper::start(lock, contacts, &door).unwrap();
    thread::sleep(HOLD);
    release(&keeper);
    wait(|| levels(&recording).starts_with(&[Low, High, Low]));
    let mut told = keeper.told();
    wait_for(&mut told, &keeper, |event| {
        matches!(
            event,
            Event::InputFault {
                input: Input::Clock,
                ..
            }
        )
    });
    release(&keeper);
    let asked = Instant::now();
    keeper.safe_state().enter();
    let levels = levels(&recording);
    assert_eq!(levels.iter().filter(|level| **level == High).count(), 2);
    assert_eq!(levels.last(), Some(&Low));
    drop(keeper);
    assert!(asked.elapsed() < Duration::from_secs(5));
    drop(hangs);
}

fn wait_for(told: &mut Vec<Event>, keeper: &Keeper, is_it: impl Fn(&Event) -> bool) {
    let started = Instant::now();
    while !told.iter().any(&is_it) {
        assert!(started.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(5));
        told.extend(keeper.told());
    }
}

/// Cannot be set to low while it is stuck; panics once when told to.
#[derive(Clone, Default)]
struct OddPin {
    stuck: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    high: Arc<AtomicBool>,
}

impl ErrorType for OddPin {
    type Error = ErrorKind;
}

impl OutputPin for OddPin {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        assert!(
            !self.panics.swap(false, Ordering::Relaxed),
            "as a driver might"
        );
        if self.stuck.load(Ordering::Relaxed) {
            return Err(ErrorKind::Other);
        }
        self.high.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.high.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn keep_odd(pin: &OddPin) -> Keeper {
    let door = door(HOLD, Strike::FailSecure);
    let lock = Lock::new(pin.clone(), &door).unwrap();
    Keeper::start(lock, Contacts::default(), &door).unwrap()
}

#[test]
fn it_says_that_it_cannot_lock_and_goes_on_trying() {
    let pin = OddPin::default();
    let keeper = keep_odd(&pin);
    release(&keeper);
    pin.stuck.store(true, Ordering::Relaxed);
    wait(|| matches!(keeper.fault(), Some(Fault::Lock(_))));
    assert!(keeper.relock_at().is_some());
    pin.stuck.store(false, Ordering::Relaxed);
    wait(|| keeper.relock_at().is_none());
    assert!(!pin.high.load(Ordering::Relaxed));
}

#[test]
fn a_driver_that_panics_does_not_leave_the_lock_released() {
    let pin = OddPin::default();
    let keeper = keep_odd(&pin);
    release(&keeper);
    pin.panics.store(true, Ordering::Relaxed);
    wait(|| keeper.fault() == Some(Fault::Panic("as a driver might".into())));
    assert!(!pin.high.load(Ordering::Relaxed));
    release(&keeper);
    assert!(!pin.high.load(Ordering::Relaxed));
}

#[test]
fn a_panic_anywhere_ends_the_lock_before_it_is_told() {
    const CHILD: &str = "FACELATCH_TEST_OF_PANICS";
    // The hook is the whole process's: the test runs in one of its own.
    if env::var_os(CHILD).is_none() {
        let name = thread::current().name().unwrap().to_owned();
        let mut child = Command::new(env::current_exe().unwrap());
        let child = child.args(["--exact", &name]).env(CHILD, "1").output();
        let child = child.unwrap();
        let said = String::from_utf8(child.stdout).unwrap();
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    let (keeper, recording, _) = keep(Duration::from_secs(60), Strike::FailSecure);
    let (tell, told) = mpsc::channel();
    panic::set_hook(Box::new(move |_| tell.send(levels(&recording)).unwrap()));
    keeper.safe_state().enter_on_panic();
    release(&keeper);
    let ended = thread::spawn(|| panic!("as any thread might")).join();
    assert!(ended.is_err());
    use PinState::{High, Low};
    assert_eq!(told.recv().unwrap(), [Low, High, Low]);
    let fault = Fault::Panic("as any thread might".into());
    assert_eq!(keeper.fault(), Some(fault));
}
