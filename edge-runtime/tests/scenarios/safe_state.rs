//! On every way out the relay loses its current first, and a loop that hangs does not delay it.

use crate::command_line::call;
use crate::door::scene_with_frames;
use crate::running::{Running, simulate};
use crate::scene::Scene;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// Enough frames to fill a pipe that nobody reads.
fn scene(settings: &str) -> Scene {
    let scene = scene_with_frames(&["ada"], &["ada"; 30]);
    simulate(&scene, settings);
    scene
}

#[test]
fn a_signal_takes_the_current_off_though_the_loop_hangs() {
    for (signal, strike, levels, last) in [
        ("TERM", "fail-secure", ["low", "high", "low"], "relocked"),
        ("INT", "fail-secure", ["low", "high", "low"], "relocked"),
        ("TERM", "fail-safe", ["high", "low", "low"], "left_unlocked"),
    ] {
        let scene = scene(&format!("hold_ms = 60000\nstrike = \"{strike}\""));
        let (mut door, mut stdout) = Running::start_unread(&scene);
        door.wait_for(&levels[..2]);
        // Time enough for the pipe to fill.
        thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        door.signal(signal);
        door.wait_for(&levels);
        assert!(asked.elapsed() < Duration::from_secs(5), "{signal}");
        assert!(door.child.try_wait().unwrap().is_none(), "it did not hang");

        // Somebody reads again, and the door ends as it should.
        let mut said = String::new();
        stdout.read_to_string(&mut said).unwrap();
        let lines: Vec<_> = said.trim().lines().rev().take(2).collect();
        assert!(lines[0].contains("a signal asked for it"), "{}", lines[0]);
        assert!(lines[1].contains(&format!("\"{last}\"")), "{}", lines[1]);
        assert_eq!(door.child.wait().unwrap().code(), Some(0));
        assert!(door.levels().iter().skip(3).all(|level| level == "low"));
    }
}

#[test]
fn a_fail_safe_door_that_cannot_start_is_left_unlocked() {
    let scene = scene("hold_ms = 1000\nstrike = \"fail-safe\"");
    std::fs::write(scene.path("model.bundle"), "x").unwrap();
    let mut door = Running::start(&scene, Stdio::null(), &[]);
    assert_eq!(door.child.wait().unwrap().code(), Some(2));
    assert_eq!(door.levels(), ["high", "low"]);
    let log = call(&scene, "audit --json --config door.toml").json();
    let whats: Vec<_> = log
        .iter()
        .filter_map(|entry| entry["what"].as_str())
        .collect();
    assert_eq!(whats, ["enrolled", "alarm", "stopped"]);
}

#[test]
fn a_door_that_hangs_is_ended_with_its_current_off_first() {
    let scene = scene("hold_ms = 60000\n[watchdog]\nstalled_after_ms = 2000");
    let (mut door, _unread) = Running::start_unread(&scene);
    let mut stderr = BufReader::new(door.child.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    // By the time of the first word.
    let levels = ["low", "high", "low"];
    assert_eq!(door.levels(), levels);
    assert!(said.contains("not gone round for 2000 ms"), "{said}");
    let times = door.wait_for(&levels);
    assert!(times[2] - times[1] >= 2000, "{times:?}");
    assert_eq!(door.child.wait().unwrap().code(), Some(3));

    let log = call(&scene, "audit --json --config door.toml").json();
    let whats: Vec<_> = log.iter().filter_map(|e| e["what"].as_str()).collect();
    assert_eq!(whats, ["enrolled", "started", "opened", "failed"]);
    let failed = &log[3];
    let detail = failed["detail"].as_str().unwrap();
    assert!(detail.contains("not gone round"), "{detail}");
}

#[test]
fn the_exit_button_works_though_the_loop_hangs() {
    let scene = scene_with_frames(&[], &["eve"; 30]);
    simulate(&scene, "hold_ms = 300");
    let (mut door, _unread) = Running::start_unread(&scene);
    door.wait_for(&["low"]);
    thread::sleep(Duration::from_secs(1));
    assert!(door.child.try_wait().unwrap().is_none(), "it did not hang");
    door.set("exit_button", "low");
    let times = door.wait_for(&["low", "high", "low"]);
    let held = times[2] - times[1];
    assert!((300..1300).contains(&held), "{held}");
}

#[test]
fn a_door_that_was_killed_is_switched_off_after_it() {
    let scene = scene_with_frames(&[], &["eve"; 60]);
    simulate(&scene, "hold_ms = 60000");
    scene.configure("frames_per_second = 0", "frames_per_second = 5");
    let door = Running::start(&scene, Stdio::null(), &[]);
    door.wait_for(&["low"]);
    thread::sleep(Duration::from_secs(1));
    door.set("exit_button", "low");
    door.wait_for(&["low", "high"]);
    door.signal("KILL");
    let said = call(&scene, "lock --config door.toml");
    assert_eq!(said.status, 0, "{}", said.errors);
    assert_eq!(door.levels().last().unwrap(), "low");
}
