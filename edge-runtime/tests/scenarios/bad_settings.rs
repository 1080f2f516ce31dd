//! Configurations that mean nothing, and folders that cannot hold enrollments.

use crate::bad_input::{check, record};
use edge_runtime::config::{Config, Driver};
use edge_runtime::store::Store;
use shared::enrollment::EnrollmentRecord;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

/// What stands in the example, what stands there instead, and what the error says.
const ROWS: &[(&str, &str, &str)] = &[
    ("store = \"people\"", "", "missing field `store`"),
    ("store = \"people\"", "store = 5", "expected path string"),
    (
        "store = \"people\"",
        "store = \"people\"\nstor = 1",
        "unknown field `stor`",
    ),
    (
        "kind = \"folder\"",
        "kind = \"v4l2\"",
        "unknown variant `v4l2`",
    ),
    (
        "path = \"frames\"",
        "path = \"frames\"\nfps = 5",
        "unknown field `fps`",
    ),
    (
        "frames_per_second = 5.0",
        "frames_per_second = -1.0",
        "expected 0 to 1000",
    ),
    (
        "frames_per_second = 5.0",
        "frames_per_second = nan",
        "expected 0 to 1000",
    ),
    (
        "false_accept_rate = 0.001",
        "false_accept_rate = 0.0",
        "expected above 0 and below 1",
    ),
    (
        "false_accept_rate = 0.001",
        "false_accept_rate = 1.0",
        "expected above 0 and below 1",
    ),
    (
        "false_accept_rate = 0.001",
        "false_accept_rate = nan",
        "expected above 0 and below 1",
    ),
    (
        "false_accept_rate = 0.001",
        "far = 0.1",
        "unknown field `far`",
    ),
    (
        "agreeing_frames = 3",
        "agreeing_frames = 0",
        "1 <= agreeing_frames",
    ),
    (
        "agreeing_frames = 3",
        "agreeing_frames = 6",
        "agreeing_frames <= of_last_frames",
    ),
    ("window_ms = 2000", "window_ms = 0", "expected 1 to 60000"),
    (
        "margin = 0.05",
        "margin = 1.5",
        "expected a cosine of 0 to 1",
    ),
    ("refusals = 10", "refusals = 0", "expected 1 to 1000"),
    ("\nlasts_ms = 10000", "\nlasts_ms = 99", "expected 100 to"),
    ("salt = \"k7Qw2mXv9c\"", "salt = \"\"", "at least 8"),
    ("kind = \"stdin\"", "kind = \"wire\"", "variant `wire`"),
    ("turned = 0.2", "turned = 0.1", "twice frontal <= turned"),
    (
        "schedule = \"office\"",
        "schedule = \"x\"",
        "people.ada: schedule \"x\"",
    ),
    (
        "mon-fri 08:00-18:00",
        "mon-fri 18-8",
        "schedule \"mon-fri 18-8\"",
    ),
    ("Europe/Vienna", "Europe/Wien", "expected one such as"),
    ("time_zone = \"Europe/Vienna\"", "", "need time_zone"),
    ("\"2026-12-31\"", "\"2025-12-31\"", "is after valid_until"),
    ("\"2026-12-31\"", "\"2026-02-30\"", "2026-02-30"),
    ("claim_sha256 = \"6", "claim_sha256 = \"X", "not 64 digits"),
    ("claim_sha256 = ", "schedul = ", "unknown field `schedul`"),
    (
        "hold_ms = 3000",
        "hold_ms = 99",
        "hold_ms is 99, expected 100 to 60000",
    ),
    ("hold_ms = 3000", "hold_ms = 60001", "expected 100 to 60000"),
    ("hold_ms = 3000", "hold_ms = -1", "invalid value"),
    ("hold_ms = 3000", "hold = 3", "unknown field `hold`"),
    ("pin = 17", "pin = 28", "pin is 28, expected 0 to 27"),
    (
        "active_level = \"high\"",
        "active_level = \"up\"",
        "unknown variant `up`",
    ),
    (
        "driver = \"simulated\"\n",
        "driver = \"gpio\"\n",
        "unknown variant `gpio`",
    ),
    ("bundle = ", "bundle ", "TOML parse error"),
];

/// The example with every setting on.
fn example() -> String {
    let text = fs::read_to_string("door.example.toml").unwrap();
    let on = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(on).collect()
}

