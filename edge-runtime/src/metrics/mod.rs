//! Counts of what happens at the door, for Prometheus. Counting is all that the door's loop does;
//! who reads them costs it nothing.

pub mod server;
mod settings;
mod text;

pub use settings::MetricsSettings;

use crate::event::{Event, Outcome};
use crate::events::{Kind, Notice};
use crate::millis::millis;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Outcomes of frames, and the word for each.
const OUTCOMES: [(Outcome, &str); 6] = [
    (Outcome::Match, "match"),
    (Outcome::NoMatch, "no_match"),
    (Outcome::NoFace, "no_face"),
    (Outcome::PoorFace, "poor_face"),
    (Outcome::BadFrame, "bad_frame"),
    (Outcome::NoClaim, "no_claim"),
];
/// Why people are refused: somebody unknown, or the reason of a notice.
const REASONS: [&str; 5] = [
    "unknown",
    "outside_schedule",
    "not_yet_valid",
    "expired",
    "turn_failed",
];

/// What the door is not for.
const ALARMS: [Kind; 3] = [Kind::Forced, Kind::Held, Kind::Tamper];

/// Upper ends of the histogram of latencies, in milliseconds and as labels in seconds.
const LATENCIES: [(u64, &str); 9] = [
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (150, "0.15"),
    (200, "0.2"),
    (300, "0.3"),
    (500, "0.5"),
    (1000, "1"),
    (u64::MAX, "+Inf"),
];

/// The counts of one run of the door.
pub struct Metrics {
    started: Instant,
    started_unix_s: u64,
    frames: [AtomicU64; OUTCOMES.len()],
    /// Frames by latency, each counted once.
    latencies: [AtomicU64; LATENCIES.len()],
    latency_ms_sum: AtomicU64,
    /// The last that could be used, in milliseconds since the start, plus 1; 0 is never.
    last_frame: AtomicU64,
    releases: AtomicU64,
    refusals: [AtomicU64; REASONS.len()],
    lockouts: AtomicU64,
    exits: AtomicU64,
    alarms: [AtomicU64; ALARMS.len()],
    faults: AtomicU64,
    people: AtomicU64,
    released: AtomicBool,
    open: AtomicBool,
    connected: AtomicBool,
    queue_len: AtomicU64,
    delivered: AtomicU64,
    /// Messages that the store dropped, in all runs, ...
    dropped: AtomicU64,
    /// ... and that did not get there, in this one.
    overflowed: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_unix_s: since_1970.unwrap_or_default().as_secs(),
            frames: Default::default(),
            latencies: Default::default(),
            latency_ms_sum: AtomicU64::new(0),
            last_frame: AtomicU64::new(0),
            releases: AtomicU64::new(0),
            refusals: Default::default(),
            lockouts: AtomicU64::new(0),
            exits: AtomicU64::new(0),
            alarms: Default::default(),
            faults: AtomicU64::new(0),
            people: AtomicU64::new(0),
            released: AtomicBool::new(false),
            open: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            queue_len: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
        }
    }

    /// Counts an event.
    pub fn event(&self, event: &Event) {
        if let Event::Frame(frame) = event {
            let outcome = OUTCOMES.iter().position(|(o, _)| *o == frame.outcome);
            if let Some(outcome) = outcome {
                self.frames[outcome].fetch_add(1, Relaxed);
            }
            if frame.outcome != Outcome::BadFrame {
                self.last_frame.store(self.uptime_ms() + 1, Relaxed);
            }
            let ms = frame.latency_ms;
            let bucket = LATENCIES.iter().position(|(end, _)| ms <= *end);
            self.latencies[bucket.unwrap_or(LATENCIES.len() - 1)].fetch_add(1, Relaxed);
            self.latency_ms_sum.fetch_add(ms, Relaxed);
        }
    }

    /// Counts what others are told of.
    pub fn notice(&self, notice: &Notice) {
        if let Some(people) = notice.people {
            self.people.store(people as u64, Relaxed);
        }
        if let Some(alarm) = ALARMS.iter().position(|kind| *kind == notice.kind) {
            self.alarms[alarm].fetch_add(1, Relaxed);
        }
        match notice.kind {
            Kind::Opened => drop(self.releases.fetch_add(1, Relaxed)),
            Kind::Exit => drop(self.exits.fetch_add(1, Relaxed)),
            Kind::Unknown => self.refused("unknown"),
            Kind::Refused => self.refused(notice.reason.as_deref().unwrap_or_default()),
            Kind::Lockout => drop(self.lockouts.fetch_add(1, Relaxed)),
            Kind::Fault => drop(self.faults.fetch_add(1, Relaxed)),
            _ => {}
        }
        if let Some(released) = notice.kind.released() {
            self.released.store(released, Relaxed);
        }
        if let Some(open) = notice.kind.open() {
            self.open.store(open, Relaxed);
        }
    }

    fn refused(&self, reason: &str) {
        if let Some(reason) = REASONS.iter().position(|r| *r == reason) {
            self.refusals[reason].fetch_add(1, Relaxed);
        }
    }

    /// Messages that wait in the store, and that it has dropped.
    pub(crate) fn set_queue(&self, len: u64, dropped: u64) {
        self.queue_len.store(len, Relaxed);
        self.dropped.store(dropped, Relaxed);
    }

    /// Number of the newest message that has arrived with all before it.
    pub(crate) fn set_delivered(&self, number: u64) {
        self.delivered.store(number, Relaxed);
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Relaxed);
    }

    /// One message was lost on the way to the store.
    pub(crate) fn count_overflow(&self) {
        self.overflowed.fetch_add(1, Relaxed);
    }

    /// Messages that were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed) + self.overflowed.load(Relaxed)
    }

    fn uptime_ms(&self) -> u64 {
        millis(self.started.elapsed())
    }
}
