//! Whether a thread has been at one frame for too long.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A camera that is gone answers within ten seconds, detection within one.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// Since when a thread has been at one frame.
#[derive(Default)]
pub(super) struct Busy(Mutex<Option<Instant>>);

impl Busy {
    /// Does the work on one frame.
    pub(super) fn at<T>(&self, work: impl FnOnce() -> T) -> T {
        self.set(Some(Instant::now()));
        let done = work();
        self.set(None);
        done
    }

    /// Whether the thread has been at one frame for so long that it will not come back.
    pub(super) fn hangs(&self) -> bool {
        self.has_been_for(HANGS_AFTER)
    }

    /// What was before does not count.
    pub(super) fn restart(&self) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = since.map(|_| Instant::now());
    }

    fn has_been_for(&self, time: Duration) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= time)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hangs_only_while_it_is_at_a_frame() {
        let busy = Busy::default();
        assert!(!busy.has_been_for(Duration::ZERO));
        busy.at(|| {
            assert!(busy.has_been_for(Duration::ZERO));
            assert!(!busy.hangs());
            std::thread::sleep(Duration::from_millis(2));
            busy.restart();
            assert!(
                !busy.has_been_for(Duration::from_millis(2)) && busy.has_been_for(Duration::ZERO)
            );
        });
        busy.restart();
        assert!(!busy.has_been_for(Duration::ZERO));
    }
}
