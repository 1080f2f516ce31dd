//! What a device does with releases, on a stage.

mod stage;

use super::links::Link;
use super::*;
use shared::digest::Digest;
use shared::release::Release;
use stage::{CONFIG, PROGRAM, Played, STARTING, Stage};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

#[test]
fn slots_take_turns_and_the_people_stay() {
    let stage = Stage::new();
    let first = stage.deploy(5, "first", Some(CONFIG));
    assert_eq!(first, Some(Verdict::Settled(Slot::A)));
    let store = stage.device.state().join("store");
    let mode = fs::metadata(&store).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::write(store.join("people"), "sealed").unwrap();
    let mine = format!("# mine\n{CONFIG}");
    fs::write(stage.device.config(), &mine).unwrap();

    // The door's own configuration goes on.
    assert_eq!(
        stage.deploy(6, "several", None),
        Some(Verdict::Settled(Slot::B))
    );
    assert_eq!(stage.in_force(), Some(("one".into(), mine)));
    let other = format!("# other\n{CONFIG}");
    assert_eq!(
        stage.deploy(7, "third", Some(&other)),
        Some(Verdict::Settled(Slot::A))
    );
    assert_eq!(stage.in_force(), Some(("third".into(), other)));
    let people = fs::read_to_string(store.join("people")).unwrap();
    assert_eq!(people, "sealed");
    assert_eq!(stage.device.highest(), 7);
    assert_eq!(
        *stage.service.told.borrow(),
        ["restart", "restart", "settle", "restart", "settle"]
    );
}

/// A delivery with something wrong, made when its turn comes: files are shared.
type Wrong = fn(&Stage) -> Delivery;

/// The delivery with another file in the place of one.
fn with(stage: &Stage, name: &str, text: &str) -> (Delivery, PathBuf) {
    let path = stage.folder.path().join(name);
    fs::write(&path, text).unwrap();
    (stage.delivery(6, "new", Some(CONFIG)), path)
}

#[test]
fn what_is_refused_changes_nothing() {
    let rows: [(&str, Wrong); 9] = [
        ("does not run", |s| s.delivery(6, "broken", Some(CONFIG))),
        ("does not run", |s| s.delivery(6, "new", Some("broken"))),
        ("which the release does not name", |s| {
            let (delivery, bundle) = with(s, "other", "unsigned");
            Delivery { bundle, ..delivery }
        }),
        ("which the release does not name", |s| {
            let (delivery, runtime) = with(s, "other", &format!("{PROGRAM}# and more\n"));
            Delivery {
                runtime,
                ..delivery
            }
        }),
        ("not a Facelatch file", |s| {
            let (delivery, release) = with(s, "other", &"x".repeat(100));
            Delivery {
                release,
                ..delivery
            }
        }),
        ("no ed25519 public key", |s| {
            let (delivery, key) = with(s, "other", "x");
            let key = Some(key);
            Delivery { key, ..delivery }
        }),
        ("not signed with the key", |s| {
            let (delivery, release) = with(s, "other", "");
            fs::copy(Stage::new().delivery(6, "new", None).release, &release).unwrap();
            Delivery {
                release,
                ..delivery
            }
        }),
        ("cannot be read", |s| Delivery {
            release: "/nowhere".into(),
            ..s.delivery(6, "new", Some(CONFIG))
        }),
        ("the release is for m68k", |s| {
            let delivery = s.delivery(6, "new", Some(CONFIG));
            let release = Release {
                counter: 6,
                version: "1".into(),
                architecture: "m68k".into(),
                runtime: Digest([0; 32]),
                bundles: vec![Digest([0; 32])],
            };
            s.key.sign(&release, &delivery.release).unwrap();
            delivery
        }),
    ];
    let (fresh, deployed) = (Stage::new(), Stage::new());
    deployed.deploy(5, "old", Some(CONFIG)).unwrap();
    for (complaint, wrong) in rows {
        for (stage, before, idle) in [(&fresh, None, Slot::A), (&deployed, Some("old"), Slot::B)] {
            let idle = stage.device.slot(idle);
            let _filled = fs::remove_dir_all(&idle);
            let error = stage.install(&wrong(stage)).unwrap_err().to_string();
            assert!(error.contains(complaint), "{complaint}: {error}");
            // What is not believed comes into no slot, and is never run.
            assert_eq!(idle.exists(), complaint == "does not run", "{error}");
            let before = before.map(|bundle| (bundle.to_owned(), CONFIG.to_owned()));
            assert_eq!(stage.in_force(), before, "{error}");
        }
    }
    let keyless = Delivery {
        key: None,
        ..fresh.delivery(6, "new", Some(CONFIG))
    };
    let error = fresh.install(&keyless).unwrap_err();
    assert!(matches!(error, DeviceError::NoKey));
    let bare = fresh.delivery(6, "new", None);
    let error = fresh.install(&bare).unwrap_err();
    assert!(matches!(error, DeviceError::NoConfig(_)));
    // None of them was believed, so the right one still is.
    assert_eq!(
        fresh.deploy(1, "new", Some(CONFIG)),
        Some(Verdict::Settled(Slot::A))
    );
}

