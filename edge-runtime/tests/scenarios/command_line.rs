//! The program as a user meets it: output, JSON and exit status.

use crate::bundles::{bundle_of, edited};
use crate::scene::Scene;
use crate::toy_detector::detector;
use edge_runtime::bundle;
use serde_json::Value;
use shared::detector::CellOrder;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_edge-runtime");

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Said {
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap();
        self.lines.iter().map(parse).collect()
    }
}

/// Runs the program in the scene's folder.
pub(crate) fn call(scene: &Scene, arguments: &str) -> Said {
    let mut command = Command::new(PROGRAM);
    command.current_dir(scene.path("."));
    let output = command.args(arguments.split(' ')).output().unwrap();
    Said {
        status: output.status.code().unwrap(),
        lines: String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(Into::into)
            .collect(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn a_person_is_enrolled_listed_and_removed() {
    let mut scene = Scene::new();
    let photos = [scene.shoot("photos", "ada"), scene.shoot("photos", "ada")];
    let photos = photos
        .each_ref()
        .map(|p| format!("photos/{}", name(p)))
        .join(" ");
    let enroll = format!("enroll --json --config door.toml --subject ada {photos}");

    let said = call(&scene, &enroll);
    assert_eq!((said.status, said.errors.as_str()), (0, ""));
    let enrolled = &said.json()[0];
    assert_eq!(
        (
            &enrolled["enrolled"],
            &enrolled["templates"],
            &enrolled["replaced"]
        ),
        (&"ada".into(), &2.into(), &false.into())
    );
    let advice = enrolled["advice"][0].as_str().unwrap();
    assert!(advice.contains("only 2 of 3 photographs"), "{advice}");
    let again = call(&scene, &enroll);
    assert!(
        again.status == 2 && again.errors.contains("--replace"),
        "{}",
        again.errors
    );
    let replaced = call(&scene, &format!("{enroll} --replace"));
    assert_eq!(replaced.json()[0]["replaced"], true);

    let list = call(&scene, "list --json --config door.toml").json();
    assert_eq!(
        (list.len(), &list[0]["subject"], &list[0]["usable"]),
        (1, &"ada".into(), &true.into())
    );
    let removed = call(&scene, "remove --json --config door.toml ada");
    let removed = &removed.json()[0];
    assert_eq!(
        (&removed["removed"], &removed["searched_files"]),
        (&"ada".into(), &3.into())
    );
    assert!(removed["searched_bytes"].as_u64().unwrap() > 10_000);
    assert_eq!(call(&scene, "remove --config door.toml ada").status, 2);
    assert!(
        call(&scene, "list --json --config door.toml")
            .lines
            .is_empty()
    );
}

#[test]
fn a_run_tells_every_event() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    (0..2).for_each(|_| drop(scene.shoot("frames", "ada")));
    let run = call(&scene, "run --json --config door.toml");
    let events: Vec<_> = run
        .json()
        .iter()
        .map(|e| e["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        events,
        [
            "started", "frame", "released", "frame", "relocked", "stopped"
        ]
    );
    assert_eq!((run.status, &run.json()[1]["lock"]), (0, &"locked".into()));
    let text = call(&scene, "run --config door.toml --claim ada");
    assert!(
        text.lines
            .iter()
            .any(|line| line.contains("RELEASED for ada"))
    );
}

#[test]
fn verify_answers_by_its_exit_status() {
    let mut scene = Scene::new();
    let [a, b, other] = ["ada", "ada", "ben"].map(|person| scene.shoot("photos", person));
    let verify = |left: &Path, right: &Path, more: &str| {
        let (left, right) = (name(left), name(right));
        call(
            &scene,
            &format!("verify --json{more} photos/{left} photos/{right}"),
        )
    };
    for source in [" --bundle model.bundle", " --config door.toml"] {
        let (same, others) = (verify(&a, &b, source), verify(&a, &other, source));
        assert_eq!((same.status, others.status), (0, 1));
        assert_eq!(same.json()[0]["match"], true);
        assert_eq!(others.json()[0]["match"], false);
        assert!((same.json()[0]["threshold"].as_f64().unwrap() - 0.7).abs() < 1e-6);
    }
    // The rate is told with what it was measured on, which is not what is compared here.
    let photos = format!("photos/{} photos/{}", name(&a), name(&b));
    let words = call(&scene, &format!("verify --bundle model.bundle {photos}"))
        .lines
        .concat();
    assert!(
        words.contains("enrolled person's mean with one image, not of two"),
        "{words}"
    );
    let strict = verify(&a, &b, " --bundle model.bundle --false-accept-rate 0.0001").json();
    assert!((strict[0]["threshold"].as_f64().unwrap() - 0.75).abs() < 1e-6);
    let unmeasured = verify(&a, &b, " --bundle model.bundle --false-accept-rate 1e-9");
    assert!(unmeasured.status == 2 && unmeasured.errors.contains("strictest"));
    let impossible = verify(&a, &b, " --bundle model.bundle --false-accept-rate 1.5");
    assert!(impossible.status == 2 && impossible.errors.contains("below 1"));
}

#[test]
fn enrolling_stores_nothing_unless_every_image_is_usable() {
    let mut scene = Scene::new();
    let good = scene.shoot("photos", "ada");
    std::fs::write(scene.path("photos/broken.png"), "x").unwrap();
    image::RgbImage::new(9, 9)
        .save(scene.path("photos/faceless.png"))
        .unwrap();
    let images = format!(
        "photos/{} photos/broken.png photos/faceless.png",
        name(&good)
    );
    let said = call(
        &scene,
        &format!("enroll --json --config door.toml --subject ada {images}"),
    );
    assert_eq!(said.status, 2);
    for needle in [
        "2 of 3 images",
        "nothing was stored",
        "broken.png: neither",
        "faceless.png: no landmarks",
    ] {
        assert!(said.errors.contains(needle), "{}", said.errors);
    }
    assert!(call(&scene, "list --config door.toml").lines.is_empty());
}

#[test]
fn selftest_passes_and_fails() {
    let scene = Scene::new();
    for source in ["--bundle model.bundle", "--config door.toml"] {
        let said = call(&scene, &format!("selftest --json {source}"));
        assert_eq!((said.status, &said.json()[0]["faces"]), (0, &2.into()));
    }
    std::fs::write(scene.path("model.bundle"), "x").unwrap();
    let said = call(&scene, "selftest --bundle model.bundle");
    assert_eq!((said.status, said.lines.len()), (2, 0));
    assert!(
        said.errors
            .starts_with("error: model.bundle: 1 bytes are too few"),
        "{}",
        said.errors
    );
}

#[test]
fn a_bundle_says_where_it_comes_from() {
    let scene = Scene::new();
    let bundle = edited(bundle_of(1), |manifest| {
        manifest.provenance.recipe = "toy".into();
        manifest.provenance.training_log = "3 steps".into();
    });
    bundle::write(&scene.path("model.bundle"), &bundle).unwrap();
    let text = call(&scene, "inspect --bundle model.bundle")
        .lines
        .join("\n");
    for needle in [
        "projection, image and mirror image summed: ",
        "threshold 0.7000: false-match rate 0.001 (100000 pairs)",
        "recipe toy, seed 0",
        "training: 3 steps",
        "no detector",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    let (detector, model) = detector(CellOrder::CellsFirst);
    let bundle = bundle.with_detector(detector, model).unwrap();
    bundle::write(&scene.path("model.bundle"), &bundle).unwrap();
    let text = call(&scene, "inspect --bundle model.bundle")
        .lines
        .join("\n");
    assert!(
        text.contains("detector bright squares: f32, threshold 0.5"),
        "{text}"
    );
    let json = call(&scene, "inspect --bundle model.bundle --json").json();
    assert_eq!(json[0]["detector"]["name"], "bright squares");
    assert_eq!(json[0]["training_log"], "3 steps");
    assert_eq!(json[0]["model"], bundle.manifest().model_digest.to_string());
}

#[test]
fn unusable_records_are_listed_and_told() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    scene.shoot("frames", "ada");
    bundle::write(&scene.path("model.bundle"), &bundle_of(2)).unwrap();
    let list = call(&scene, "list --json --config door.toml").json();
    assert_eq!(list[0]["usable"], false);
    assert_eq!(list[0]["subject"], "ada");
    assert!(list[0]["reason"].as_str().unwrap().starts_with("ada: "));
    let run = call(&scene, "run --json --config door.toml").json();
    assert_eq!(run[1]["event"], "record_unusable");

    // What `remove` would not take is not offered.
    std::fs::write(scene.path("people/b b.record"), "x").unwrap();
    let list = call(&scene, "list --json --config door.toml").json();
    assert_eq!(list[1]["subject"], Value::Null);
    let text = call(&scene, "list --config door.toml").lines;
    assert!(text[0].starts_with("ada  not usable: ada: "));
    assert!(text[1].starts_with("?  not usable: people/b b.record"));
    assert_eq!(call(&scene, "remove --config door.toml ada").status, 0);
}

#[test]
fn a_door_that_cannot_start_says_why() {
    let mut scene = Scene::new();
    scene.shoot("frames", "ada");
    scene.configure("false_accept_rate = 0.001", "false_accept_rate = 1e-7");
    let said = call(&scene, "run --json --config door.toml");
    assert_eq!(said.status, 2);
    let events = said.json();
    assert_eq!((events.len(), &events[0]["event"]), (1, &"stopped".into()));
    for told in [events[0]["reason"].as_str().unwrap(), &said.errors] {
        assert!(
            told.contains("measure the model on more impostor pairs"),
            "{told}"
        );
    }
}

#[test]
fn a_door_does_not_start_with_limits_for_a_person_whom_it_does_not_know() {
    let scene = Scene::new();
    scene.add("[access]\ntime_zone = \"UTC\"\npeople.zoe.valid_until = \"2020-01-01\"\n");
    image::RgbImage::new(9, 9)
        .save(scene.path("frames/1.png"))
        .unwrap();
    let said = call(&scene, "run --config door.toml");
    assert_eq!(said.status, 2);
    assert!(
        said.errors.contains("[access.people.zoe]"),
        "{}",
        said.errors
    );
}

#[test]
fn a_signal_stops_the_door() {
    let mut scene = Scene::new();
    (0..3).for_each(|_| drop(scene.shoot("frames", "ada")));
    scene.configure("frames_per_second = 0", "frames_per_second = 0.01");
    let mut door = Command::new(PROGRAM)
        .args(["run", "--json", "--config"])
        .arg(scene.path("door.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(door.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first_frame = lines.find(|line| line.contains(r#""event":"frame""#));
    assert!(first_frame.is_some());
    let kill = Command::new("kill").arg(door.id().to_string()).status();
    assert!(kill.unwrap().success());
    let last = lines.last().unwrap();
    assert!(last.contains("a signal asked for it"), "{last}");
    assert_eq!(door.wait().unwrap().code(), Some(0));
}
