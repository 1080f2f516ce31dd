//! People on their way to another door, and to another model.

use crate::bundles::bundle_of;
use crate::command_line::{Said, call, name};
use crate::scene::{Scene, snapshot};
use edge_runtime::bundle;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Two doors of one bundle; at the first two people are enrolled.
fn doors() -> (Scene, Scene) {
    let mut first = Scene::new();
    ["ada", "ben"]
        .iter()
        .for_each(|person| first.enroll(person));
    (first, Scene::new())
}

fn carry(from: &Scene, to: &Scene) -> Said {
    let said = call(
        from,
        "export --json --config door.toml --to all.people ada ben",
    );
    assert_eq!((said.status, said.errors.as_str()), (0, ""));
    for file in ["all.people", "all.people.key"] {
        let mode = fs::metadata(from.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::copy(from.path(file), to.path(file)).unwrap();
    }
    call(to, "import --json --config door.toml all.people")
}

#[test]
fn nobody_is_added_for_whom_the_door_has_no_threshold() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    scene.configure("false_accept_rate = 0.001", "false_accept_rate = 0.00015");
    let [one, two] = [0; 2].map(|_| scene.shoot("photos", "ben"));
    let photos = format!("photos/{} photos/{}", name(&one), name(&two));
    let mut other = Scene::new();
    other.enroll("ben");
    let file = scene.path("ben.people");
    let export = format!("export --config door.toml --to {} ben", file.display());
    assert_eq!(call(&other, &export).status, 0);
    for command in [
        format!("enroll --config door.toml --subject ben {photos}"),
        "import --config door.toml ben.people".into(),
    ] {
        let said = call(&scene, &command);
        assert_eq!(said.status, 2, "{}", said.errors);
        assert!(said.errors.contains("over 2 people"), "{}", said.errors);
        assert_eq!(call(&scene, "list --config door.toml").lines.len(), 1);
    }
    // Whoever is enrolled anew is nobody more.
    let enroll = format!("enroll --config door.toml --replace --subject ada {photos}");
    assert_eq!(call(&scene, &enroll).status, 0);
}

