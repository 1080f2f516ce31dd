//! A disk that is full, and one that is read-only: real ones, where the system lets a test mount.

use crate::command_line::PROGRAM;
use crate::real_faces::tell;
use crate::scene::Scene;
use std::process::Command;

/// Runs a script in a mount namespace of its own, with a small disk in `disk`; what it said, or
/// nothing where the system does not let a test mount.
fn on_a_disk(scene: &Scene, script: &str) -> Option<String> {
    std::fs::create_dir(scene.path("disk")).unwrap();
    let mount = "mount -t tmpfs -o size=8m,mode=700 none disk || exit 99\n";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &format!("{mount}{script}")])
        .current_dir(scene.path("."))
        .env("DOOR", format!("{PROGRAM} --json"))
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into())
        }
        other => {
            tell(&format!("skipped: no disk can be mounted here: {other:?}"));
            None
        }
    }
}

/// A door whose store lies on the disk, with two people's photographs.
fn scene() -> (Scene, [String; 2]) {
    let mut scene = Scene::new();
    scene.configure("store = \"people\"", "store = \"disk/people\"");
    let photos = ["ada", "ben"].map(|person| {
        let photo = scene.shoot("photos", person);
        photo.to_str().unwrap().to_owned()
    });
    (scene, photos)
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let (scene, [ada, ben]) = scene();
    // Which change is the first that finds no room depends on which pages the file has already.
    let script = format!(
        "$DOOR enroll --config door.toml --subject ada {ada}
         cat /dev/zero > disk/filler 2>/dev/null
         for n in 1 2 3 4 5 6 7 8 9; do
             $DOOR enroll --config door.toml --subject ben$n {ben} 2>&1
         done
         echo full; $DOOR list --config door.toml; echo listed
         $DOOR remove --config door.toml ada
         rm disk/filler; echo room
         $DOOR list --config door.toml; echo listed
         $DOOR remove --config door.toml ada
         $DOOR enroll --config door.toml --subject cyd {ben}
         $DOOR audit --verify --config door.toml
         $DOOR list --config door.toml; ls -A disk/people"
    );
    let Some(said) = on_a_disk(&scene, &script) else {
        return;
    };
    let between = |begin: &str, end: &str| -> Vec<String> {
        let after = &said[said.find(begin).unwrap()..];
        let lines = after[..after.find(end).unwrap()].lines();
        lines
            .filter(|line| line.starts_with('{'))
            .map(Into::into)
            .collect()
    };
    assert!(
        said.contains("nothing was changed; make room on the disk"),
        "{said}"
    );
    let acknowledged = said.matches(r#"{"enrolled":"#).count() - 1;
    let full = between("full", "listed");
    assert!(full.len() >= acknowledged && full.len() < 10, "{said}");
    // What is there can be read from the full disk, and nothing else comes up later.
    let mut room = between("room", "listed");
    room.retain(|line| !line.contains("ada"));
    assert_eq!(full[1..], room, "{said}");
    assert!(full[0].contains(r#""subject":"ada""#), "{said}");
    let last = &said[said.find(r#""whole":true"#).unwrap()..];
    assert!(last.contains("cyd") && !last.contains("ada"), "{said}");
    assert!(
        last.contains("people.changed\nstore.key\nstore.redb\n"),
        "{said}"
    );
}

#[test]
fn from_a_read_only_disk_people_are_listed_and_nothing_is_changed() {
    let (scene, [ada, ben]) = scene();
    let script = format!(
        "$DOOR enroll --config door.toml --subject ada {ada}
         mount -o remount,ro disk
         $DOOR list --config door.toml; echo status $?
         $DOOR enroll --config door.toml --subject ben {ben} 2>&1; echo status $?
         $DOOR remove --config door.toml ada 2>&1; echo status $?
         $DOOR run --config door.toml 2>&1; echo status $?
         mount -o remount,rw disk
         $DOOR list --config door.toml"
    );
    let Some(said) = on_a_disk(&scene, &script) else {
        return;
    };
    assert_eq!(
        said.matches(r#"{"subject":"ada","templates":1"#).count(),
        2,
        "{said}"
    );
    assert_eq!(said.matches("remount it writable").count(), 4, "{said}");
    assert_eq!(
        (
            said.matches("status 0").count(),
            said.matches("status 2").count()
        ),
        (1, 3)
    );
    assert!(!said.contains(r#""subject":"ben""#), "{said}");
}

#[test]
fn a_door_whose_log_finds_no_room_stops_locked() {
    let (mut scene, [ada, ben]) = scene();
    (0..2).for_each(|_| drop(scene.shoot("frames", "ada")));
    let driver = "driver = \"simulated\"";
    scene.configure(driver, &format!("{driver}\nfolder = \"pins\""));
    // The pages that are free are used up first, by whoever gets them.
    let script = format!(
        "$DOOR enroll --config door.toml --subject ada {ada}
         cat /dev/zero > disk/filler 2>/dev/null
         for n in 1 2 3 4 5 6 7 8 9; do
             $DOOR enroll --config door.toml --subject ben$n {ben} >/dev/null 2>&1
         done
         for n in $(seq 40); do
             $DOOR run --config door.toml > told 2>&1 || {{ failed=$?; break; }}
         done
         echo status $failed; tail -n 3 told; tail -n 1 pins/relay; rm disk/filler
         $DOOR run --config door.toml; echo status $?
         $DOOR audit --verify --config door.toml"
    );
    let Some(said) = on_a_disk(&scene, &script) else {
        return;
    };
    let (full, room) = said.split_once(" low\n").unwrap();
    assert!(
        full.contains("status 2") && full.contains("make room"),
        "{said}"
    );
    assert!(
        room.contains("status 0") && room.contains(r#""whole":true"#),
        "{said}"
    );
}
