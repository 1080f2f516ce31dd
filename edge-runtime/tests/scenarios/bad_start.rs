//! What a door needs, broken in every way: the program ends, says why, and has not moved the lock.

use crate::bad_input::record;
use crate::command_line::{PROGRAM, call};
use crate::door::scene_with_frames;
use crate::scene::{Scene, snapshot};
use shared::envelope::Kind;
use shared::store::KeyFile;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What is broken, how, and what the program says.
type Row = (&'static str, fn(&Scene), &'static str);

fn write(scene: &Scene, file: &str, bytes: &[u8]) {
    fs::write(scene.path(file), bytes).unwrap();
}

fn read(scene: &Scene, file: &str) -> Vec<u8> {
    fs::read(scene.path(file)).unwrap()
}

fn remove(scene: &Scene, file: &str) {
    fs::remove_file(scene.path(file)).unwrap();
}

/// Flips a bit in the middle.
fn flip(scene: &Scene, file: &str) {
    let mut bytes = read(scene, file);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(scene, file, &bytes);
}

fn cut(scene: &Scene, file: &str) {
    let bytes = read(scene, file);
    write(scene, file, &bytes[..bytes.len() / 2]);
}

fn chmod(scene: &Scene, file: &str, mode: u32) {
    fs::set_permissions(scene.path(file), Permissions::from_mode(mode)).unwrap();
}

const BUNDLE: &str = "model.bundle";
const STORE: &str = "people/store.redb";
const KEY: &str = "people/store.key";

const ROWS: [Row; 26] = [
    (
        "no bundle",
        |s| remove(s, BUNDLE),
        "model.bundle: cannot be read",
    ),
    (
        "an empty bundle",
        |s| write(s, BUNDLE, b""),
        "0 bytes are too few",
    ),
    (
        "a bundle with a wrong bit",
        |s| flip(s, BUNDLE),
        "checksum does not match",
    ),
    (
        "half a bundle",
        |s| cut(s, BUNDLE),
        "cut off or appended to",
    ),
    (
        "a record for a bundle",
        |s| write(s, BUNDLE, &record()),
        "expected a Bundle",
    ),
    (
        "a folder for a bundle",
        |s| s.configure("model.bundle", "photos"),
        "not a regular file",
    ),
    ("no store", |s| remove(s, STORE), "restore it"),
    ("an empty store", |s| write(s, STORE, b""), "damaged"),
    ("half a store", |s| cut(s, STORE), "damaged"),
    (
        "junk for a store",
        |s| write(s, STORE, &[7; 9000]),
        "damaged",
    ),
    (
        "a store that all may enter",
        |s| chmod(s, "people", 0o755),
        "run chmod 700",
    ),
    ("no key", |s| remove(s, KEY), "store.key"),
    (
        "an empty key",
        |s| write(s, KEY, b""),
        "0 bytes are too few",
    ),
    (
        "a key with a wrong bit",
        |s| flip(s, KEY),
        "checksum does not match",
    ),
    ("half a key", |s| cut(s, KEY), "too few"),
    (
        "a key that all may read",
        |s| chmod(s, KEY, 0o644),
        "run chmod 600",
    ),
    (
        "another store's key",
        |s| {
            write(
                s,
                KEY,
                &KeyFile::new([9; 32], true).encode(Kind::StoreKey).unwrap(),
            )
        },
        "the key of another store",
    ),
    (
        "a key for the way",
        |s| {
            write(
                s,
                KEY,
                &KeyFile::new([9; 32], true)
                    .encode(Kind::TransferKey)
                    .unwrap(),
            )
        },
        "expected a StoreKey",
    ),
    (
        "no settings",
        |s| remove(s, "door.toml"),
        "door.toml: cannot be read",
    ),
    (
        "empty settings",
        |s| write(s, "door.toml", b""),
        "missing field",
    ),
    (
        "half the settings",
        |s| cut(s, "door.toml"),
        "door.example.toml",
    ),
    (
        "junk for settings",
        |s| write(s, "door.toml", b"\xFF\0\x01"),
        "door.example.toml",
    ),
    (
        "a hold of a day",
        |s| s.configure("hold_ms = 150", "hold_ms = 86400000"),
        "expected 100 to 60000",
    ),
    (
        "no camera",
        |s| fs::remove_dir_all(s.path("frames")).unwrap(),
        "cannot be listed",
    ),
    (
        "no landmarks",
        |s| write(s, "frames/landmarks.csv", b"path\n"),
        "line 1 is not the header",
    ),
    (
        "a person who is not enrolled",
        |s| s.add("[access]\ntime_zone = \"UTC\"\npeople.zoe.valid_until = \"2020-01-01\"\n"),
        "nobody of that name is enrolled",
    ),
];

