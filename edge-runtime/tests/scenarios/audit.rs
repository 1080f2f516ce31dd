//! The log: what is in it, and that no change of it goes unseen.

use crate::command_line::{PROGRAM, call};
use crate::scene::Scene;
use edge_runtime::store::{Settings, Store};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde_json::Value;
use shared::audit::{AuditEvent, What};
use std::path::Path;
use std::process::{Command, Stdio};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

fn whats(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["what"].as_str())
        .collect()
}

#[test]
fn the_door_and_every_command_are_in_the_log() {
    let mut scene = Scene::new();
    let photos = [scene.shoot("photos", "ada"), scene.shoot("photos", "ada")];
    let photos = photos
        .map(|photo| photo.to_str().unwrap().to_owned())
        .join(" ");
    (0..2).for_each(|_| drop(scene.shoot("frames", "ada")));
    (0..3).for_each(|_| drop(scene.shoot("frames", "eve")));
    for command in [
        &format!("enroll --config door.toml --subject ada {photos}"),
        &format!("enroll --config door.toml --subject ada --replace {photos}"),
        "run --config door.toml",
        "export --config door.toml --to ada.people ada",
        "remove --config door.toml ada",
        "import --config door.toml ada.people",
    ] {
        let said = call(&scene, command);
        assert_eq!(said.status, 0, "{command}: {}", said.errors);
    }
    let said = call(&scene, "audit --json --config door.toml");
    let lines = said.json();
    let expected = [
        "enrolled", "replaced", "started", "opened", "refused", "stopped", "exported", "removed",
        "imported",
    ];
    assert_eq!(whats(&lines), expected);
    assert_eq!(
        (&lines[3]["subject"], &lines[3]["number"]),
        (&"ada".into(), &3.into())
    );
    assert_eq!(lines[9]["whole"], true);
    assert_eq!(lines[9]["head"], lines[8]["digest"]);

    // Which entry was the newest is worth noting down.
    let digest = lines[5]["digest"].as_str().unwrap();
    let contains = |digest: &str| {
        let command = format!("audit --verify --config door.toml --contains {digest}");
        call(&scene, &command)
    };
    let said = contains(digest);
    assert_eq!((said.status, said.lines.len()), (0, 1));
    let said = contains(&digest.replace(char::is_numeric, "a"));
    assert_eq!(said.status, 2);
    assert!(
        said.errors.contains("does not contain that entry"),
        "{}",
        said.errors
    );
    let text = call(&scene, "audit --config door.toml").lines;
    assert!(text[3].contains("Z  opened ada: for 150 ms"), "{}", text[3]);
}

#[test]
fn a_door_that_cannot_start_has_it_in_the_log() {
    let scene = Scene::new();
    std::fs::write(scene.path("model.bundle"), "x").unwrap();
    assert_eq!(call(&scene, "run --config door.toml").status, 2);
    let lines = call(&scene, "audit --json --config door.toml").json();
    assert_eq!(whats(&lines), ["stopped"]);
    let detail = lines[0]["detail"].as_str().unwrap();
    assert!(detail.contains("1 bytes are too few"), "{detail}");
}

#[test]
fn a_door_whose_log_was_changed_stops_locked() {
    let mut scene = Scene::new();
    scene.enroll("eve");
    (0..50).for_each(|_| drop(scene.shoot("frames", "ada")));
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    let database = Database::open(scene.path("people/store.redb")).unwrap();
    let tx = database.begin_write().unwrap();
    tx.open_table(META).unwrap().remove("chain").unwrap();
    tx.commit().unwrap();
    drop(database);
    let run = call(&scene, "run --json --config door.toml");
    assert_eq!(run.status, 2);
    assert!(
        run.errors.contains("the log was changed from outside"),
        "{}",
        run.errors
    );
    let last = run.json().pop().unwrap();
    assert_eq!(last["event"], "stopped");
    assert!(
        last["reason"]
            .as_str()
            .unwrap()
            .contains("does not run unobserved"),
        "{last}"
    );
    // Nor is anybody enrolled or removed unlogged.
    let removed = call(&scene, "remove --config door.toml eve");
    assert!(removed.status == 2 && removed.errors.contains("audit --restart"));
    assert_eq!(call(&scene, "audit --restart --config door.toml").status, 0);
    assert_eq!(call(&scene, "remove --config door.toml eve").status, 0);
}

/// A store with a log of five entries.
fn logged(folder: &Path) -> Store {
    let store = Store::open(&Settings::of(folder)).unwrap();
    append(&store, 0..5);
    store
}

fn append(store: &Store, numbers: std::ops::Range<u64>) {
    let event = |n| {
        (
            n,
            AuditEvent::new(What::Opened, Some("ada"), &format!("{n}")),
        )
    };
    store.append(numbers.map(event).collect()).unwrap();
}

