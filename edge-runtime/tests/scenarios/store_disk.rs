//! A disk that is full, and one that is read-only: real ones, where the system lets a test mount.

use crate::command_line::PROGRAM;
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
            eprintln!("skipped: no disk can be mounted here: {other:?}");
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
    let script = format!(
        "$DOOR enroll --config door.toml --subject ada {ada}
         cat /dev/zero > disk/filler 2>/dev/null
         $DOOR enroll --config door.toml --subject ben {ben} 2>&1; echo status $?
         $DOOR remove --config door.toml ada 2>&1; echo status $?
         $DOOR run --config door.toml 2>&1; echo status $?
         $DOOR list --config door.toml 2>&1
         rm disk/filler
         $DOOR enroll --config door.toml --subject ben {ben}
         $DOOR remove --config door.toml ada
         $DOOR audit --verify --config door.toml
         $DOOR list --config door.toml; ls -A disk/people"
    );
    let Some(said) = on_a_disk(&scene, &script) else {
        return;
    };
    eprintln!("{said}");
    // What is there can be read all the same.
    assert_eq!(
        said.matches(r#"{"subject":"ada","templates":1"#).count(),
        1,
        "{said}"
    );
    assert_eq!(said.matches("make room on the disk").count(), 4, "{said}");
    assert_eq!(said.matches("status 2").count(), 3, "{said}");
    assert!(
        said.contains(r#"{"removed":"ada""#) && said.contains(r#""whole":true"#),
        "{said}"
    );
    assert_eq!(said.matches(r#"{"enrolled":"ben""#).count(), 1, "{said}");
    assert!(
        said.ends_with("people.changed\nstore.key\nstore.redb\n"),
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
    eprintln!("{said}");
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