#[test]
fn people_go_to_another_door() {
    let (first, mut second) = doors();
    (0..2).for_each(|_| drop(second.shoot("frames", "ben")));
    let said = carry(&first, &second);
    assert_eq!((said.status, said.errors.as_str()), (0, ""));
    assert_eq!(said.lines, [r#"{"imported":["ada","ben"],"replaced":[]}"#]);
    assert_eq!(second.run(None).opened_for(), ["ben"]);
    let plain = first.store().list(bundle_of(1).manifest()).unwrap();
    let plain = plain[0].record.as_ref().unwrap().encode().unwrap();
    let file = fs::read(first.path("all.people")).unwrap();
    for part in [&b"ada"[..], &plain[60..90]] {
        assert!(!file.windows(part.len()).any(|window| window == part));
    }

    // All or nobody.
    second.store().remove("ada").unwrap();
    let again = call(&second, "import --config door.toml all.people");
    assert!(again.status == 2 && again.errors.contains("ben: already enrolled"));
    assert_eq!(call(&second, "list --config door.toml").lines.len(), 1);
    let replaced = call(
        &second,
        "import --json --config door.toml --replace all.people",
    );
    assert_eq!(
        replaced.lines,
        [r#"{"imported":["ada"],"replaced":["ben"]}"#]
    );
}

#[test]
fn what_was_tampered_with_or_is_of_another_model_is_refused() {
    let (first, second) = doors();
    let other_key = {
        let said = call(&first, "export --config door.toml --to ada.people ada");
        assert_eq!(said.status, 0);
        fs::read(first.path("ada.people.key")).unwrap()
    };
    call(&first, "export --config door.toml --to all.people ada ben");
    let file = fs::read(first.path("all.people")).unwrap();
    let key = fs::read(first.path("all.people.key")).unwrap();
    let check = |file: &[u8], key: &[u8], mode: u32, needle: &str| {
        fs::write(second.path("x"), file).unwrap();
        fs::write(second.path("x.key"), key).unwrap();
        fs::set_permissions(second.path("x.key"), Permissions::from_mode(mode)).unwrap();
        let said = call(&second, "import --config door.toml x");
        assert_eq!(said.status, 2);
        assert!(
            said.errors.contains(needle),
            "{}, expected {needle}",
            said.errors
        );
        assert!(call(&second, "list --config door.toml").lines.is_empty());
    };
    let changed = |at: usize| {
        let mut file = file.clone();
        file[at] ^= 1;
        file
    };
    // With the checksum computed again only the seal tells.
    let sealed: serde_bytes::ByteBuf =
        shared::envelope::decode(shared::envelope::Kind::SealedTransfer, &file).unwrap();
    let mut forged = sealed.clone();
    forged[200] ^= 1;
    let forged = shared::envelope::encode(shared::envelope::Kind::SealedTransfer, &forged);
    check(&changed(200), &key, 0o600, "checksum");
    check(
        &forged.unwrap(),
        &key,
        0o600,
        "it was changed, or the key is not the one",
    );
    check(&file[..300], &key, 0o600, "cut off");
    check(
        &file,
        &other_key,
        0o600,
        "it was changed, or the key is not the one",
    );
    check(&file, &key, 0o644, "lets others read the key");
    check(&file, b"", 0o600, "the key is damaged");
    bundle::write(&second.path("model.bundle"), &bundle_of(2)).unwrap();
    check(&file, &key, 0o600, "ada was enrolled under model");

    let there = call(&first, "export --config door.toml --to all.people ada");
    assert!(there.status == 2 && there.errors.contains("there already"));
    let nobody = call(&first, "export --config door.toml --to new.people ada zoe");
    assert!(nobody.status == 2 && nobody.errors.contains("zoe: nobody of that name"));
    assert!(!first.path("new.people").exists() && !first.path("new.people.key").exists());
}

/// Enrolls ada by the program, as the settings are.
fn enroll(scene: &mut Scene) {
    let photos = [scene.shoot("photos", "ada"), scene.shoot("photos", "ada")];
    let photos = photos
        .map(|photo| photo.to_str().unwrap().to_owned())
        .join(" ");
    let said = call(
        scene,
        &format!("enroll --config door.toml --subject ada {photos}"),
    );
    assert_eq!(said.status, 0, "{}", said.errors);
}

#[test]
fn with_kept_crops_a_new_model_needs_no_new_photographs() {
    let mut scene = Scene::new();
    scene.configure(
        "store = \"people\"",
        "store = { folder = \"people\", keep_crops = true }",
    );
    enroll(&mut scene);
    scene.enroll("ben");
    (0..2).for_each(|_| drop(scene.shoot("frames", "ada")));
    for seed in [2, 3] {
        bundle::write(&scene.path("model.bundle"), &bundle_of(seed)).unwrap();
        let list = call(&scene, "list --config door.toml").lines;
        assert!(list[0].starts_with("ada  not usable") && list[1].starts_with("ben  not usable"));
        if seed == 2 {
            let said = call(&scene, "reenroll --json --config door.toml");
            let said = &said.json()[0];
            assert_eq!(said["reenrolled"], serde_json::json!(["ada"]));
            assert_eq!(said["left"][0]["subject"], "ben");
        }
        let run = call(&scene, "run --json --config door.toml");
        let events = run.json();
        assert_eq!(events[0]["event"] == "reembedded", seed == 3);
        let lines = run.lines.concat();
        assert!(lines.contains("\"event\":\"released\""), "{lines}");
        assert!(
            lines.contains("ben: an enrollment cannot be used"),
            "{lines}"
        );
    }
    let lines = call(&scene, "audit --config door.toml").lines.concat();
    assert_eq!(lines.matches("reembedded ada").count(), 2);
}

#[test]
fn crops_are_sealed_and_go_when_they_are_no_longer_wanted() {
    let mut scene = Scene::new();
    scene.configure(
        "store = \"people\"",
        "store = { folder = \"people\", keep_crops = true }",
    );
    enroll(&mut scene);
    scene.shoot("frames", "ada");
    let store_len = || fs::metadata(scene.path("people/store.redb")).unwrap().len();
    let with = store_len();
    scene.configure("keep_crops = true", "keep_crops = false");
    assert_eq!(call(&scene, "run --config door.toml").status, 0);
    assert!(
        store_len() + 2 * 37_632 <= with,
        "{} of {with}",
        store_len()
    );
    let before = snapshot(&scene.path("people"));
    bundle::write(&scene.path("model.bundle"), &bundle_of(2)).unwrap();
    let said = call(&scene, "reenroll --json --config door.toml");
    assert_eq!(said.json()[0]["left"][0]["subject"], "ada");
    assert_eq!(snapshot(&scene.path("people")), before);
}