#[test]
fn bad_configurations() {
    let good = example();
    let claimless = good
        .lines()
        .filter(|line| !line.starts_with("claim_sha256"))
        .map(|line| format!("{line}\n"));
    let claimless: String = claimless.collect();
    check("door.toml", Some(claimless.as_bytes()), "need each other");
    let twice = good.replace("[access.people.ada]", "[access.people.ben]");
    let twice = format!(
        "{good}{}",
        &twice[twice.find("[access.people.ben]").unwrap()..]
    );
    check(
        "door.toml",
        Some(twice[..twice.rfind("[door]").unwrap()].as_bytes()),
        "one claim_sha256",
    );
    for (old, new, needle) in ROWS {
        assert!(good.contains(old), "{old}");
        check("door.toml", Some(good.replace(old, new).as_bytes()), needle);
    }
    let pinless = good
        .replace("pin = 17", "")
        .replace("driver = \"simulated\"", "driver = \"rppal\"");
    check("door.toml", Some(pinless.as_bytes()), "needs a pin");
    check("door.toml", Some(b""), "missing field `bundle`");
    check("door.toml", Some(b"\xFF\xFE"), "door.example.toml");
    check("door.toml", Some(&record()), "door.example.toml");
}

#[test]
fn the_example_configuration_is_valid() {
    let config = Config::read(Path::new("door.example.toml")).unwrap();
    assert_eq!(config.bundle, Path::new("model.bundle"));
    let rppal = fs::read_to_string("door.example.toml")
        .unwrap()
        .replace("\"simulated\"\n", "\"rppal\"\n");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("door.toml"), rppal).unwrap();
    let config = Config::read(&dir.path().join("door.toml")).unwrap();
    assert_eq!(config.door.driver, Driver::Rppal { pin: 17 });
    assert_eq!(config.bundle, dir.path().join("model.bundle"));

    let path = dir.path().join("door.toml");
    let socket = "kind = \"socket\", path = \"claims.sock\"";
    fs::write(&path, example().replace("kind = \"stdin\"", socket)).unwrap();
    let mut source = Config::read(&path).unwrap().claims.unwrap().source;
    assert_eq!(*source.path_mut().unwrap(), dir.path().join("claims.sock"));
}

#[test]
fn a_store_that_cannot_be_used_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let record = EnrollmentRecord::decode(&record()).unwrap();
    let add = |folder: &Path| -> String {
        let added = Store::open(folder).and_then(|store| store.add(&record, true));
        added.unwrap_err().to_string()
    };
    // Root may write to any folder but one that the kernel makes up.
    let error = add(Path::new("/proc/self/fd"));
    assert!(
        error.contains("/proc/self/fd/ada.record: cannot be written"),
        "{error}"
    );

    fs::write(dir.path().join("file"), "x").unwrap();
    assert!(add(&dir.path().join("file")).contains("cannot be used"));
    assert!(add(&dir.path().join("none/people")).contains("No such file"));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let error = add(dir.path());
    assert!(
        error.contains("mode 755") && error.contains("chmod 700"),
        "{error}"
    );
}

#[test]
fn a_store_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let store = Store::open(&folder).unwrap();
    store
        .add(&EnrollmentRecord::decode(&record()).unwrap(), false)
        .unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("ada.record")), 0o600);
    for subject in ["../ada", "", ".ada", "a/b"] {
        assert!(
            store
                .remove(subject)
                .unwrap_err()
                .to_string()
                .contains("letters, digits")
        );
    }
    assert!(folder.join("ada.record").exists());
}

#[test]
fn of_simultaneous_enrollments_of_one_name_one_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let record = EnrollmentRecord::decode(&record()).unwrap();
    Store::open(&folder).unwrap();
    let start = Barrier::new(8);
    let add = || {
        let store = Store::open(&folder).unwrap();
        start.wait();
        store.add(&record, false).is_ok()
    };
    let stored = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
        let stored = threads.into_iter().map(|t| t.join().unwrap());
        stored.filter(|stored| *stored).count()
    });
    assert_eq!(stored, 1);
}

#[test]
fn what_a_killed_enrollment_left_goes_with_the_next_change() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("people");
    let store = Store::open(&folder).unwrap();
    let left = folder.join(".writing-k1LLed");
    let plant = || fs::write(&left, record()).unwrap();
    plant();
    store
        .add(&EnrollmentRecord::decode(&record()).unwrap(), false)
        .unwrap();
    assert!(!left.exists() && folder.join("ada.record").exists());
    plant();
    store.remove("ada").unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    plant();
    assert!(store.remove("ada").is_err() && !left.exists());
}
