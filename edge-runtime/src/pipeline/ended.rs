//! Why a door stopped.

use crate::door::{Fault, LockError};
use crate::gallery::GalleryError;
use std::io;

/// Why the door stopped otherwise than at the end of the frames or on request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The door ended for another reason, and then its relay kept the current.
    #[error("{lock}; before that: {reason}")]
    NotLocked {
        /// What the lock said.
        lock: LockError,
        /// Why the door ended.
        reason: String,
    },
    /// No thread to watch over the lock, or to look.
    #[error("the system gives no threads: {0}; end other programs")]
    Thread(io::Error),
    /// Who may come in is not known any more.
    #[error(transparent)]
    People(#[from] GalleryError),
    /// Nobody would learn what the door does.
    #[error("events cannot be written ({0}); the door does not run unobserved")]
    Events(#[from] io::Error),
    /// No chance to pick a side with.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A thread does not come back from a frame.
    #[error("{0} has not come to an end of one frame for 30 s; the door ends, to be started again")]
    Hangs(&'static str),
    /// A fault of this program.
    #[error("the program failed: {0}; start it again and report this")]
    Panic(String),
}

impl From<Fault> for RunError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lock(error) => Self::Lock(error),
            Fault::Panic(said) => Self::Panic(said),
        }
    }
}

pub(super) fn why(ended: &Result<&'static str, RunError>) -> String {
    match ended {
        Ok(reason) => (*reason).into(),
        Err(error) => error.to_string(),
    }
}
