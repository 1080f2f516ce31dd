//! The program as it is deployed: signed, installed on a simulated device, run from there.

use crate::bundles::precisions_of;
use crate::command_line::{PROGRAM, Said, call, name};
use crate::scene::Scene;
use edge_runtime::bundle;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const IN_FORCE: &str = "device/opt/facelatch/current/model.bundle";
const RUN: &str = "run --json --config device/etc/facelatch/door.toml --trusted-key device/etc/facelatch/release.pub";

/// A scene with a key, and a configuration whose bundle is the one in force on the device.
fn signed_scene() -> Scene {
    let scene = Scene::new();
    let relative = "bundle = \"../../opt/facelatch/current/model.bundle\"";
    scene.configure("bundle = \"model.bundle\"", relative);
    let frames = format!("path = {:?}", scene.path("frames"));
    scene.configure("path = \"frames\"", &frames);
    scene.configure(
        "store = \"people\"",
        "store = \"../../var/lib/facelatch/store\"",
    );
    bundle::write(&scene.path("model.bundle"), &precisions_of(1)).unwrap();
    done(call(&scene, "release keys --out release.key"));
    scene
}

fn done(said: Said) -> Said {
    assert_eq!(said.status, 0, "{}", said.errors);
    said
}

fn sign(scene: &Scene, counter: u64) {
    let words = format!(
        "release sign --key release.key --runtime {PROGRAM} --bundle model.bundle --counter {counter} --out release"
    );
    done(call(scene, &words));
}

fn install(scene: &Scene, more: &str) -> Said {
    let words = format!(
        "device install --root device --release release --runtime {PROGRAM} --bundle model.bundle --key release.pub --by grace{more}"
    );
    call(scene, &words)
}

#[test]
fn a_signed_release_is_installed_and_run() {
    let mut scene = signed_scene();
    let mode = fs::metadata(scene.path("release.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    sign(&scene, 5);
    let shown = done(call(
        &scene,
        "release show --key release.pub --json release",
    ))
    .json();
    // The whole, and each precision alone.
    assert_eq!(shown[0]["bundles"].as_array().unwrap().len(), 3);
    done(install(&scene, " --config door.toml"));
    let installed = bundle::read(&scene.path(IN_FORCE)).unwrap();
    assert_eq!(installed.precisions().count(), 1);

    let photos = [(); 3].map(|()| scene.shoot("photos", "ada"));
    let photos = photos.each_ref().map(|p| format!("photos/{}", name(p)));
    let enroll = format!(
        "enroll --config device/etc/facelatch/door.toml --subject ada {}",
        photos.join(" ")
    );
    done(call(&scene, &enroll));
    (0..2).for_each(|_| drop(scene.shoot("frames", "ada")));
    let ran = done(call(&scene, RUN)).json();
    let told = ran
        .iter()
        .find(|event| event["event"] == "release_in_force");
    assert_eq!(told.unwrap()["release"], 5);
    assert!(ran.iter().any(|event| event["event"] == "released"));
    let log = call(&scene, "audit --config device/etc/facelatch/door.toml").lines;
    assert!(log.concat().contains("deployed by grace"), "{log:?}");

    let told = done(call(&scene, &format!("{RUN} --no-names")))
        .lines
        .concat();
    assert!(told.contains("\"event\":\"released\"") && !told.contains("ada"));
    assert!(!told.contains("\"event\":\"frame\""));

    // The people are there after the next one, and after going back.
    sign(&scene, 6);
    done(install(&scene, ""));
    assert!(
        done(call(&scene, RUN))
            .lines
            .concat()
            .contains("\"release\":6")
    );
    done(call(&scene, "device rollback --root device --by ben"));
    let ran = done(call(&scene, RUN)).lines.concat();
    assert!(ran.contains("put in force again by ben") && ran.contains("\"event\":\"released\""));
    let status = done(call(&scene, "device status --root device --json")).json();
    assert_eq!(
        (&status[0]["current"], &status[0]["highest"]),
        (&"slot-a".into(), &6.into())
    );
}

#[test]
fn only_what_was_signed_is_run() {
    let scene = signed_scene();
    sign(&scene, 5);
    done(install(&scene, " --config door.toml"));
    let release = scene.path("device/opt/facelatch/current/release");
    let (good, signed) = (
        fs::read(scene.path(IN_FORCE)).unwrap(),
        fs::read(&release).unwrap(),
    );
    let refused = |complaint: &str| {
        let ran = call(&scene, RUN);
        assert!(ran.status == 2 && ran.errors.contains(complaint), "{ran:?}");
        assert!(
            ran.lines.concat().contains("\"event\":\"stopped\""),
            "{ran:?}"
        );
    };
    // Another network, which alone is as good as any.
    let other = precisions_of(2);
    bundle::write(&scene.path(IN_FORCE), &other).unwrap();
    refused("does not name");
    fs::write(scene.path(IN_FORCE), &good).unwrap();
    fs::remove_file(&release).unwrap();
    refused("cannot be read");
    let mut forged = signed.clone();
    forged[30] ^= 1;
    fs::write(&release, &forged).unwrap();
    refused("checksum");
    fs::write(&release, &signed).unwrap();
    done(call(&scene, "release keys --out other.key"));
    fs::copy(
        scene.path("other.pub"),
        scene.path("device/etc/facelatch/release.pub"),
    )
    .unwrap();
    refused("not signed with the key");
}

#[test]
fn what_is_not_right_is_not_installed() {
    let scene = signed_scene();
    let refused = |said: Said, complaint: &str| {
        assert!(
            said.status == 2 && said.errors.contains(complaint),
            "{said:?}"
        );
        assert!(!scene.path(IN_FORCE).exists());
    };
    refused(
        install(&scene, " --config door.toml"),
        "release: cannot be read",
    );
    sign(&scene, 5);
    refused(install(&scene, ""), "needs a configuration");
    // The new program reads the configuration, as the door will.
    fs::write(scene.path("bad.toml"), "bundle = 3\n").unwrap();
    refused(install(&scene, " --config bad.toml"), "door.example.toml");
    let door = fs::read_to_string(scene.path("door.toml")).unwrap();
    let other = door.replace("current/", "slot-a/");
    fs::write(scene.path("bad.toml"), other).unwrap();
    refused(install(&scene, " --config bad.toml"), "names the bundle");
    let again = call(&scene, "release keys --out release.key");
    assert!(again.status == 2 && again.errors.contains("is there already"));
    fs::set_permissions(scene.path("release.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = call(
        &scene,
        &format!(
            "release sign --key release.key --runtime {PROGRAM} --bundle model.bundle --out r"
        ),
    );
    assert!(
        open.status == 2 && open.errors.contains("mode is 644"),
        "{open:?}"
    );
}
