//! The settings of the example, and what they mean.

use crate::bad_input::check;
use edge_runtime::camera;
use edge_runtime::config::Config;
use edge_runtime::door::{Driver, Strike};
use edge_runtime::store::Settings;
use std::fs;
use std::path::Path;

/// The example with every setting on.
pub(crate) fn example() -> String {
    let text = fs::read_to_string("door.example.toml").unwrap();
    let on = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(on).collect()
}

/// The example with another of its tables in the place of `[camera]`.
fn example_with_camera(kind: &str) -> String {
    let example = fs::read_to_string("door.example.toml").unwrap();
    let start = example.find("[camera]").unwrap();
    let end = example.find("[identify]").unwrap();
    let lines = example[start..end].lines();
    let settings: Vec<_> = lines.filter_map(|line| line.strip_prefix("## ")).collect();
    let mut tables = settings.split(|line| line.starts_with("kind = "));
    let mut kinds = settings.iter().filter(|line| line.starts_with("kind = "));
    let wanted = format!("kind = \"{kind}\"");
    let number = kinds.position(|line| **line == wanted).unwrap();
    // What is before the first kind is a table without one.
    let table = tables.nth(number + 1).unwrap().join("\n");
    let camera = format!("[camera]\n{wanted}\n{table}\n");
    example[..start].to_owned() + &camera + &example[end..]
}

#[test]
fn every_camera_of_the_example_is_valid_and_wrong_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("door.toml");
    let read = |toml: &str| {
        fs::write(&path, toml).unwrap();
        Config::read(&path).unwrap().camera
    };
    let files = "files = [\"monday/1.jpg\", \"monday/2.jpg\"]";
    let camera::Settings::List(list) = read(&example_with_camera("list")) else {
        panic!("no list");
    };
    let named = ["monday/1.jpg", "monday/2.jpg"].map(|file| dir.path().join(file));
    assert_eq!(list.files, camera::Files::Named(named.into()));
    let camera::Settings::V4l2(v4l2) = read(&example_with_camera("v4l2")) else {
        panic!("no video device");
    };
    assert_eq!(v4l2.device, Path::new("/dev/video0"));
    assert_eq!(v4l2.picture.rotation, camera::Rotation::Clockwise90);
    let rpicam = example_with_camera("rpicam");
    for (program, found) in [
        (
            "program = \"/usr/bin/rpicam-vid\"",
            "/usr/bin/rpicam-vid".into(),
        ),
        ("program = \"./fake\"", dir.path().join("./fake")),
        ("", "rpicam-vid".into()),
    ] {
        let toml = rpicam.replace("program = \"/usr/bin/rpicam-vid\"", program);
        let camera::Settings::Rpicam(rpicam) = read(&toml) else {
            panic!("no camera of a Pi");
        };
        assert_eq!(rpicam.program, found);
    }
    let size = "width = 640";
    let rate = "frames_per_second = 15";
    let said = "[\"--awb\", \"indoor\"]";
    for (kind, old, new, needle) in [
        ("list", files, "files = []", "files is empty"),
        ("list", files, "", "either files or files_in"),
        (
            "list",
            "files = [",
            "files_in = \"f\"\nfiles = [",
            "either files",
        ),
        ("list", "landmarks", "marks", "unknown field `marks`"),
        ("v4l2", size, "width = 641", "641, expected an even one"),
        ("v4l2", size, "width = 62", "62, expected 64 to 4096"),
        ("v4l2", "height = 480", "height = 5000", "5000, expected 64"),
        ("v4l2", rate, "frames_per_second = 0", "expected 1 to 120"),
        (
            "rpicam",
            rate,
            "frames_per_second = nan",
            "expected 1 to 120",
        ),
        ("rpicam", "rotation = 180", "rotation = 45", "0, 90, 180 or"),
        ("v4l2", "\"yuyv\"", "\"h264\"", "unknown variant `h264`"),
        ("v4l2", "device = ", "path = ", "unknown field `path`"),
        ("rpicam", size, "", "missing field `width`"),
        ("rpicam", said, "[\"-o\", \"f\"]", "\"-o\", which the door"),
        ("rpicam", said, "[\"--width=9\"]", "\"--width=9\", which"),
    ] {
        let good = example_with_camera(kind);
        assert!(good.contains(old), "{old}");
        check("door.toml", Some(good.replace(old, new).as_bytes()), needle);
    }
}

