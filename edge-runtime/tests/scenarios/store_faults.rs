//! A store that is damaged, a program that is killed while it changes one, and what is left of
//! whom it removed.

use crate::bundles::{EMBEDDING_LEN, bundle_of};
use crate::command_line::{PROGRAM, call};
use crate::onnx::Noise;
use crate::scene::{Scene, snapshot};
use crate::store::{ada, listed, open};
use edge_runtime::store::StoreError;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

const PEOPLE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("people");

impl Scene {
    /// Changes sealed rows of a table of the store, as one without the key could.
    pub(crate) fn change_sealed(
        &self,
        table: &str,
        change: impl Fn(&mut Vec<([u8; 32], Vec<u8>)>),
    ) {
        let database = Database::open(self.path("people/store.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let definition = TableDefinition::<&[u8; 32], &[u8]>::new(table);
        let mut table = transaction.open_table(definition).unwrap();
        let rows = table.iter().unwrap().map(Result::unwrap);
        let mut rows: Vec<_> = rows
            .map(|(row, s)| (*row.value(), s.value().to_vec()))
            .collect();
        change(&mut rows);
        for (row, sealed) in rows {
            table.insert(&row, &sealed[..]).unwrap();
        }
        drop(table);
        transaction.commit().unwrap();
    }
}

fn person(name: &str) -> EnrollmentRecord {
    let seed = name
        .bytes()
        .fold(7_u64, |seed, b| seed.wrapping_mul(131) + u64::from(b));
    let mut noise = Noise(seed);
    let raw = (0..EMBEDDING_LEN).map(|_| noise.next()).collect();
    let templates = vec![Embedding::from_raw(raw).unwrap()];
    let model = bundle_of(1).manifest().model_digest;
    EnrollmentRecord::new(name, model, templates, 0).unwrap()
}

/// The sealed bytes of everybody.
fn sealed(path: &Path) -> Vec<Vec<u8>> {
    let database = Database::open(path).unwrap();
    let people = database.begin_read().unwrap().open_table(PEOPLE).unwrap();
    let rows = people.iter().unwrap().map(Result::unwrap);
    rows.map(|(_, sealed)| sealed.value().to_vec()).collect()
}

/// Whether any 16 bytes of it, at a multiple of 16, are in a file of the folder.
fn is_left(folder: &Path, removed: &[u8]) -> bool {
    let files = snapshot(folder);
    let mut parts = removed.chunks_exact(16);
    parts.any(|part| {
        files
            .iter()
            .any(|(_, bytes)| bytes.windows(16).any(|w| w == part))
    })
}

#[test]
fn of_whom_is_removed_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let store = open(&folder).unwrap();
    for name in ["ben", "cyd", "dan"] {
        store.add(&person(name), false).unwrap();
    }
    store.add(&ada(), false).unwrap();
    let path = folder.join("store.redb");
    let before = sealed(&path);
    // Replaced records are as little to be found.
    store.add(&ada(), true).unwrap();
    let replaced: Vec<_> = sealed(&path);
    let old = before
        .iter()
        .find(|bytes| !replaced.contains(bytes))
        .unwrap();
    let new = replaced
        .iter()
        .find(|bytes| !before.contains(bytes))
        .unwrap();
    assert!(!is_left(&folder, old) && is_left(&folder, new));
    let erased = store.remove("ada").unwrap();
    assert!(!is_left(&folder, new));
    let files = snapshot(&folder);
    assert_eq!(erased.files, files.len());
    assert_eq!(
        erased.bytes,
        files
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum::<u64>()
    );
    assert_eq!(listed(&store), ["ben", "cyd", "dan"]);

    // A copy that somebody made is found, and the person is removed all the same.
    fs::write(
        folder.join("backup"),
        [b"x", &replaced[0][..], &replaced[1]].concat(),
    )
    .unwrap();
    let names = ["ben", "cyd", "dan"];
    let left = names.iter().filter(|name| match store.remove(name) {
        Err(StoreError::StillThere { path, at }) => {
            assert_eq!(path, folder.join("backup"));
            assert!(at < 1000);
            true
        }
        other => other.is_err(),
    });
    assert!((1..=2).contains(&left.count()));
    assert!(listed(&store).is_empty());
}

#[test]
fn a_change_whose_erasing_was_interrupted_is_erased_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let store = open(&folder).unwrap();
    store.add(&person("ben"), false).unwrap();
    store.add(&ada(), false).unwrap();
    let path = folder.join("store.redb");
    let rows = sealed(&path);
    // As after a power cut between the removal and the erasing.
    let database = Database::open(&path).unwrap();
    let tx = database.begin_write().unwrap();
    tx.open_table(PEOPLE)
        .unwrap()
        .retain(|_, sealed| sealed != rows[0])
        .unwrap();
    let meta = TableDefinition::<&str, &[u8]>::new("meta");
    tx.open_table(meta)
        .unwrap()
        .insert("erase", &[][..])
        .unwrap();
    tx.commit().unwrap();
    drop(database);
    assert!(is_left(&folder, &rows[0]));
    open(&folder).unwrap().tend().unwrap();
    assert!(!is_left(&folder, &rows[0]) && is_left(&folder, &rows[1]));
    assert_eq!(listed(&store).len(), 1);
}

