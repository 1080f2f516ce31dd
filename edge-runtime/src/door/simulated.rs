//! A pin that moves nothing and remembers everything.

use embedded_hal::digital::{ErrorType, OutputPin, PinState};
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
