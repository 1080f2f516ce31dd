use super::simulated::SimulatedPin;
use super::*;
use crate::config::Driver;
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use proptest::prelude::*;
use std::io::ErrorKind;
use std::panic;

const HOLD_MS: u64 = 500;

fn config(active_level: ActiveLevel) -> Door {
    Door {
        driver: Driver::Simulated,
        active_level,
        hold: Duration::from_millis(HOLD_MS),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn set(level: State) -> Transaction {
    Transaction::set(level)
}

fn failing(level: State) -> Transaction {
    Transaction::set(level).with_error(MockError::Io(ErrorKind::NotConnected))
}

#[test]
fn a_release_ends_by_itself() {
    for (level, locked, released) in [
        (ActiveLevel::High, State::Low, State::High),
        (ActiveLevel::Low, State::High, State::Low),
    ] {
        // The last one is the drop's.
        let mut pin = Mock::new(&[set(locked), set(released), set(locked), set(locked)]);
        let mut lock = Lock::new(pin.clone(), &config(level)).unwrap();
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
fn a_panic_locks() {
    let (pin, recording) = SimulatedPin::new();
    let mut lock = Lock::new(pin, &config(ActiveLevel::High)).unwrap();
    let panicked = panic::catch_unwind(panic::AssertUnwindSafe(move || {
        lock.release(ms(0)).unwrap();
        panic!("as a stage might");
    }));
    assert!(panicked.is_err());
    let levels: Vec<_> = recording.levels().iter().map(|(_, level)| *level).collect();
    assert_eq!(levels, [PinState::Low, PinState::High, PinState::Low]);
}

proptest! {
    #[test]
    fn never_released_longer_than_hold_and_one_tick(
        steps in prop::collection::vec((0..300_u64, any::<bool>()), 1..60),
    ) {
        let (pin, recording) = SimulatedPin::new();
        let mut lock = Lock::new(pin, &config(ActiveLevel::High)).unwrap();
        let (mut now, mut released_at) = (0, None);
        for (wait, wanted) in steps {
            let before = now;
            now += wait;
            lock.tick(ms(now)).unwrap();
            if wanted && lock.release(ms(now)).unwrap() {
                released_at = Some(now);
            }
            let high = recording.levels().last().unwrap().1 == PinState::High;
            prop_assert_eq!(high, lock.relock_at().is_some());
            if high {
                // It was within its time at the tick before this one, at the latest.
                let at = released_at.unwrap();
                prop_assert!(now - at < HOLD_MS && before <= at + HOLD_MS);
            }
        }
    }
}
