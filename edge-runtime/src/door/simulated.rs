//! Pins that move nothing: an output that remembers everything, inputs that are set by hand.

pub(super) mod folder;

use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin, PinState};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Levels = Arc<Mutex<Vec<(Duration, PinState)>>>;

/// A simulated output pin.
pub struct SimulatedPin {
    started: Instant,
    levels: Levels,
}

/// What a simulated pin was set to; outlives it.
#[derive(Clone)]
pub struct Recording(Levels);

impl SimulatedPin {
    /// A pin that was not set yet, and its recording.
    pub fn new() -> (Self, Recording) {
        let levels = Levels::default();
        let recording = Recording(levels.clone());
        let started = Instant::now();
        (Self { started, levels }, recording)
    }

    fn record(&mut self, level: PinState) {
        let at = self.started.elapsed();
        let levels = self.levels.lock();
        // A list of levels is whole even where a thread died.
        levels
            .unwrap_or_else(PoisonError::into_inner)
            .push((at, level));
    }
}

impl Recording {
    /// Every level with the time since the pin was made, in order.
    pub fn levels(&self) -> Vec<(Duration, PinState)> {
        let levels = self.0.lock();
        levels.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ErrorType for SimulatedPin {
    type Error = Infallible;
}

impl OutputPin for SimulatedPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.record(PinState::Low);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.record(PinState::High);
        Ok(())
    }
}

/// What a simulated input says, if it can be read.
type Level = Arc<Mutex<Result<PinState, Unreadable>>>;

/// A simulated input pin.
pub struct SimulatedInput(Level);

/// Sets a simulated input; outlives it.
#[derive(Clone)]
pub struct Switch(Level);

/// A simulated input that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(String);

impl Error for Unreadable {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl SimulatedInput {
    /// A pin at a level, and what sets it.
    pub fn new(level: PinState) -> (Self, Switch) {
        let level = Arc::new(Mutex::new(Ok(level)));
        (Self(level.clone()), Switch(level))
    }
}

impl Switch {
    /// Sets the pin to a level.
    pub fn set(&self, level: PinState) {
        self.put(Ok(level));
    }

    /// From now on the pin cannot be read.
    pub fn fail(&self, reason: &str) {
        self.put(Err(Unreadable(reason.into())));
    }

    fn put(&self, level: Result<PinState, Unreadable>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }
}

impl ErrorType for SimulatedInput {
    type Error = Unreadable;
}

impl InputPin for SimulatedInput {
    fn is_high(&mut self) -> Result<bool, Unreadable> {
        let level = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        level.clone().map(|level| level == PinState::High)
    }

    fn is_low(&mut self) -> Result<bool, Unreadable> {
        self.is_high().map(|high| !high)
    }
}
