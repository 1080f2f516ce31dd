//! Ends a door whose loop hangs, and tells systemd how the door is (`Type=notify`).

use crate::door::SafeState;
use serde::Deserialize;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

const STALLED_AFTER_MS: std::ops::RangeInclusive<u64> = 1000..=600_000;
/// Looks at the door at least so often.
const LONGEST_PERIOD: Duration = Duration::from_millis(250);
/// Without a good frame for so long, systemd's status says so.
const QUIET: Duration = Duration::from_secs(5);

/// When the program is taken to hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SettingsToml")]
pub struct Settings {
    /// The loop has not gone round for so long.
    pub stalled_after: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsToml {
    #[serde(default = "default_stalled_after_ms")]
    stalled_after_ms: u64,
}

fn default_stalled_after_ms() -> u64 {
    10_000
}

impl Default for Settings {
    fn default() -> Self {
        let stalled_after = Duration::from_millis(default_stalled_after_ms());
        Self { stalled_after }
    }
}

impl TryFrom<SettingsToml> for Settings {
    type Error = String;

    fn try_from(toml: SettingsToml) -> Result<Self, String> {
        let ms = toml.stalled_after_ms;
        if !STALLED_AFTER_MS.contains(&ms) {
            let (least, most) = (STALLED_AFTER_MS.start(), STALLED_AFTER_MS.end());
            return Err(format!(
                "[watchdog]: stalled_after_ms is {ms}, expected {least} to {most}"
            ));
        }
        Ok(Self {
            stalled_after: Duration::from_millis(ms),
        })
    }
}

/// What a door tells its watchdog, from whatever thread. The watchdog ends with the last of them;
/// by default there is none, and nothing is told to systemd.
#[derive(Clone, Default)]
pub struct Watchdog(Option<Arc<Signs>>);

/// Signs of life.
#[derive(Default)]
struct Signs {
    armed: AtomicBool,
    rounds: AtomicU64,
    frames: AtomicU64,
}

impl Watchdog {
    /// Starts the thread. Once the door is armed and does not go round any more, the lock ends
    /// first; then `on_stall` gets the reason, and is to end the process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        settings: Settings,
        safe_state: SafeState,
        on_stall: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let signs = Arc::new(Signs::default());
        let watched = Arc::downgrade(&signs);
        let period = period(settings.stalled_after, systemd::watchdog());
        let thread = thread::Builder::new().name("watchdog".into());
        thread.spawn(move || {
            if watch(&watched, settings.stalled_after, period) {
                safe_state.enter();
                let reason = format!(
                    "the door has not gone round for {} ms: what its events go to, the store or the network hangs; it ends, to be started again",
                    settings.stalled_after.as_millis()
                );
                systemd::stopping(&reason);
                on_stall(&reason);
            }
        })?;
        Ok(Self(Some(signs)))
    }

    /// The door is armed; from now on it is watched.
    pub fn ready(&self) {
        if let Some(signs) = &self.0 {
            signs.armed.store(true, Ordering::Relaxed);
            systemd::ready();
        }
    }