#[test]
fn an_unhealthy_release_is_taken_out_of_force_with_its_configuration() {
    let stage = Stage::new();
    let error = stage.install(&stage.delivery(4, "unhealthy", Some(CONFIG)));
    assert!(matches!(error, Err(DeviceError::FirstUnhealthy(_))));
    // There it stays, for want of anything else, and the next one takes its place.
    stage.deploy(5, "good", Some(CONFIG)).unwrap();
    let verdict = stage.deploy(6, "unhealthy", Some(&format!("# new\n{CONFIG}")));
    assert!(matches!(verdict, Some(Verdict::Reverted(_, reason)) if reason.contains("failed")));
    assert_eq!(stage.in_force(), Some(("good".into(), CONFIG.into())));
    let status = stage.device.status().unwrap();
    assert_eq!((Some(status.current), status.highest), (status.settled, 5));
    assert!(status.outcome.unwrap().contains("taken out of force"));
    // It was never settled, so an older one than that is none.
    stage.deploy(5, "good again", None).unwrap();
}

#[test]
fn what_the_power_cut_short_is_settled_at_the_next_start() {
    for (bundle, kept) in [("next", "next"), ("unhealthy", "good")] {
        let stage = Stage::new();
        stage.deploy(5, "good", Some(CONFIG)).unwrap();
        // Installed, and nobody was there to settle it.
        let (_, verdict) = stage.install(&stage.delivery(6, bundle, None)).unwrap();
        assert_eq!(verdict, None);
        assert_eq!(stage.device.follow(Link::Settled), Some(Slot::A));
        let turn = STARTING.lock();
        let error = stage.device.roll_back("ada", &stage.service).unwrap_err();
        assert!(matches!(error, DeviceError::Unsettled));
        stage.device.settle(&stage.service).unwrap().unwrap();
        assert_eq!(stage.in_force().unwrap().0, kept);
        assert_eq!(stage.device.settle(&stage.service).unwrap(), None);
        drop(turn);
        // Before the link was moved: as if nothing had been.
        stage.device.point(Link::Current, Slot::A).unwrap();
        stage.device.point(Link::Settled, Slot::A).unwrap();
        assert_eq!(stage.in_force().unwrap().0, "good");
        stage.deploy(7, "third", None).unwrap();
        assert_eq!(stage.in_force().unwrap().0, "third");
    }
}

