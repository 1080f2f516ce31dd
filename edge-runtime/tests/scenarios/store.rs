//! A store on a disk: who may read it, with which key, and what an earlier release left.

use crate::bad_input::record;
use crate::bundles::bundle_of;
use crate::scene::snapshot;
use edge_runtime::store::{Settings, Store};
use shared::enrollment::EnrollmentRecord;
use shared::envelope::Kind;
use shared::store::KeyFile;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use tempfile::TempDir;

pub(crate) fn ada() -> EnrollmentRecord {
    EnrollmentRecord::decode(&record()).unwrap()
}

/// A folder with a store in which one person is enrolled.
fn store_of_ada() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    open(&folder).unwrap().add(&ada(), false).unwrap();
    (dir, folder)
}

pub(crate) fn open(folder: &Path) -> Result<Store, edge_runtime::store::StoreError> {
    Store::open(&Settings::of(folder))
}

fn error_of(folder: &Path) -> String {
    open(folder).err().unwrap().to_string()
}

pub(crate) fn listed(store: &Store) -> Vec<String> {
    let listed = store.list(bundle_of(1).manifest()).unwrap();
    let line = |listed: edge_runtime::store::Listed| match listed.record {
        Ok(record) => record.subject().to_owned(),
        Err(error) => error.to_string(),
    };
    listed.into_iter().map(line).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_store_that_cannot_be_used_says_why() {
    let dir = tempfile::tempdir().unwrap();
    // Root may write to any folder but one that the kernel makes up.
    let error = error_of(Path::new("/proc/self/fd"));
    assert!(
        error.contains("/proc/self/fd/store.key: cannot be written"),
        "{error}"
    );

    fs::write(dir.path().join("file"), "x").unwrap();
    assert!(error_of(&dir.path().join("file")).contains("cannot be used"));
    assert!(error_of(&dir.path().join("none/people")).contains("No such file"));
    chmod(dir.path(), 0o755);
    let error = error_of(dir.path());
    assert!(
        error.contains("mode 755") && error.contains("chmod 700"),
        "{error}"
    );
    chmod(dir.path(), 0o700);
    // Only root can give a folder away, and to anybody else the root's is one.
    let given = chown(dir.path(), Some(1), None).is_ok();
    let foreign = if given { dir.path() } else { Path::new("/") };
    let error = error_of(foreign);
    assert!(error.contains("sudo -u '#"), "{error}");
}

#[test]
fn a_store_is_private_and_tells_nothing_without_its_key() {
    let (_dir, folder) = store_of_ada();
    let store = open(&folder).unwrap();
    assert_eq!(mode(&folder), 0o700);
    let plain = record();
    let template = &plain[plain.len() - 96..plain.len() - 64];
    for (path, bytes) in snapshot(&folder) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!has(template) && !has(b"ada"), "{}", path.display());
    }
    for subject in ["../ada", "", ".ada", "a/b"] {
        let error = store.remove(subject).unwrap_err().to_string();
        assert!(error.contains("letters, digits"), "{error}");
    }
    assert_eq!(listed(&store), ["ada"]);
}

#[test]
fn a_key_that_is_missing_open_damaged_or_wrong_is_refused_and_never_made_anew() {
    let (_dir, folder) = store_of_ada();
    let (_other_dir, other) = store_of_ada();
    let key = folder.join("store.key");
    let good = fs::read(&key).unwrap();
    let refused = |needle: &str| {
        let before = snapshot(&folder);
        let error = error_of(&folder);
        assert!(error.contains(needle), "{error}, expected {needle}");
        assert!(error.contains(key.to_str().unwrap()), "{error}");
        assert!(snapshot(&folder) == before, "something changed: {needle}");
    };
    fs::remove_file(&key).unwrap();
    refused("restore it from its backup, or move");
    let mut changed = good.clone();
    changed[20] ^= 1;
    for (bytes, needle) in [
        (
            fs::read(other.join("store.key")).unwrap(),
            "the key of another store",
        ),
        (changed, "the key is damaged: the checksum"),
        (
            good[..40].into(),
            "the key is damaged: 40 bytes are too few",
        ),
        (vec![], "the key is damaged: 0 bytes are too few"),
        (record(), "the key is damaged: a file of kind 2"),
        (vec![0; 9999], "expected at most 1024"),
    ] {
        fs::write(&key, bytes).unwrap();
        chmod(&key, 0o600);
        refused(needle);
    }
    fs::write(&key, &good).unwrap();
    for open in [0o640, 0o604, 0o660] {
        chmod(&key, open);
        refused("lets others read the key, expected 600; run chmod 600");
    }
    chmod(&key, 0o400);
    assert_eq!(listed(&open(&folder).unwrap()), ["ada"]);
}