    /// The loop goes round, whether or not there is anything to look at.
    pub fn tick(&self) {
        if let Some(signs) = &self.0 {
            signs.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A good frame was looked at.
    pub fn frame(&self) {
        if let Some(signs) = &self.0 {
            signs.frames.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The door ends; its last words must not take too long either.
    pub fn stopping(&self, reason: &str) {
        self.tick();
        if self.0.is_some() {
            systemd::stopping(reason);
        }
    }
}

/// Four times within what systemd waits, eight times within a stall.
fn period(stalled_after: Duration, systemd: Option<Duration>) -> Duration {
    let fed = systemd.map_or(LONGEST_PERIOD, |within| within / 4);
    let period = LONGEST_PERIOD.min(stalled_after / 8).min(fed);
    period.max(Duration::from_millis(1))
}

/// Until nobody is to be watched any more, or one is who hangs; returns whether that is so.
fn watch(watched: &Weak<Signs>, stalled_after: Duration, period: Duration) -> bool {
    let mut rounds = Still::default();
    let mut frames = Still::default();
    let mut quiet = false;
    let mut slept = Instant::now();
    loop {
        thread::sleep(period);
        // Where the whole process was stopped, nothing has hung for all that time.
        let passed = slept.elapsed().min(2 * period);
        slept = Instant::now();
        let Some(signs) = watched.upgrade() else {
            return false;
        };
        if !signs.armed.load(Ordering::Relaxed) {
            continue;
        }
        if rounds.step(signs.rounds.load(Ordering::Relaxed), passed) >= stalled_after {
            return true;
        }
        let without_frame = frames.step(signs.frames.load(Ordering::Relaxed), passed);
        if without_frame.is_zero() {
            systemd::feed();
        }
        if quiet != (without_frame >= QUIET) {
            quiet = !quiet;
            systemd::status(match quiet {
                true => "no good frame from the camera",
                false => "looking",
            });
        }
    }
}

/// For how long a count has stood still.
#[derive(Default)]
struct Still {
    count: u64,
    lasted: Duration,
}

impl Still {
    fn step(&mut self, count: u64, passed: Duration) -> Duration {
        self.lasted = match count == self.count {
            true => self.lasted.saturating_add(passed),
            false => Duration::ZERO,
        };
        self.count = count;
        self.lasted
    }
}

/// Where there is no systemd, nothing happens; where it does not listen, it draws its conclusions.
#[cfg(target_os = "linux")]
mod systemd {
    use sd_notify::NotifyState::{Ready, Status, Stopping, Watchdog};
    use std::time::Duration;

    /// Within what time it wants to be fed.
    pub(super) fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled().filter(|within| !within.is_zero())
    }

    pub(super) fn ready() {
        let _ = sd_notify::notify(&[Ready, Status("looking")]);
    }

    pub(super) fn feed() {
        let _ = sd_notify::notify(&[Watchdog]);
    }

    pub(super) fn status(status: &str) {
        let _ = sd_notify::notify(&[Status(status)]);
    }

    pub(super) fn stopping(reason: &str) {
        // A status is one line.
        let reason = reason.replace('\n', " ");
        let _ = sd_notify::notify(&[Stopping, Status(&reason)]);
    }
}

#[cfg(not(target_os = "linux"))]
mod systemd {
    use std::time::Duration;

    pub(super) fn watchdog() -> Option<Duration> {
        None
    }

    pub(super) fn ready() {}

    pub(super) fn feed() {}

    pub(super) fn status(_: &str) {}

    pub(super) fn stopping(_: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::simulated::SimulatedPin;
    use crate::door::{Contacts, Keeper, Lock};
    use embedded_hal::digital::PinState;
    use std::sync::mpsc;

    #[test]
    fn a_count_that_stands_still_is_timed() {
        let mut still = Still::default();
        let ms = Duration::from_millis;
        for (count, lasted) in [(0, 10), (0, 20), (1, 0), (1, 10), (7, 0)] {
            assert_eq!(still.step(count, ms(10)), ms(lasted));
        }
        assert_eq!(period(ms(10_000), None), LONGEST_PERIOD);
        assert_eq!(period(ms(1000), None), ms(125));
        assert_eq!(period(ms(1000), Some(ms(200))), ms(50));
    }

    #[test]
    fn a_loop_that_hangs_ends_the_lock_and_then_the_door() {
        let door =
            toml::from_str("driver = \"simulated\"\nactive_level = \"high\"\nhold_ms = 60000");
        let door = door.unwrap();
        let (pin, recording) = SimulatedPin::new();
        let lock = Lock::new(pin, &door).unwrap();
        let keeper = Keeper::start(lock, Contacts::default(), &door).unwrap();
        let (told, stall) = mpsc::channel();
        let levels = recording.clone();
        let settings = Settings {
            stalled_after: Duration::from_secs(1),
        };
        let watchdog = Watchdog::start(settings, keeper.safe_state(), move |reason| {
            told.send((levels.levels(), reason.to_owned())).unwrap();
        });
        let watchdog = watchdog.unwrap();
        keeper.release("ada".into(), None).unwrap();
        // Not armed, then going round: longer than it may hang.
        thread::sleep(Duration::from_millis(1300));
        watchdog.ready();
        for _ in 0..150 {
            watchdog.tick();
            thread::sleep(Duration::from_millis(10));
        }
        assert!(stall.try_recv().is_err());
        let (levels, reason) = stall.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(levels.last().unwrap().1, PinState::Low);
        assert_eq!(levels.len(), 3);
        assert!(reason.contains("not gone round for 1000 ms"), "{reason}");
        // Nobody is released for any more.
        keeper.release("ada".into(), None).unwrap();
        assert_eq!(recording.levels().len(), 3);
    }
}