#[test]
fn a_program_that_is_killed_at_any_time_leaves_the_store_whole() {
    let scene = Scene::new();
    let store = scene.store();
    let names: Vec<_> = (0..100).map(|n| format!("person-{n:03}")).collect();
    for name in &names {
        store.add(&person(name), false).unwrap();
    }
    store.add(&person("nobody"), false).unwrap();
    let remove = |name: &str| {
        let mut program = Command::new(PROGRAM);
        program
            .args(["remove", "--config", "door.toml", name])
            .current_dir(scene.path("."));
        let program = program.stdout(Stdio::null()).stderr(Stdio::null());
        program.spawn().unwrap()
    };
    // The moments are spread over the time that one takes on this machine.
    let started = Instant::now();
    assert!(remove("nobody").wait().unwrap().success());
    let takes = started.elapsed();
    let before = sealed(&scene.path("people/store.redb"));
    let (mut removed, mut killed) = (0, 0);
    for (n, name) in names.iter().enumerate() {
        let mut child = remove(name);
        thread::sleep(takes * n as u32 / 80);
        let _ = child.kill();
        let answered = child.wait().unwrap().success();
        killed += usize::from(!answered);
        let there = listed(&store);
        // Whoever was not touched is there.
        assert!(
            names[n + 1..].iter().all(|name| there.contains(name)),
            "{there:?}"
        );
        assert!(!(answered && there.contains(name)), "{name} is there again");
        removed += usize::from(!there.contains(name));
    }
    store.tend().unwrap();
    store.verify_log(|_| ()).unwrap();
    let now = sealed(&scene.path("people/store.redb"));
    assert_eq!(now.len(), names.len() - removed);
    let gone = before.iter().filter(|bytes| !now.contains(bytes));
    assert!(
        gone.clone()
            .all(|bytes| !is_left(&scene.path("people"), bytes))
    );
    eprintln!(
        "{killed} of {} programs killed, {removed} people removed",
        names.len()
    );
    assert!(
        killed >= 20 && removed >= 10,
        "{killed} killed, {removed} removed"
    );
}

#[test]
fn a_damaged_store_is_refused_or_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let store = open(&folder).unwrap();
    let names = ["ben", "cyd", "dan"];
    for name in &names {
        store.add(&person(name), false).unwrap();
    }
    let path = folder.join("store.redb");
    let good = fs::read(&path).unwrap();
    let whole = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let list = || open(&folder)?.list(bundle_of(1).manifest());
        match list() {
            Ok(listed) => {
                for record in listed
                    .iter()
                    .filter_map(|listed| listed.record.as_ref().ok())
                {
                    assert!(*record == person(record.subject()));
                }
                // Changing it does not make it worse in silence.
                let added = open(&folder).and_then(|store| store.add(&ada(), false));
                added.is_ok() && listed.iter().filter(|l| l.record.is_ok()).count() == 3
            }
            Err(error) => {
                assert!(error.to_string().contains("store.redb"), "{error}");
                false
            }
        }
    };
    for (bytes, needle) in [
        (&b""[..], "damaged"),
        (b"junk", "damaged"),
        (&[0; 9000], "damaged"),
        (&good[..good.len() / 2], "damaged"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = open(&folder).err().unwrap().to_string();
        assert!(
            error.contains(needle) && error.contains("restore it"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert!(whole(&good));
    let mut noise = Noise(3);
    let mut pick = |len: usize| ((noise.next() + 1.0) / 2.0 * len as f32) as usize % len;
    // Where there is something.
    let used: Vec<_> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    let (mut survived, runs) = (0, 400);
    for _ in 0..runs {
        let mut bytes = good.clone();
        let at = used[pick(used.len())];
        for byte in bytes.iter_mut().skip(at).take(1 << pick(8)) {
            *byte ^= 1 + pick(255) as u8;
        }
        survived += usize::from(whole(&bytes));
    }
    eprintln!("{runs} damaged stores, {survived} still whole");
    fs::write(&path, &good).unwrap();
    assert_eq!(listed(&open(&folder).unwrap()), names);
}

#[test]
fn the_removal_by_the_program_says_what_it_searched() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    let text = call(&scene, "remove --config door.toml ada").lines;
    assert!(
        text[0].starts_with("removed ada; no copy left in "),
        "{}",
        text[0]
    );
    assert!(text[0].ends_with(" bytes of 3 files"), "{}", text[0]);
}
