//! Prometheus reads what was told, and nobody who reads disturbs anybody.

use crate::broker::{free_port, wait_for};
use crate::command_line::call;
use crate::told::door_that_runs;
use edge_runtime::decide::Refusal;
use edge_runtime::event::{Event, FrameEvent, LockState, Outcome};
use edge_runtime::events::{Fitted, Reporter};
use edge_runtime::metrics::MetricsSettings;
use edge_runtime::store::{Settings, Store};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Sends some bytes and reads what comes back.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Who is hung up on with unread bytes gets a reset.
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(answer).unwrap(),
    }
}

fn scrape(address: SocketAddr) -> HashMap<String, f64> {
    let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: door\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
    let mut families = Vec::new();
    let mut values = HashMap::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            families.push(comment.split(' ').nth(1).unwrap().to_owned());
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        // Its HELP and TYPE stand before it.
        let mut family = name.split('{').next().unwrap();
        for part in ["_bucket", "_sum", "_count"] {
            family = family.strip_suffix(part).unwrap_or(family);
        }
        assert_eq!(
            families.iter().filter(|f| *f == family).count(),
            2,
            "{line}"
        );
        values.insert(name.to_owned(), value.parse().unwrap());
    }
    values
}

fn frame(at_ms: u64, outcome: Outcome, refusal: Option<Refusal>) -> Event {
    Event::Frame(FrameEvent {
        frame: "x.png".into(),
        at_ms,
        latency_ms: 40 + at_ms / 2,
        unix_s: 0,
        turn: None,
        refusal,
        subject: None,
        score: None,
        threshold: 0.5,
        agreeing: 0,
        needed: 2,
        outcome,
        reason: "because".into(),
        lock: LockState::Locked,
    })
}

fn started() -> (tempfile::TempDir, Reporter, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Settings::of(dir.path().join("people"))).unwrap();
    let settings: MetricsSettings = toml::from_str("listen = \"127.0.0.1:0\"").unwrap();
    let reporter = Reporter::start(None, Some(&settings), Fitted::default(), &store).unwrap();
    let address = reporter.metrics_at().unwrap();
    (dir, reporter, address)
}

#[test]
fn the_counts_are_those_of_the_events() {
    let (_dir, mut reporter, address) = started();
    let before = scrape(address);
    assert!(before["facelatch_last_frame_age_seconds"].is_nan());
    // A camera that gives nothing is not seen to work.
    reporter.tell(&frame(0, Outcome::BadFrame, None));
    assert!(scrape(address)["facelatch_last_frame_age_seconds"].is_nan());
    let count = |name: &str, value| (name.to_owned(), f64::from(value));
    for event in [
        Event::PeopleChanged {
            people: 7,
            threshold: 0.5,
        },
        frame(0, Outcome::NoFace, None),
        frame(100, Outcome::NoMatch, None),
        frame(200, Outcome::NoMatch, None),
        frame(300, Outcome::Match, Some(Refusal::Expired)),
        frame(400, Outcome::NoMatch, Some(Refusal::LockedOut)),
        Event::ClaimsLost {
            reason: "gone".into(),
        },
        Event::Released {
            at_ms: 500,
            subject: "ada".into(),
            with: None,
            hold_ms: 3000,
        },
    ] {
        reporter.tell(&event);
    }
    reporter.tell(&Event::ForcedOpen { at_ms: 600 });
    let values = scrape(address);
    for (name, value) in [
        count("facelatch_frames_total{outcome=\"no_face\"}", 1),
        count("facelatch_frames_total{outcome=\"no_match\"}", 3),
        count("facelatch_frames_total{outcome=\"match\"}", 1),
        count("facelatch_frames_total{outcome=\"bad_frame\"}", 1),
        count("facelatch_refusals_total{reason=\"unknown\"}", 1),
        count("facelatch_refusals_total{reason=\"expired\"}", 1),
        count("facelatch_refusals_total{reason=\"turn_failed\"}", 0),
        count("facelatch_lockouts_total", 1),
        count("facelatch_releases_total", 1),
        count("facelatch_faults_total", 1),
        count("facelatch_people_enrolled", 7),
        count("facelatch_lock_released", 1),
        count("facelatch_alarms_total{kind=\"forced\"}", 1),
        count("facelatch_alarms_total{kind=\"held\"}", 0),
        count("facelatch_door_open", 1),
        count("facelatch_queue_messages", 0),
        // 40, 40, 90, 140, 190 and 240 ms.
        count("facelatch_decision_latency_seconds_bucket{le=\"0.025\"}", 0),
        count("facelatch_decision_latency_seconds_bucket{le=\"0.05\"}", 2),
        count("facelatch_decision_latency_seconds_bucket{le=\"0.2\"}", 5),
        count("facelatch_decision_latency_seconds_bucket{le=\"+Inf\"}", 6),
        count("facelatch_decision_latency_seconds_count", 6),
        count("facelatch_broker_connected", 0),
    ] {
        assert_eq!(values[&name], value, "{name}");
    }
    assert_eq!(values["facelatch_decision_latency_seconds_sum"], 0.74);
    assert!(values["facelatch_last_frame_age_seconds"] < 60.0);
    assert!(values["process_resident_memory_bytes"] > 1e6);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        values[&format!("facelatch_build_info{{version=\"{version}\"}}")],
        1.0
    );
    reporter.tell(&Event::Relocked { at_ms: 3500 });
    assert_eq!(scrape(address)["facelatch_lock_released"], 0.0);
}

