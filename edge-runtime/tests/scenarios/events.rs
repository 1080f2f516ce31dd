//! A real broker is told of the door, whatever becomes of it, and the door does not wait for it.

use crate::broker::{Broker, Listener, free_port, wait_for};
use edge_runtime::event::Event;
use edge_runtime::events::{Fitted, MqttSettings, Reporter};
use edge_runtime::store::{Settings, Store};
use serde_json::Value;
use std::fs::File;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A door's store, and what it tells to a broker.
pub(crate) struct Door {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    /// Further lines of [mqtt].
    pub(crate) more: String,
}

impl Door {
    pub(crate) fn new(port: u16, more: &str) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            port,
            more: more.into(),
        }
    }

    pub(crate) fn settings(&self) -> MqttSettings {
        let Self { port, more, .. } = self;
        let toml = format!("host = \"127.0.0.1\"\nport = {port}\ndoor = \"front\"\n{more}");
        toml::from_str(&toml).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&Settings::of(self.dir.path().join("people"))).unwrap()
    }

    pub(crate) fn start(&self) -> Reporter {
        Reporter::start(
            Some(&self.settings()),
            None,
            Fitted::default(),
            &self.store(),
        )
        .unwrap()
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> usize {
        self.store().waiting(0, usize::MAX).unwrap().len()
    }
}

fn opened() -> Event {
    Event::Released {
        at_ms: 0,
        subject: "ada".into(),
        with: None,
        hold_ms: 3000,
    }
}

/// The lock opens and locks, so many times.
pub(crate) fn tell(reporter: &mut Reporter, times: usize) {
    for _ in 0..times {
        reporter.tell(&opened());
        reporter.tell(&Event::Relocked { at_ms: 0 });
    }
}

/// The reasons why the broker is not told, as far as the door was told of them.
pub(crate) fn lost(reporter: &mut Reporter) -> Vec<String> {
    let faults = reporter.faults().into_iter();
    let reasons = faults.filter_map(|event| match event {
        Event::BrokerLost { reason } => Some(reason),
        _ => None,
    });
    reasons.collect()
}

pub(crate) fn one_to(last: u64) -> Vec<u64> {
    (1..=last).collect()
}

