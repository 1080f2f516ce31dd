//! Counts as Prometheus reads them (text format 0.0.4).

use super::{Metrics, OUTCOMES, REASONS};
use std::fmt::Write;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;

impl Metrics {
    /// Every count, one a line.
    pub fn text(&self) -> String {
        let mut text = Text(String::new());
        self.door(&mut text);
        self.messages(&mut text);
        self.process(&mut text);
        text.0
    }

    fn door(&self, text: &mut Text) {
        let frames = OUTCOMES.iter().zip(&self.frames);
        let frames = frames.map(|((_, word), count)| (*word, count.load(Relaxed)));
        text.counters(
            "frames",
            "Frames looked at, by what they show.",
            "outcome",
            frames,
        );
        let last = self.last_frame.load(Relaxed);
        let age = match last {
            0 => f64::NAN,
            at => self.uptime_ms().saturating_sub(at - 1) as f64 / 1000.0,
        };
        text.gauge(
            "last_frame_age_seconds",
            "Time since the last frame; NaN before the first.",
            age,
        );
        let count = |count: &std::sync::atomic::AtomicU64| count.load(Relaxed);
        text.counter(
            "releases_total",
            "Times the lock was released.",
            count(&self.releases),
        );
        let refusals = REASONS.iter().zip(&self.refusals);
        let refusals = refusals.map(|(word, n)| (*word, count(n)));
        text.counters(
            "refusals",
            "People not let in, by reason.",
            "reason",
            refusals,
        );
        text.counter(
            "lockouts_total",
            "Times the door was locked for everybody.",
            count(&self.lockouts),
        );
        text.counter("faults_total", "Faults told.", count(&self.faults));
        let people = count(&self.people) as f64;
        text.gauge("people_enrolled", "People who can be identified.", people);
        let released = f64::from(u8::from(self.released.load(Relaxed)));
        text.gauge("lock_released", "1 while the lock is released.", released);
    }

    fn messages(&self, text: &mut Text) {
        let connected = f64::from(u8::from(self.connected.load(Relaxed)));
        text.gauge(
            "broker_connected",
            "1 while the MQTT broker is connected.",
            connected,
        );
        let waiting = self.queue_len.load(Relaxed) as f64;
        text.gauge(
            "queue_messages",
            "Messages that wait for the broker.",
            waiting,
        );
        let newest = self.delivered.load(Relaxed);
        let help = "Number of the newest message that the broker has, counted over all runs.";
        text.counter("messages_delivered_total", help, newest);
        text.counter(
            "messages_dropped_total",
            "Messages lost because too many waited.",
            self.dropped(),
        );
    }

    fn process(&self, text: &mut Text) {
        let uptime = self.uptime_ms() as f64 / 1000.0;
        text.gauge("uptime_seconds", "Time since the door started.", uptime);
        let version = env!("CARGO_PKG_VERSION");
        let build = format!("facelatch_build_info{{version=\"{version}\"}} 1");
        text.family(
            "facelatch_build_info",
            "gauge",
            "The door's program.",
            &build,
        );
        let start = format!("process_start_time_seconds {}", self.started_unix_s);
        let help = "Start of the door, in seconds since 1970 UTC.";
        text.family("process_start_time_seconds", "gauge", help, &start);
        if let Some(bytes) = resident_bytes() {
            let resident = format!("process_resident_memory_bytes {bytes}");
            let help = "Memory that the process occupies.";
            text.family("process_resident_memory_bytes", "gauge", help, &resident);
        }
    }
}

/// As Linux tells it.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &str) {
        let written = writeln!(
            self.0,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"
        );
        written.expect("a string takes everything");
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        let name = format!("facelatch_{name}");
        self.family(&name, "gauge", help, &format!("{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let name = format!("facelatch_{name}");
        self.family(&name, "counter", help, &format!("{name} {value}"));
    }

    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'a str, u64)>,
    ) {
        let name = format!("facelatch_{name}_total");
        let sample = |(word, value)| format!("{name}{{{label}=\"{word}\"}} {value}");
        let samples: Vec<_> = values.map(sample).collect();
        self.family(&name, "counter", help, &samples.join("\n"));
    }
}