#[test]
fn what_a_program_leaves_of_a_bundle_must_be_signed_too() {
    let stage = Stage::new();
    stage.deploy(5, "old", Some(CONFIG)).unwrap();
    let error = stage.install(&stage.delivery(6, "swapped", None));
    assert!(matches!(error, Err(DeviceError::NotInRelease { .. })));
    assert_eq!(stage.in_force().unwrap().0, "old");
    let config = fs::metadata(stage.device.slot(Slot::B).join("door.toml"));
    assert_eq!(config.unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_configuration_that_lies_there_is_taken_along_and_never_lost() {
    let stage = Stage::new();
    let path = stage.device.config();
    let mine = format!("# mine\n{CONFIG}");
    let lay = || {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _link = fs::remove_file(&path);
        fs::write(&path, &mine).unwrap();
    };
    lay();
    stage
        .install(&stage.delivery(4, "broken", None))
        .unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    stage.deploy(5, "five", None).unwrap();
    assert!(path.is_symlink());
    assert_eq!(stage.in_force(), Some(("five".into(), mine.clone())));
    // By an editor that writes a new file; and the power is cut before the link is there again.
    lay();
    stage.install(&stage.delivery(6, "six", None)).unwrap();
    lay();
    let _turn = STARTING.lock();
    stage.device.settle(&stage.service).unwrap();
    assert!(path.is_symlink());
    assert_eq!(stage.in_force(), Some(("six".into(), mine)));
}

#[test]
fn releases_do_not_go_back_unless_somebody_says_so() {
    let stage = Stage::new();
    stage.deploy(5, "five", Some(CONFIG)).unwrap();
    stage.deploy(7, "seven", None).unwrap();
    let older = || stage.delivery(6, "six", None);
    let error = stage.install(&older()).unwrap_err().to_string();
    assert!(
        error.contains("release 6 is older than release 7"),
        "{error}"
    );
    stage.deploy(7, "seven again", None).unwrap();

    let allow_older = true;
    let forced = Delivery {
        allow_older,
        ..older()
    };
    stage.install(&forced).unwrap();
    let _turn = STARTING.lock();
    stage.device.settle(&stage.service).unwrap();
    assert_eq!(stage.device.highest(), 7);
    let bundle = stage.device.programs().join("current/model.bundle");
    let (release, note) = crate::release::beside(&bundle, &stage.key.trusted()).unwrap();
    assert_eq!(release.counter, 6);
    let note = note.unwrap();
    assert!(
        note.contains("deployed by ada") && note.contains("older than release 7"),
        "{note}"
    );
}

#[test]
fn another_key_is_not_trusted_any_more() {
    let stage = Stage::new();
    stage.deploy(5, "five", Some(CONFIG)).unwrap();
    let other = Stage::new();
    let error = stage.install(&other.delivery(9, "nine", None)).unwrap_err();
    assert!(matches!(error, DeviceError::OtherKey(_)), "{error}");
    assert_eq!(stage.in_force().unwrap().0, "five");
}

#[test]
fn the_slot_before_comes_back_whole_or_not_at_all() {
    let stage = Stage::new();
    let roll_back = || {
        let _turn = STARTING.lock();
        let (slot, _) = stage.device.roll_back("ben", &stage.service)?;
        stage.device.settle(&stage.service)?;
        Ok::<_, DeviceError>(slot)
    };
    assert!(matches!(roll_back(), Err(DeviceError::Nothing(_))));
    stage.deploy(5, "five", Some(CONFIG)).unwrap();
    assert!(matches!(roll_back(), Err(DeviceError::NoOther { .. })));
    stage
        .deploy(6, "six", Some(&format!("# six\n{CONFIG}")))
        .unwrap();
    assert_eq!(roll_back().unwrap(), Slot::A);
    assert_eq!(stage.in_force(), Some(("five".into(), CONFIG.into())));
    let notes = stage.device.status().unwrap().to_string();
    assert!(notes.contains("put in force again by ben"), "{notes}");
    fs::write(stage.device.slot(Slot::B).join("model.bundle"), "sux").unwrap();
    let error = roll_back().unwrap_err().to_string();
    assert!(error.contains("does not name"), "{error}");
    assert_eq!(stage.in_force().unwrap().0, "five");
    assert!(stage.device.status().unwrap().slots[1].fault.is_some());
}

#[test]
fn one_changes_a_device_at_a_time_and_others_are_told_who() {
    let stage = Stage::new();
    stage.deploy(5, "five", Some(CONFIG)).unwrap();
    let held = stage.device.lock("ada from her desk").unwrap();
    let busy = [
        stage.install(&stage.delivery(6, "six", None)).map(drop),
        stage.device.settle(&stage.service).map(drop),
        stage.device.roll_back("ben", &stage.service).map(drop),
        stage.device.uninstall("ben", &stage.service).map(drop),
    ];
    for refused in busy {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("ada from her desk"), "{error}");
    }
    assert_eq!(stage.in_force().unwrap().0, "five");
    // Whoever settles waits for the one who had it start.
    let device = stage.device.clone();
    let settling = thread::spawn(move || {
        let service = Played {
            device: device.clone(),
            told: RefCell::default(),
        };
        device.settle(&service)
    });
    thread::sleep(Duration::from_millis(100));
    drop(held);
    assert_eq!(settling.join().unwrap().unwrap(), None);
}

#[test]
fn uninstalling_leaves_the_people_and_what_others_laid_there() {
    let stage = Stage::new();
    stage.deploy(5, "five", Some(CONFIG)).unwrap();
    let password = stage.device.config().with_file_name("mqtt.password");
    fs::write(&password, "secret").unwrap();
    let left = stage.device.uninstall("ada", &stage.service).unwrap();
    assert_eq!(
        left,
        [stage.device.state(), password.parent().unwrap().into()]
    );
    assert!(password.exists() && !stage.device.programs().exists());
    assert!(!stage.device.config().is_symlink() && !stage.device.trusted_key().exists());
    let error = stage.device.uninstall("ada", &stage.service).unwrap_err();
    assert!(matches!(error, DeviceError::Nothing(_)));
    assert_eq!(stage.service.told.borrow().last(), Some(&"remove"));
}
