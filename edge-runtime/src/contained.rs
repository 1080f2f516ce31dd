//! Panics that are answers: of a decoder, a driver or a database that was given something
//! impossible.
//!
//! Any other panic is a fault of the program, and ends the lock before it is told.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic for what it is given. Nothing that `job` left half done may be used after.
///
/// # Errors
/// What the panic said.
pub(crate) fn contained<T>(job: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CONTAINED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(job));
    CONTAINED.set(outer);
    done.map_err(|panic| crate::said(&*panic))
}

/// Whether a panic of this thread is an answer; another one before it is caught is not, for then
/// the process aborts.
pub(crate) fn excuse() -> bool {
    CONTAINED.replace(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained_within_the_job_and_not_behind_it() {
        let within = contained(|| {
            let inner: Result<(), _> = contained(|| panic!("as a decoder might"));
            (inner, excuse(), excuse())
        });
        let inner = Err("as a decoder might".to_owned());
        assert_eq!(within, Ok((inner, true, false)));
        assert!(!excuse());
    }
}