#[test]
fn the_example_configuration_is_valid() {
    let config = Config::read(Path::new("door.example.toml")).unwrap();
    assert_eq!(config.bundle, Path::new("model.bundle"));
    assert_eq!(config.store, Settings::of("people"));
    let rppal = fs::read_to_string("door.example.toml")
        .unwrap()
        .replace("\"simulated\"\n", "\"rppal\"\n");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("door.toml"), rppal).unwrap();
    let config = Config::read(&dir.path().join("door.toml")).unwrap();
    assert_eq!(config.door.driver, Driver::Rppal);
    let relay = config.door.relay;
    assert_eq!((relay.pin, relay.strike), (17, Strike::FailSecure));
    assert_eq!(config.bundle, dir.path().join("model.bundle"));

    let path = dir.path().join("door.toml");
    let socket = "kind = \"socket\", path = \"claims.sock\"";
    fs::write(&path, example().replace("kind = \"stdin\"", socket)).unwrap();
    let mut source = Config::read(&path).unwrap().claims.unwrap().source;
    assert_eq!(*source.path_mut().unwrap(), dir.path().join("claims.sock"));
}

#[test]
fn the_contacts_of_a_door_are_those_that_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("door.toml");
    let read = |toml: &str| {
        fs::write(&path, toml).unwrap();
        Config::read(&path).unwrap().door
    };
    let door = read(&example());
    let folder = Some(dir.path().join("simulated"));
    assert_eq!(door.driver, Driver::Simulated { folder });
    let sensor = door.sensor.unwrap();
    assert!(sensor.relock_when_closed);
    let contacts = [
        sensor.contact,
        door.exit_button.unwrap(),
        door.tamper.unwrap(),
    ];
    assert_eq!(contacts.map(|contact| contact.pin), [27, 22, 23]);
    let cdev = example().replace("driver = \"simulated\"\n", "driver = \"cdev\"\n");
    let chip = "/dev/gpiochip0".into();
    assert_eq!(read(&cdev).driver, Driver::Cdev { chip });

    // As before there were strikes and contacts.
    let plain = fs::read_to_string("door.example.toml").unwrap();
    let door = read(&plain.replace("strike = \"fail-secure\"\n", ""));
    assert_eq!(door.relay.strike, Strike::FailSecure);
    assert!(door.sensor.is_none() && door.exit_button.is_none() && door.tamper.is_none());
}

#[test]
fn a_store_is_a_folder_or_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let example = fs::read_to_string("door.example.toml").unwrap();
    let table = example.find("[store]").unwrap()..example.find("[camera]").unwrap();
    let read = |store: &str, table_of: &str| {
        let mut toml = example.clone();
        toml.replace_range(table.clone(), table_of);
        fs::write(dir.path().join("door.toml"), format!("{store}{toml}")).unwrap();
        Config::read(&dir.path().join("door.toml")).unwrap().store
    };
    let short = read("store = \"p\"\n", "");
    assert_eq!(short, Settings::of(dir.path().join("p")));
    assert_eq!(short, read("", "[store]\nfolder = \"p\"\n"));
    assert_eq!(short.key_path(), dir.path().join("p/store.key"));
    let long = "[store]\nfolder = \"p\"\nkey = \"k\"\nkeep_crops = true\nlog_entries = 100\n";
    let long = read("", long);
    assert_eq!(long.key_path(), dir.path().join("k"));
    assert!(long.keep_crops && long.log_entries == 100);
}