#[test]
fn events_arrive_in_order_and_leave_the_queue() {
    let Some((broker, listener)) = Broker::running() else {
        return;
    };
    let door = Door::new(broker.port, "");
    let mut reporter = door.start();
    tell(&mut reporter, 200);
    wait_for("all events", || listener.events().len() == 400);
    let events = listener.events();
    for (i, event) in events.iter().enumerate() {
        let kind = ["opened", "locked"][i % 2];
        assert_eq!(event["seq"], i as u64 + 1);
        assert_eq!(event["event_type"], kind);
        assert!(event["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
        assert!(event.get("person").is_none());
    }
    let heard = listener.heard();
    let topic = |kind: &str| format!("facelatch/front/event/{kind}");
    assert!(
        heard
            .iter()
            .any(|h| h.topic == topic("opened") && !h.retained)
    );
    let state = |name: &str| listener.last(&format!("facelatch/front/{name}"));
    wait_for("the lock is shown", || {
        state("lock").as_deref() == Some("locked")
    });
    assert_eq!(state("availability").as_deref(), Some("online"));
    reporter.end();
    wait_for("the end is shown", || {
        state("availability").as_deref() == Some("offline")
    });
    assert_eq!(door.waiting(), 0);
    // The next run counts on.
    let mut reporter = door.start();
    tell(&mut reporter, 1);
    wait_for("more events", || listener.events().len() == 402);
    assert_eq!(listener.events()[401]["seq"], 402);
    reporter.end();
}

#[test]
fn nothing_is_lost_while_the_broker_is_away_or_the_door_starts_again() {
    let Some((mut broker, listener)) = Broker::running() else {
        return;
    };
    let door = Door::new(broker.port, "");
    let mut reporter = door.start();
    tell(&mut reporter, 20);
    wait_for("the first events", || listener.numbers().len() == 40);
    // So that it remembers who listens.
    std::thread::sleep(Duration::from_secs(2));
    broker.kill();
    tell(&mut reporter, 100);
    wait_for("the queue has them", || door.waiting() >= 200);
    // As in a power cut: what is in the store is all that is left.
    std::mem::forget(reporter);
    let mut reporter = door.start();
    tell(&mut reporter, 50);
    let mut told = Vec::new();
    wait_for("the loss is told", || {
        told.extend(lost(&mut reporter));
        !told.is_empty()
    });
    std::thread::sleep(Duration::from_secs(2));
    told.extend(lost(&mut reporter));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("refused"), "{told:?}");
    broker.start();
    wait_for("everything", || listener.numbers().len() == 340);
    assert_eq!(listener.numbers(), one_to(340));
    wait_for("that it goes on is told", || {
        reporter.faults().contains(&Event::BrokerFound)
    });
    reporter.end();
    assert_eq!(door.waiting(), 0);
}

#[test]
fn the_oldest_are_dropped_and_counted_when_too_many_wait() {
    let Some(mut broker) = Broker::installed() else {
        return;
    };
    let door = Door::new(broker.port, "queue = 10");
    let mut reporter = door.start();
    tell(&mut reporter, 20);
    reporter.end();
    assert_eq!(door.waiting(), 10);
    broker.start();
    let listener = Listener::at(broker.port);
    let reporter = door.start();
    wait_for("what is left", || listener.numbers().len() == 10);
    assert_eq!(listener.numbers(), (31..=40).collect::<Vec<_>>());
    let health = || listener.last("facelatch/front/health");
    wait_for("health", || health().is_some());
    let health: Value = serde_json::from_str(&health().unwrap()).unwrap();
    assert_eq!(health["dropped"], 30);
    reporter.end();
}

#[test]
fn telling_returns_at_once_whatever_the_broker_does() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for port in [free_port(), silent_port] {
        let door = Door::new(port, "");
        let mut reporter = door.start();
        // Nothing gets into the store, and there is more than there is room for before it.
        let store = File::open(door.dir.path().join("people")).unwrap();
        store.lock().unwrap();
        reporter.tell(&opened());
        // Time enough to begin to wait for the store.
        thread::sleep(Duration::from_millis(500));
        let mut longest = Duration::ZERO;
        for _ in 0..2000 {
            let before = Instant::now();
            reporter.tell(&opened());
            longest = longest.max(before.elapsed());
        }
        // Nobody waits for the disk or the network; a busy machine may take the thread away.
        assert!(longest < Duration::from_secs(2), "{longest:?}");
        store.unlock().unwrap();
        let before = Instant::now();
        reporter.end();
        assert!(
            before.elapsed() < Duration::from_secs(15),
            "{:?}",
            before.elapsed()
        );
        let waiting = door.waiting();
        assert!((1000..2000).contains(&waiting), "{waiting}");
    }
}

#[test]
fn home_assistant_finds_the_door_also_later() {
    let Some(mut broker) = Broker::installed() else {
        return;
    };
    broker.start();
    let door = Door::new(broker.port, "");
    let reporter = door.start();
    reporter.end();
    // Whoever comes later hears what is kept.
    let listener = Listener::at(broker.port);
    let found = || {
        let heard = listener.heard();
        let configs = heard.into_iter().filter(|h| h.topic.ends_with("/config"));
        configs.collect::<Vec<_>>()
    };
    wait_for("entities", || found().len() == 5);
    for heard in found() {
        assert!(heard.retained && heard.topic.starts_with("homeassistant/"));
        let entity = heard.json();
        for key in ["name", "unique_id", "state_topic", "availability_topic"] {
            assert!(entity[key].is_string(), "{key}: {entity}");
        }
        for key in ["identifiers", "name", "manufacturer", "model", "sw_version"] {
            assert!(!entity["device"][key].is_null(), "{key}: {entity}");
        }
        let listed = entity["event_types"].as_array().map(Vec::len);
        assert_eq!(listed.is_some(), heard.topic.contains("/event/"));
    }
    for kept in ["availability", "lock", "health"] {
        let topic = format!("facelatch/front/{kept}");
        assert!(
            listener
                .heard()
                .iter()
                .any(|h| h.topic == topic && h.retained)
        );
    }
}
