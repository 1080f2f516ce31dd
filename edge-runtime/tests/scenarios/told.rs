//! The program as a whole tells a broker, and does the same without one.

use crate::broker::{Broker, Listener, free_port, wait_for};
use crate::command_line::{PROGRAM, call};
use crate::events::one_to;
use crate::scene::Scene;
use serde_json::Value;
use std::process::{Child, Command, Stdio};

/// The program, which has looked at one frame and waits for the next, with further settings.
pub(crate) fn door_that_runs(more: &str) -> (Scene, Child) {
    let mut scene = Scene::new();
    scene.enroll("ada");
    scene.shoot("frames", "eve");
    scene.shoot("frames", "eve");
    scene.configure("frames_per_second = 0", "frames_per_second = 0.02");
    scene.add(more);
    let mut program = Command::new(PROGRAM);
    program.args(["run", "--config", "door.toml"]);
    program.current_dir(scene.path(".")).stdout(Stdio::null());
    let door = program.spawn().unwrap();
    (scene, door)
}

/// The program's events without times, and without what it says of the broker.
fn run_of(scene: &Scene) -> Vec<Value> {
    let said = call(scene, "run --json --config door.toml");
    assert_eq!(said.status, 0, "{}", said.errors);
    let mut events = said.json();
    for event in &mut events {
        for field in ["at_ms", "latency_ms", "unix_s"] {
            event.as_object_mut().unwrap().remove(field);
        }
    }
    events.retain(|event| !event["event"].as_str().unwrap().starts_with("broker"));
    events
}

#[test]
fn the_door_does_the_same_with_and_without_a_broker() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    for person in ["eve", "eve", "eve", "ada", "ada", "eve"] {
        scene.shoot("frames", person);
    }
    let alone = run_of(&scene);
    let port = free_port();
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\ndoor = \"front\"\n");
    scene.add(&mqtt);
    assert_eq!(run_of(&scene), alone);
    let waiting = scene.store().waiting(0, usize::MAX).unwrap();
    let told: Vec<Value> = waiting
        .iter()
        .map(|message| serde_json::from_slice(&message.bytes).unwrap())
        .collect();
    let kinds: Vec<_> = told
        .iter()
        .map(|t| t["event_type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["started", "unknown", "opened", "locked", "stopped"]);
    let Some(mut broker) = Broker::installed() else {
        return;
    };
    scene.configure(
        &format!("port = {port}"),
        &format!("port = {}", broker.port),
    );
    broker.start();
    let listener = Listener::at(broker.port);
    assert_eq!(run_of(&scene), alone);
    wait_for("both runs", || listener.numbers() == one_to(10));
    assert_eq!(scene.store().waiting(0, 99).unwrap().len(), 0);
}

#[test]
fn a_door_that_is_killed_is_shown_offline() {
    let Some((broker, listener)) = Broker::running() else {
        return;
    };
    let port = broker.port;
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\ndoor = \"front\"\n");
    let (_scene, mut door) = door_that_runs(&mqtt);
    let shown = || listener.last("facelatch/front/availability");
    wait_for("it runs", || shown().as_deref() == Some("online"));
    door.kill().unwrap();
    door.wait().unwrap();
    wait_for("its last will", || shown().as_deref() == Some("offline"));
}
