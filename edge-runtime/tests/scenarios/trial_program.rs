//! `edge-runtime try` as a user meets it.

use crate::command_line::{PROGRAM, call};
use crate::scene::Scene;
use crate::trial_page::Client;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[test]
fn photographs_take_a_cameras_place() {
    let mut scene = Scene::new();
    for (folder, person, shots) in [("ada", "ada", 6), ("grace", "grace", 2)] {
        fs::create_dir_all(scene.path("show").join(folder)).unwrap();
        let folder = format!("show/{folder}");
        scene.empty(&folder);
        (0..shots).for_each(|_| drop(scene.shoot(&folder, person)));
    }
    fs::write(scene.path("show/ada/000.jpg"), b"no picture").unwrap();
    let tried = call(
        &scene,
        "try --bundle model.bundle --images show --no-page --pace 0",
    );
    assert_eq!(tried.status, 0, "{}", tried.errors);
    let text = tried.lines.join("\n");
    assert!(
        text.contains("not enrolled from") && text.contains("000.jpg"),
        "{text}"
    );
    assert!(text.contains("enrolled ada from 3 photographs"), "{text}");
    assert!(text.contains("OPEN    ada: score"), "{text}");
    // The three others, and the one that is no picture.
    assert!(
        text.ends_with("let in: 3 of 4 photographs of the person enrolled, 0 of 2 of others"),
        "{text}"
    );
    let json = call(
        &scene,
        "try --bundle model.bundle --images show --no-page --pace 0 --json",
    )
    .json();
    assert!(
        json.iter()
            .any(|seen| seen["lock"] == "released" && seen["subject"] == "ada")
    );
    let strangers = json.iter().filter(|seen| seen["outcome"] == "no_match");
    assert!(strangers.clone().count() >= 2);
    assert!(strangers.into_iter().all(|seen| seen["lock"] == "locked"));
    // A folder of photographs is one person's.
    let own = call(
        &scene,
        "try --bundle model.bundle --images show/grace --no-page",
    );
    assert!(
        own.lines.join("\n").contains("enrolled me from 1"),
        "{own:?}"
    );
    for (arguments, needle) in [
        ("--images nowhere", "nowhere: cannot be listed"),
        ("--images people", "people: "),
        (
            "--images show --listen 192.168.0.1:80",
            "expected an address of this machine",
        ),
    ] {
        let arguments = format!("try --bundle model.bundle --no-page {arguments}");
        let said = call(&scene, arguments.trim_end());
        assert_eq!(said.status, 2, "{arguments}");
        assert!(said.errors.contains(needle), "{arguments}: {}", said.errors);
    }
    let said = call(&scene, "try --bundle model.bundle");
    assert!(said.errors.contains("no detector"), "{}", said.errors);
    fs::create_dir(scene.path("bad")).unwrap();
    for name in ["1.jpg", "2.jpg"] {
        fs::write(scene.path("bad").join(name), b"no picture").unwrap();
    }
    let said = call(&scene, "try --bundle model.bundle --no-page --images bad");
    assert!(
        said.errors.contains("nobody can be enrolled from bad"),
        "{}",
        said.errors
    );
}

/// A trial that runs in the scene's folder, and its page.
struct RunningTrial {
    child: Child,
    page: Client,
}

impl RunningTrial {
    fn start(scene: &Scene, arguments: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .current_dir(scene.path("."))
            .args(["try", "--pace", "0.1"])
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.map(Result::unwrap).find_map(|line| {
            let url = line.strip_prefix("open ")?;
            Some(url.to_owned())
        });
        let page = Client::of(&url.unwrap());
        Self { child, page }
    }
}

impl Drop for RunningTrial {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn photographs_wait_for_the_page() {
    let mut scene = Scene::new();
    fs::create_dir(scene.path("show")).unwrap();
    scene.empty("show");
    (0..5).for_each(|_| drop(scene.shoot("show", "ada")));
    let running = RunningTrial::start(&scene, "--bundle model.bundle --images show");
    std::thread::sleep(Duration::from_millis(500));
    let mut number = 0;
    let first = loop {
        let (status, text) = running.page.ask("GET", "next?after=0", b"");
        number += 1;
        match status {
            200 => break serde_json::from_str::<Value>(&text).unwrap(),
            _ => assert!(number < 20, "{status}"),
        }
    };
    assert_eq!(first["seen"]["people"], Value::from(vec!["me"]));
}

#[test]
fn a_trial_of_a_door_keeps_people_in_its_store() {
    let mut scene = Scene::new();
    scene.enroll("grace");
    scene.shoot("frames", "grace");
    let said = call(
        &scene,
        "try --config door.toml --door-camera --no-page --json",
    );
    assert_eq!(said.status, 0, "{}", said.errors);
    let seen = &said.json()[0];
    assert_eq!(
        (&seen["subject"], &seen["outcome"]),
        (&"grace".into(), &"match".into())
    );
    let said = call(
        &scene,
        "try --config door.toml --door-camera --no-page --enroll grace",
    );
    assert!(
        said.errors.contains("knows somebody of that name"),
        "{}",
        said.errors
    );
    let said = call(
        &scene,
        "try --config door.toml --door-camera --no-page --enroll ada --json",
    );
    assert_eq!(said.json()[0]["enrolling"]["subject"], "ada");
    let said = call(&scene, "try --config door.toml --no-page");
    assert!(
        said.errors.contains("without a page there is no camera"),
        "{}",
        said.errors
    );
    let said = call(&scene, "try --config door.toml --images frames");
    assert_eq!(said.status, 2);
}