#[test]
fn every_change_of_the_log_is_found() {
    type Change = fn(&WriteTransaction, &[(u64, Vec<u8>)], &[u8]);
    let changes: [(&str, Change, &str); 7] = [
        (
            "cut off",
            |tx, _, _| drop(tx.open_table(LOG).unwrap().remove(4).unwrap()),
            "the log ends before",
        ),
        (
            "begun later",
            |tx, _, _| drop(tx.open_table(LOG).unwrap().remove(0).unwrap()),
            "entry 0 is missing",
        ),
        (
            "a gap",
            |tx, _, _| drop(tx.open_table(LOG).unwrap().remove(2).unwrap()),
            "entry 2 is missing",
        ),
        (
            "a bit",
            |tx, entries, _| {
                let mut sealed = entries[1].1.clone();
                sealed[40] ^= 1;
                tx.open_table(LOG).unwrap().insert(1, &sealed[..]).unwrap();
            },
            "the seal of entry 1",
        ),
        (
            "order",
            |tx, entries, _| {
                let mut log = tx.open_table(LOG).unwrap();
                log.insert(1, &entries[2].1[..]).unwrap();
                log.insert(2, &entries[1].1[..]).unwrap();
            },
            "the seal of entry 1",
        ),
        (
            "more",
            |tx, entries, _| {
                tx.open_table(LOG)
                    .unwrap()
                    .insert(5, &entries[4].1[..])
                    .unwrap();
            },
            "the seal of entry 5",
        ),
        (
            "older ends",
            |tx, _, older| {
                tx.open_table(META).unwrap().insert("chain", older).unwrap();
            },
            "entry 5 is missing, entry 5 stands there",
        ),
    ];
    for (name, change, needle) in changes {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("people");
        let store = logged(&folder);
        let path = folder.join("store.redb");
        let older = ends(&path);
        if name == "older ends" {
            append(&store, 5..6);
        }
        let database = Database::open(&path).unwrap();
        let tx = database.begin_write().unwrap();
        let entries: Vec<_> = {
            let log = tx.open_table(LOG).unwrap();
            let rows = log.iter().unwrap().map(Result::unwrap);
            rows.map(|(number, sealed)| (number.value(), sealed.value().to_vec()))
                .collect()
        };
        change(&tx, &entries, &older);
        tx.commit().unwrap();
        drop(database);
        let error = store.verify_log(|_| ()).unwrap_err().to_string();
        assert!(error.contains(needle), "{name}: {error}");
        assert!(error.contains("audit --restart"), "{error}");
        // A new one begins, and says so.
        store.restart_log().unwrap();
        append(&store, 0..1);
        let mut whats = Vec::new();
        let whole = store
            .verify_log(|logged| whats.push(logged.entry.event.what))
            .unwrap();
        assert_eq!(
            (whole.entries, &whats[..]),
            (2, &[What::Restarted, What::Opened][..])
        );
    }
}

fn ends(path: &Path) -> Vec<u8> {
    let database = Database::open(path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    meta.get("chain").unwrap().unwrap().value().to_vec()
}

#[test]
fn the_log_is_bounded_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        log_entries: 100,
        ..Settings::of(dir.path().join("people"))
    };
    let store = Store::open(&settings).unwrap();
    append(&store, 0..250);
    let head = store.verify_log(|_| ()).unwrap();
    assert_eq!((head.first, head.entries), (150, 100));
    append(&store, 250..251);
    let mut first = None;
    let mut found = false;
    let whole = store.verify_log(|logged| {
        first.get_or_insert(logged.entry.number);
        found |= logged.digest == head.head;
    });
    assert_eq!((whole.unwrap().first, first, found), (151, Some(151), true));
}

#[test]
fn people_enrolled_by_another_program_while_the_door_runs_are_let_in() {
    let mut scene = Scene::new();
    let photos = [scene.shoot("photos", "ada"), scene.shoot("photos", "ada")];
    let photos = photos
        .map(|photo| photo.to_str().unwrap().to_owned())
        .join(" ");
    (0..120).for_each(|_| drop(scene.shoot("frames", "ada")));
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    let door = Command::new(PROGRAM)
        .args(["run", "--json", "--config"])
        .arg(scene.path("door.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let command = format!("enroll --config door.toml --subject ada {photos}");
    let said = call(&scene, &command);
    assert_eq!((said.status, said.errors.as_str()), (0, ""));
    assert_eq!(call(&scene, "list --config door.toml").lines.len(), 1);
    let output = door.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let at = |needle: &str| {
        text.find(needle)
            .unwrap_or_else(|| panic!("{needle} in {text}"))
    };
    assert!(at("\"nobody is enrolled\"") < at("people_changed"));
    assert!(at("people_changed") < at("\"event\":\"released\""));
    assert!(output.status.success());
}
