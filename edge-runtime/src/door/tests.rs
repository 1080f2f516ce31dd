use super::simulated::SimulatedPin;
use super::*;
use crate::config::Driver;
use embedded_hal::digital::{ErrorKind, ErrorType};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::panic;
use std::rc::Rc;

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
    Transaction::set(level).with_error(MockError::Io(io::ErrorKind::NotConnected))
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

/// Whether it is high, and whether each next attempt to set it fails.
#[derive(Clone, Default)]
struct FaultyPin(Rc<RefCell<(bool, VecDeque<bool>)>>);

impl ErrorType for FaultyPin {
    type Error = ErrorKind;
}

impl FaultyPin {
    fn set(&mut self, wanted: bool) -> Result<(), ErrorKind> {
        let (high, faults) = &mut *self.0.borrow_mut();
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
        pin.0.borrow_mut().1 = faults.into();
        let (mut passed, mut clock, mut released_at) = (0, 1_000_000, None);
        for (wait, jump, wanted) in steps {
            let before = passed;
            passed += wait;
            clock += wait as i64 + jump;
            let ticked = lock.tick(ms(clock as u64));
            if wanted && lock.release(ms(clock as u64)) == Ok(true) {
                released_at = Some(passed);
            }
            let high = pin.0.borrow().0;
            // Whatever may be released is known to be.
            prop_assert!(!high || lock.relock_at().is_some());
            if high && ticked.is_ok() {
                // It was within its time at the tick before this one, at the latest.
                let at = released_at.unwrap();
                prop_assert!(passed - at < HOLD_MS && before <= at + HOLD_MS);
            }
        }
        pin.0.borrow_mut().1.clear();
        lock.tick(ms(clock as u64 + HOLD_MS)).unwrap();
        prop_assert!(!pin.0.borrow().0);
    }
}