#[test]
fn a_key_elsewhere_is_made_and_found_there() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        key: Some(dir.path().join("stick.key")),
        ..Settings::of(dir.path().join("people"))
    };
    Store::open(&settings).unwrap().add(&ada(), false).unwrap();
    assert!(!settings.folder.join("store.key").exists());
    assert_eq!(mode(&dir.path().join("stick.key")), 0o600);
    assert_eq!(listed(&Store::open(&settings).unwrap()), ["ada"]);
    assert!(error_of(&settings.folder).contains("store.key: missing"));
}

#[test]
fn a_store_that_is_missing_is_made_anew_only_if_its_key_was_never_used() {
    let (_dir, folder) = store_of_ada();
    fs::remove_file(folder.join("store.redb")).unwrap();
    let error = error_of(&folder);
    assert!(
        error.contains("store.redb: missing, and the key"),
        "{error}"
    );
    assert!(!folder.join("store.redb").exists());

    // The power was cut at the very first start, after the key was written.
    let unused = KeyFile::new([7; 32], false).encode(Kind::StoreKey).unwrap();
    fs::write(folder.join("store.key"), unused).unwrap();
    assert!(listed(&open(&folder).unwrap()).is_empty());
    let key = fs::read(folder.join("store.key")).unwrap();
    let key = KeyFile::decode(Kind::StoreKey, &key).unwrap();
    assert!(key.in_use && *key.key() == [7; 32]);
}

#[test]
fn what_an_earlier_release_left_is_taken_in_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    fs::create_dir(&folder).unwrap();
    chmod(&folder, 0o700);
    let (good, damaged) = (folder.join("ada.record"), folder.join("ben.record"));
    let late = folder.join("ada.record");
    fs::write(&good, record()).unwrap();
    fs::write(&damaged, &record()[..60]).unwrap();
    fs::write(folder.join("cyd.record"), record()).unwrap();
    let store = open(&folder).unwrap();
    // The file is gone, and what could not be read is told and kept.
    assert!(!good.exists() && damaged.exists());
    let lines = listed(&store);
    assert_eq!((lines.len(), lines[0].as_str()), (3, "ada"));
    assert!(
        lines[1].contains("ben.record") && lines[1].contains("cut off"),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].contains("of another person than its name says"),
        "{}",
        lines[2]
    );
    let mut imported = 0;
    store
        .verify_log(|logged| imported += u32::from(logged.entry.event.subject.is_some()))
        .unwrap();
    assert_eq!(imported, 1);

    // Later such a file is no way into the store.
    // The copy under another name is found when its person is removed.
    let error = store.remove("ada").unwrap_err().to_string();
    assert!(
        error.contains("cyd.record: at byte 48 there is still"),
        "{error}"
    );
    fs::write(&late, record()).unwrap();
    let store = open(&folder).unwrap();
    store.tend().unwrap();
    assert!(late.exists());
    let lines = listed(&store);
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].contains("when there was a sealed store already"),
        "{}",
        lines[0]
    );
    // As after a power cut between the import and the removal of the file.
    store.add(&ada(), false).unwrap();
    store.tend().unwrap();
    assert!(!late.exists());
}

#[test]
fn of_simultaneous_enrollments_of_one_name_one_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let start = Barrier::new(8);
    let add = || {
        start.wait();
        // The first start, too, is of one program only.
        open(&folder).unwrap().add(&ada(), false).is_ok()
    };
    let stored = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
        let stored = threads.into_iter().map(|t| t.join().unwrap());
        stored.filter(|stored| *stored).count()
    });
    assert_eq!(stored, 1);
}

#[test]
fn what_a_killed_program_left_goes_with_the_next_change() {
    let (_dir, folder) = store_of_ada();
    let left = folder.join(".writing-k1LLed");
    fs::write(&left, "x").unwrap();
    let store = open(&folder).unwrap();
    store.tend().unwrap();
    assert!(!left.exists());
}