#[test]
fn other_requests_are_refused() {
    let (_dir, _reporter, address) = started();
    let long = [
        b"GET /metrics HTTP/1.1\r\nX: ",
        &[b'a'; 9000][..],
        b"\r\n\r\n",
    ]
    .concat();
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"GET /metrics?x HTTP/1.1\r\n\r\n", "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"\x16\x03\x01\x02\0\r\n\r\n", "400"),
        (b"\r\n\r\n", "400"),
        (b"GET /metrics\r\n\r\n", "400"),
    ] {
        let answer = ask(address, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let answer = ask(address, &long);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
}

#[test]
fn whoever_is_slow_holds_up_nobody() {
    let (_dir, mut reporter, address) = started();
    let slow: Vec<_> = (0..7)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /met").unwrap();
            stream
        })
        .collect();
    let before = Instant::now();
    reporter.tell(&frame(0, Outcome::NoFace, None));
    assert_eq!(
        scrape(address)["facelatch_frames_total{outcome=\"no_face\"}"],
        1.0
    );
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    // They are hung up on in time.
    for mut stream in slow {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0);
    }
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "{:?}",
        before.elapsed()
    );
    scrape(address);
}

#[test]
fn a_running_door_offers_them_on_this_machine_only() {
    let settings =
        |listen: &str| toml::from_str::<MetricsSettings>(&format!("listen = {listen:?}"));
    for elsewhere in ["0.0.0.0:9464", "192.168.1.5:9464", "[::]:9464"] {
        let error = settings(elsewhere).unwrap_err().to_string();
        assert!(error.contains("expected a loopback address"), "{error}");
    }
    assert!(settings("[::1]:9464").is_ok());

    let port = free_port();
    let metrics = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n");
    let (scene, mut door) = door_that_runs(&metrics);
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    wait_for("a frame", || {
        TcpStream::connect(address).is_ok()
            && scrape(address)["facelatch_frames_total{outcome=\"no_match\"}"] == 1.0
    });
    assert_eq!(scrape(address)["facelatch_people_enrolled"], 1.0);
    door.kill().unwrap();
    door.wait().unwrap();
    // Another program has the port: the door says so, and does not start.
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let said = call(&scene, "run --config door.toml");
    assert_eq!(said.status, 2);
    assert!(
        said.errors.contains("choose another listen"),
        "{}",
        said.errors
    );
}
