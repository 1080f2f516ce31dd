use super::*;
use crate::door::Driver;
use crate::door::simulated::SimulatedPin;
use embedded_hal::digital::{ErrorKind, ErrorType};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::io;
use std::panic;
use std::sync::{Arc, Mutex};

const HOLD_MS: u64 = 500;

fn door(strike: Strike, active_level: ActiveLevel) -> Door {
    Door {
        driver: Driver::Simulated { folder: None },
        relay: Relay {
            pin: 0,
            strike,
            active_level,
        },
        hold: Duration::from_millis(HOLD_MS),
        sensor: None,
        exit_button: None,
        tamper: None,
    }
}

fn config(active_level: ActiveLevel) -> Door {
    door(Strike::FailSecure, active_level)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn set(level: State) -> Transaction {
    Transaction::set(level)
}

fn failing(level: State) -> Transaction {
    Transaction::set(level).with_error(MockError::Io(io::ErrorKind::NotConnected))
}

/// Each kind of strike with each level: the pin's level while locked, released, and in the end.
const KINDS: [(Strike, ActiveLevel, State, State, State); 4] = {
    use ActiveLevel as Level;
    use State::{High, Low};
    use Strike::{FailSafe, FailSecure};
    [
        (FailSecure, Level::High, Low, High, Low),
        (FailSecure, Level::Low, High, Low, High),
        (FailSafe, Level::High, High, Low, Low),
        (FailSafe, Level::Low, Low, High, High),
    ]
};

#[test]
fn a_release_ends_by_itself() {
    for (strike, level, locked, released, without_current) in KINDS {
        let levels = [locked, released, locked, without_current];
        let mut pin = Mock::new(&levels.map(set));
        let mut lock = Lock::new(pin.clone(), &door(strike, level)).unwrap();
        assert_eq!(lock.release(ms(100)), Ok(true));
        assert_eq!(lock.tick(ms(599)), Ok(false));
        assert_eq!(lock.relock_at(), Some(ms(600)));
        assert_eq!(lock.tick(ms(600)), Ok(true));
        assert_eq!(lock.tick(ms(601)), Ok(false));
        drop(lock);
        pin.done();
    }
}

#[test]
fn a_lock_that_ended_has_no_current_and_is_not_released_any_more() {
    for (strike, level, locked, released, without_current) in KINDS {
        for is_released in [false, true] {
            // The end's, and the drop's.
            let mut levels = vec![set(locked), set(without_current), set(without_current)];
            if is_released {
                levels.insert(1, set(released));
            }
            let mut pin = Mock::new(&levels);
            let mut lock = Lock::new(pin.clone(), &door(strike, level)).unwrap();
            if is_released {
                lock.release(ms(0)).unwrap();
            }
            lock.end().unwrap();
            assert_eq!(lock.release(ms(1)), Ok(false));
            assert_eq!(lock.tick(ms(1000)), Ok(false));
            drop(lock);
            pin.done();
        }
    }
}

#[test]
fn a_pin_that_keeps_the_current_is_tried_again() {
    for (strike, level, locked, _, without_current) in KINDS {
        let mut pin = Mock::new(&[
            set(locked),
            failing(without_current),
            failing(without_current),
            set(without_current),
            set(without_current),
        ]);
        let mut lock = Lock::new(pin.clone(), &door(strike, level)).unwrap();
        assert!(lock.end().is_err());
        assert!(lock.tick(ms(1)).is_err());
        assert_eq!(lock.tick(ms(2)), Ok(true));
        drop(lock);
        pin.done();
    }
}

#[test]
fn a_released_lock_keeps_its_time() {
    let mut pin = Mock::new(&[
        set(State::Low),
        set(State::High),
        set(State::Low),
        set(State::Low),
    ]);
    let mut lock = Lock::new(pin.clone(), &config(ActiveLevel::High)).unwrap();
    lock.release(ms(0)).unwrap();
    assert_eq!(lock.release(ms(400)), Ok(false));
    assert_eq!(lock.tick(ms(500)), Ok(true));
    drop(lock);
    pin.done();
}

#[test]
fn a_pin_that_fails_to_release_is_locked_at_once() {
    let mut pin = Mock::new(&[
        set(State::Low),
        failing(State::High),
        set(State::Low),
        set(State::Low),
    ]);
    let mut lock = Lock::new(pin.clone(), &config(ActiveLevel::High)).unwrap();
    let error = lock.release(ms(0)).unwrap_err().to_string();
    assert!(
        error.contains("could not be set to high (Io(NotConnected))"),
        "{error}"
    );
    assert_eq!(lock.relock_at(), None);
    drop(lock);
    pin.done();
}

#[test]
fn a_pin_that_fails_to_lock_is_tried_again() {
    let mut pin = Mock::new(&[
        set(State::Low),
        set(State::High),
        failing(State::Low),
        failing(State::Low),
        set(State::Low),
        set(State::Low),
    ]);
    let mut lock = Lock::new(pin.clone(), &config(ActiveLevel::High)).unwrap();
    lock.release(ms(0)).unwrap();
    assert!(lock.relock().is_err());
    // Overdue at whatever time, and not to be released meanwhile.
    assert_eq!(lock.release(ms(1)), Ok(false));
    assert!(lock.tick(ms(1)).is_err());
    assert_eq!(lock.tick(ms(2)), Ok(true));
    drop(lock);
    pin.done();
}

#[test]
fn a_pin_that_cannot_be_locked_gives_no_lock() {
    let mut pin = Mock::new(&[failing(State::Low), failing(State::Low)]);
    assert!(Lock::new(pin.clone(), &config(ActiveLevel::High)).is_err());
    pin.done();
}

#[test]
fn a_panic_takes_the_current_off() {
    for (strike, level, locked, released, without_current) in KINDS {
        let (pin, recording) = SimulatedPin::new();
        let mut lock = Lock::new(pin, &door(strike, level)).unwrap();
        let panicked = panic::catch_unwind(panic::AssertUnwindSafe(move || {
            lock.release(ms(0)).unwrap();
            panic!("as a stage might");
        }));
        assert!(panicked.is_err());
        let levels: Vec<_> = recording.levels().iter().map(|(_, level)| *level).collect();
        let expected = [locked, released, without_current].map(|level| match level {
            State::Low => PinState::Low,
            State::High => PinState::High,
        });
        assert_eq!(levels, expected);
    }
}

/// Whether it is high, and whether each next attempt to set it fails.
#[derive(Clone, Default)]
struct FaultyPin(Arc<Mutex<(bool, VecDeque<bool>)>>);

impl ErrorType for FaultyPin {
    type Error = ErrorKind;
}

impl FaultyPin {
    fn set(&mut self, wanted: bool) -> Result<(), ErrorKind> {
        let (high, faults) = &mut *self.0.lock().unwrap();
        if faults.pop_front().unwrap_or(false) {
            return Err(ErrorKind::Other);
        }
        *high = wanted;
        Ok(())
    }
}

impl OutputPin for FaultyPin {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.set(true)
    }
}

