//! What the contacts around a door tell, through the program.

use crate::command_line::call;
use crate::door::scene_with_frames;
use crate::running::{Running, simulate};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

#[test]
fn alarms_are_told_in_order_and_logged() {
    let scene = scene_with_frames(&[], &["eve"; 4]);
    scene.configure("frames_per_second = 0", "frames_per_second = 0.02");
    simulate(
        &scene,
        "hold_ms = 500\ntamper.active_level = \"high\"\n\
         sensor = { active_level = \"high\", held_open_ms = 1000 }",
    );
    let mut door = Running::start(&scene, Stdio::piped(), &[]);
    let events = door.events();
    let expect = |name: &str| {
        let event = events.next();
        assert_eq!(event["event"], name, "{event}");
        event
    };
    expect("started");
    // The contacts must be seen at rest before.
    thread::sleep(Duration::from_secs(1));
    door.set("sensor", "high");
    expect("forced_open");
    assert_eq!(expect("held_open")["again"], false);
    door.set("sensor", "low");
    assert_eq!(expect("door_closed")["alarm"], true);

    door.set("exit_button", "low");
    assert_eq!(expect("exit_requested")["hold_ms"], 500);
    door.set("sensor", "high");
    expect("door_opened");
    expect("relocked");
    door.set("sensor", "low");
    assert_eq!(expect("door_closed")["alarm"], false);

    door.set("tamper", "high");
    assert_eq!(expect("tamper")["on"], true);
    door.set("sensor", "?");
    let fault = expect("input_fault");
    assert_eq!(fault["input"], "sensor");
    assert!(fault["reason"].as_str().unwrap().contains("cannot be read"));
    door.set("sensor", "low");
    assert_eq!(expect("input_restored")["input"], "sensor");
    door.signal("TERM");
    expect("stopped");
    assert_eq!(door.child.wait().unwrap().code(), Some(0));

    let log = call(&scene, "audit --json --config door.toml").json();
    let entries = log.iter().filter(|entry| entry["what"].is_string());
    let entries: Vec<_> = entries
        .map(|entry| [&entry["what"], &entry["detail"]].map(|text| text.as_str().unwrap()))
        .collect();
    let whats: Vec<_> = entries.iter().map(|[what, _]| *what).collect();
    // The frames show a stranger.
    let whats: Vec<_> = whats
        .into_iter()
        .filter(|what| *what != "refused")
        .collect();
    let expected = [
        "started", "alarm", "alarm", "opened", "alarm", "failed", "stopped",
    ];
    assert_eq!(whats, expected);
    for detail in [
        "door forced open",
        "from inside, for 500 ms",
        "tampered with",
    ] {
        assert!(entries.iter().any(|[_, told]| *told == detail), "{detail}");
    }
}
