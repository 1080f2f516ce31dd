//! Counts as Prometheus reads them (text format 0.0.4).

use super::{ALARMS, LATENCIES, Metrics, OUTCOMES, REASONS};
use crate::memory;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

impl Metrics {
    /// Every count, one a line.
    pub fn text(&self) -> String {
        let mut text = Text(String::new());
        self.labeled(&mut text);
        self.latencies(&mut text);
        for (name, help, count) in [
            (
                "releases",
                "Times the lock was released for somebody recognized.",
                &self.releases,
            ),
            (
                "exits",
                "Times the lock was released from inside.",
                &self.exits,
            ),
            (
                "lockouts",
                "Times the door was locked for everybody.",
                &self.lockouts,
            ),
            ("faults", "Faults told.", &self.faults),
            (
                "messages_delivered",
                "Messages that the broker has, of all runs.",
                &self.delivered,
            ),
        ] {
            text.counter(&format!("{name}_total"), help, load(count));
        }
        let help = "Messages lost, of all runs, because too many waited.";
        text.counter("messages_dropped_total", help, self.dropped());
        for (name, help, flag) in [
            (
                "lock_released",
                "1 while the lock is released.",
                &self.released,
            ),
            (
                "door_open",
                "1 while the door is open, if a sensor tells.",
                &self.open,
            ),
            (
                "broker_connected",
                "1 while the MQTT broker is connected.",
                &self.connected,
            ),
        ] {
            text.gauge(name, help, u8::from(flag_of(flag)));
        }
        text.gauge(
            "people_enrolled",
            "People who can be identified.",
            load(&self.people),
        );
        text.gauge(
            "queue_messages",
            "Messages that wait for the broker.",
            load(&self.queue_len),
        );
        self.process(&mut text);
        text.0
    }

    fn labeled(&self, text: &mut Text) {
        let outcomes = OUTCOMES.iter().map(|(_, word)| *word).zip(&self.frames);
        let reasons = REASONS.into_iter().zip(&self.refusals);
        let alarms = ALARMS.iter().map(|kind| kind.word()).zip(&self.alarms);
        text.counters(
            "frames",
            "Frames looked at, by what they show.",
            "outcome",
            outcomes,
        );
        text.counters(
            "refusals",
            "People not let in, by reason.",
            "reason",
            reasons,
        );
        text.counters("alarms", "Alarms, by kind.", "kind", alarms);
    }

    fn latencies(&self, text: &mut Text) {
        let name = "facelatch_decision_latency_seconds";
        let mut count = 0;
        let mut samples = String::new();
        for ((_, end), frames) in LATENCIES.iter().zip(&self.latencies) {
            count += load(frames);
            samples += &format!("{name}_bucket{{le=\"{end}\"}} {count}\n");
        }
        let sum = load(&self.latency_ms_sum) as f64 / 1000.0;
        samples += &format!("{name}_sum {sum}\n{name}_count {count}");
        let help = "Time from a frame to its decision.";
        text.family(name, "histogram", help, &samples);
    }

    fn process(&self, text: &mut Text) {
        let seconds = |ms| ms as f64 / 1000.0;
        let age = match load(&self.last_frame) {
            0 => f64::NAN,
            at => seconds(self.uptime_ms().saturating_sub(at - 1)),
        };
        let help = "Time since the last frame that could be used; NaN before the first.";
        text.gauge("last_frame_age_seconds", help, age);
        text.gauge(
            "uptime_seconds",
            "Time since the start.",
            seconds(self.uptime_ms()),
        );
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
        if let Some(bytes) = memory::bytes(memory::RESIDENT) {
            let resident = format!("process_resident_memory_bytes {bytes}");
            let help = "Memory that the process occupies.";
            text.family("process_resident_memory_bytes", "gauge", help, &resident);
        }
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Relaxed)
}

fn flag_of(flag: &AtomicBool) -> bool {
    flag.load(Relaxed)
}

struct Text(String);

impl Text {
    /// A family of samples, which are whole lines.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &str) {
        let written = writeln!(
            self.0,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"
        );
        written.expect("a string takes everything");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
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
        values: impl Iterator<Item = (&'a str, &'a AtomicU64)>,
    ) {
        let name = format!("facelatch_{name}_total");
        let sample = |(word, value)| format!("{name}{{{label}=\"{word}\"}} {}", load(value));
        let samples: Vec<_> = values.map(sample).collect();
        self.family(&name, "counter", help, &samples.join("\n"));
    }
}