/// A door whose pin's levels are written down, with somebody before it who may come in.
fn scene() -> Scene {
    let scene = scene_with_frames(&["ada"], &["ada", "ada"]);
    let driver = "driver = \"simulated\"";
    scene.configure(driver, &format!("{driver}\nfolder = \"pins\""));
    scene
}

/// That the pin was set to no other level than the one that locks, and is at it.
fn assert_locked(scene: &Scene, what: &str) {
    // With settings that cannot be read the door does not know which pin to touch.
    let levels = fs::read_to_string(scene.path("pins/relay")).unwrap_or_default();
    assert!(
        levels.lines().all(|line| line.ends_with(" low")),
        "{what}: {levels}"
    );
}

#[test]
fn without_a_fault_that_door_opens() {
    let scene = scene();
    assert_eq!(call(&scene, "run --config door.toml").status, 0);
    let levels = fs::read_to_string(scene.path("pins/relay")).unwrap();
    assert!(
        levels.contains(" high\n") && levels.ends_with(" low\n"),
        "{levels}"
    );
}

#[test]
fn a_door_with_a_broken_part_does_not_start_and_says_why() {
    for (what, break_it, needle) in ROWS {
        let scene = scene();
        break_it(&scene);
        let before = snapshot(&scene.path("people"));
        let said = call(&scene, "run --json --config door.toml");
        assert_eq!(said.status, 2, "{what}");
        assert_locked(&scene, what);
        let events = said.json();
        assert_eq!(
            (events.len(), &events[0]["event"]),
            (1, &"stopped".into()),
            "{what}"
        );
        for told in [events[0]["reason"].as_str().unwrap(), &said.errors] {
            assert!(told.contains(needle), "{what}: {told}");
        }
        // What cannot be read is not made anew.
        let after = snapshot(&scene.path("people"));
        let key_and_store = before
            .iter()
            .filter(|(path, _)| path.ends_with("store.key"));
        assert!(
            key_and_store.into_iter().all(|file| after.contains(file)),
            "{what}"
        );
    }
    eprintln!("{} broken parts, each told, none opened", ROWS.len());
}

#[test]
fn a_door_whose_output_is_full_stops_locked() {
    let scene = scene();
    let door = Command::new(PROGRAM)
        .args(["run", "--json", "--config", "door.toml"])
        .current_dir(scene.path("."))
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let errors = String::from_utf8(door.stderr).unwrap();
    assert_eq!(door.status.code(), Some(2), "{errors}");
    assert!(errors.contains("No space left"), "{errors}");
    assert_locked(&scene, "a full disk behind the output");
    let log = call(&scene, "audit --json --config door.toml").json();
    assert!(log.iter().all(|entry| entry["what"] != "opened"));
}

/// A file that a fuzzer made, which makes the decoder panic.
const PANICS_A_DECODER: &[u8] = include_bytes!("panics_a_decoder.jpg");

#[test]
fn a_frame_that_makes_a_decoder_panic_does_not_end_the_door() {
    let read = std::panic::catch_unwind(|| image::load_from_memory(PANICS_A_DECODER));
    assert!(
        read.is_err(),
        "a decoder that does not panic proves nothing"
    );
    let mut scene = Scene::new();
    scene.enroll("ada");
    (0..2).for_each(|_| drop(scene.shoot("frames", "ada")));
    fs::write(scene.path("frames/000.jpg"), PANICS_A_DECODER).unwrap();
    let said = Command::new(PROGRAM)
        .args(["run", "--config"])
        .arg(scene.path("door.toml"))
        .output()
        .unwrap();
    let told = String::from_utf8(said.stdout).unwrap();
    assert!(told.contains("RELEASED for ada"), "{told}");
    assert_eq!(said.status.code(), Some(0), "{told}");
}