proptest! {
    /// Time passes by `wait`; the clock jumps by `jump` besides. A jump back by less than what
    /// passed could not be seen; the door's clock is monotonic.
    #[test]
    fn never_released_longer_than_hold_and_one_tick(
        steps in prop::collection::vec(
            (0..300_u64, prop_oneof![9 => Just(0), 1 => -3000..-300_i64, 1 => 0..3000_i64], any::<bool>()),
            1..60,
        ),
        faults in prop::collection::vec(prop::bool::weighted(0.2), 0..20),
    ) {
        let pin = FaultyPin::default();
        let mut lock = Lock::new(pin.clone(), &config(ActiveLevel::High)).unwrap();
        pin.0.lock().unwrap().1 = faults.into();
        let (mut passed, mut clock, mut released_at) = (0, 1_000_000, None);
        for (wait, jump, wanted) in steps {
            let before = passed;
            passed += wait;
            clock += wait as i64 + jump;
            let ticked = lock.tick(ms(clock as u64));
            if wanted && lock.release(ms(clock as u64)) == Ok(true) {
                released_at = Some(passed);
            }
            let high = pin.0.lock().unwrap().0;
            // Whatever may be released is known to be.
            prop_assert!(!high || lock.relock_at().is_some());
            if high && ticked.is_ok() {
                // It was within its time at the tick before this one, at the latest.
                let at = released_at.unwrap();
                prop_assert!(passed - at < HOLD_MS && before <= at + HOLD_MS);
            }
        }
        pin.0.lock().unwrap().1.clear();
        lock.tick(ms(clock as u64 + HOLD_MS)).unwrap();
        prop_assert!(!pin.0.lock().unwrap().0);
    }
}
