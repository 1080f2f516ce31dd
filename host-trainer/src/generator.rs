//! libtorch's random generator, of which a process has one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The right to draw from it. Whoever draws without it gets, and spoils, somebody's numbers.
pub struct Generator(#[allow(dead_code)] MutexGuard<'static, ()>); // held, never looked at

impl Generator {
    /// Waits until nobody else draws, and begins anew.
    pub fn seeded(seed: u64) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(seed as i64);
        Self(turn)
    }
}
