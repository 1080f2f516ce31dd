//! Several precisions of one network: which a door runs, and whom it still knows under another.

use crate::bundles::{bundle_of, edited, precisions_of};
use crate::command_line::{Said, call};
use crate::scene::Scene;
use edge_runtime::bundle;
use serde_json::{Value, json};
use shared::bundle::{Bundle, Manifest, Precision, SelfTestFace};
use shared::digest::Digest;
use std::fs;

const BYTES: Precision = Precision::Int8Weights;

/// A door with bytes whose people are enrolled with floats, both of one network.
fn enrolled_with_floats(change: fn(&mut Manifest)) -> Scene {
    let both = precisions_of(1);
    let mut scene = Scene::new();
    install(&scene, &both.select(Precision::F32).unwrap());
    ["ada", "ben"].iter().for_each(|p| scene.enroll(p));
    install(&scene, &edited(both.select(BYTES).unwrap(), change));
    scene
}

fn install(scene: &Scene, bundle: &Bundle) {
    bundle::write(&scene.path("model.bundle"), bundle).unwrap();
}

/// What the door tells of two frames of that person; its start first.
fn events(scene: &mut Scene, person: &str) -> Vec<Value> {
    scene.empty("frames");
    (0..2).for_each(|_| drop(scene.shoot("frames", person)));
    let ran = call(scene, "run --json --config door.toml");
    assert_eq!(ran.status, 0, "{}", ran.errors);
    ran.json()
}

fn released(events: &[Value]) -> Option<&Value> {
    let released = events.iter().find(|event| event["event"] == "released");
    released.map(|event| &event["subject"])
}

#[test]
fn people_stay_enrolled_where_another_precision_was_measured_to_do() {
    let mut scene = enrolled_with_floats(|_| ());
    let told = events(&mut scene, "ada");
    let started = &told[0];
    assert_eq!(
        (&started["people"], &started["other_precision"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(released(&told), Some(&json!("ada")));
    assert_eq!(released(&events(&mut scene, "eve")), None);
    // One of them enrolled anew, under the door's own.
    assert_eq!(call(&scene, "remove --config door.toml ben").status, 0);
    scene.enroll("ben");
    for person in ["ada", "ben"] {
        let told = events(&mut scene, person);
        assert_eq!(told[0]["other_precision"], 1);
        assert_eq!(released(&told), Some(&json!(person)));
    }
    let list = call(&scene, "list --json --config door.toml").json();
    let column = |name: &str| list.iter().map(|l| l[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("usable"), [true, true]);
    assert_eq!(column("other_precision"), [json!("f32"), Value::Null]);
    let list = call(&scene, "list --config door.toml").lines;
    assert_eq!(list[0], "ada  3 templates of precision f32");
    let log = call(&scene, "audit --config door.toml").lines.concat();
    assert!(
        log.contains("2 people, 1 of them under another precision"),
        "{log}"
    );
}

#[test]
fn people_must_be_enrolled_anew_where_it_was_not_measured_or_costs_too_much() {
    let check = |change: fn(&mut Manifest)| {
        let mut scene = enrolled_with_floats(change);
        let told = events(&mut scene, "ada");
        let unusable = told.iter().filter(|e| e["event"] == "record_unusable");
        let reasons: Vec<_> = unusable.map(|e| e["reason"].to_string()).collect();
        assert!(
            reasons.len() == 2 && reasons[0].contains("enroll again"),
            "{reasons:?}"
        );
        let started = told.iter().find(|e| e["event"] == "started").unwrap();
        assert_eq!(
            (&started["people"], &started["other_precision"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(released(&told), None);
        let list = call(&scene, "list --config door.toml").lines;
        assert!(list[0].starts_with("ada  not usable"), "{list:?}");
        // Enrolled anew, they come in.
        for person in ["ada", "ben"] {
            assert_eq!(
                call(&scene, &format!("remove --config door.toml {person}")).status,
                0
            );
            scene.enroll(person);
        }
        assert_eq!(released(&events(&mut scene, "ada")), Some(&json!("ada")));
    };
    check(|m| m.comparable.clear());
    check(|m| m.comparable[0].operating_points[2].fnmr += 0.02);
    check(|m| m.comparable[0].operating_points.truncate(2));
    // Measured of another network.
    check(|m| m.comparable[0].model = bundle_of(2).manifest().model_digest);
}

#[test]
fn the_threshold_is_raised_to_what_the_other_precision_needs() {
    let mut scene = enrolled_with_floats(|m| {
        let points = &mut m.comparable[0].operating_points;
        points.iter_mut().for_each(|p| p.threshold = 1.05);
    });
    let threshold = |event: &Value| event["threshold"].as_f64().unwrap();
    // The rate is 0.001 over two people, so the point is that of 1e-4.
    let told = events(&mut scene, "ada");
    assert!((threshold(&told[0]) - 1.05).abs() < 1e-6);
    assert_eq!(released(&told), None, "no cosine is so high");
    let claimed = call(&scene, "run --json --config door.toml --claim ada");
    assert_eq!(released(&claimed.json()), None, "nor at a claim");
    for person in ["ada", "ben"] {
        assert_eq!(
            call(&scene, &format!("remove --config door.toml {person}")).status,
            0
        );
        scene.enroll(person);
    }
    let told = events(&mut scene, "ada");
    assert!((threshold(&told[0]) - 0.75).abs() < 1e-6);
    assert_eq!(released(&told), Some(&json!("ada")));
}

#[test]
fn people_come_from_a_door_with_another_precision_where_that_was_measured() {
    let check = |change: fn(&mut Manifest), expected: i32| {
        let both = precisions_of(1);
        let mut from = Scene::new();
        install(&from, &both.select(Precision::F32).unwrap());
        from.enroll("ada");
        let mut to = Scene::new();
        install(&to, &edited(both.select(BYTES).unwrap(), change));
        let file = to.path("ada.people");
        let export = format!("export --config door.toml --to {} ada", file.display());
        assert_eq!(call(&from, &export).status, 0);
        let said = call(&to, "import --config door.toml ada.people");
        assert_eq!(said.status, expected, "{}", said.errors);
        if expected == 0 {
            assert_eq!(released(&events(&mut to, "ada")), Some(&json!("ada")));
        } else {
            assert!(
                said.errors.contains("enrolled under model"),
                "{}",
                said.errors
            );
        }
    };
    check(|_| (), 0);
    check(|m| m.comparable.clear(), 2);
}

fn select(scene: &Scene) -> Said {
    call(
        scene,
        "select --json --config door.toml --out chosen.bundle",
    )
}

/// False-non-match rates at the door's rate, of bytes and floats.
fn with_rates(rates: [f64; 2]) -> Bundle {
    let both = precisions_of(1);
    let alone = |precision, fnmr: f64| {
        edited(both.select(precision).unwrap(), |m| {
            m.operating_points.iter_mut().for_each(|p| p.fnmr = fnmr);
        })
    };
    let [bytes, floats] = rates;
    let floats = alone(Precision::F32, floats);
    alone(BYTES, bytes).with_alternative(floats).unwrap()
}

#[test]
fn the_precision_that_does_what_is_asked_for_is_taken_out() {
    let check = |rates, chosen: Precision, verdicts: [&str; 2]| {
        let scene = Scene::new();
        scene.configure(
            "[identify]",
            "[identify]\nhighest_false_non_match_rate = 0.05",
        );
        install(&scene, &with_rates(rates));
        let said = select(&scene);
        assert_eq!((said.status, said.errors.as_str()), (0, ""));
        let told = &said.json()[0];
        assert_eq!(told["selected"], json!(chosen));
        for (line, verdict) in told["precisions"].as_array().unwrap().iter().zip(verdicts) {
            assert!(line["verdict"].to_string().contains(verdict), "{line}");
            assert!(line["embed_ms"].as_f64().unwrap() > 0.0);
        }
        let written = bundle::read(&scene.path("chosen.bundle")).unwrap();
        assert_eq!(written.precisions().collect::<Vec<_>>(), [chosen]);
        bundle::load(&scene.path("chosen.bundle")).unwrap();
    };
    check([0.2, 0.01], Precision::F32, ["0.2000 at", "chosen"]);
    check([0.05, 0.0501], BYTES, ["chosen", "0.0501 at"]);
}

#[test]
fn the_people_of_the_store_count_and_whom_a_precision_does_not_take_is_told() {
    let both = precisions_of(1);
    let choice = |change: fn(&mut Manifest), more: &str| {
        let scene = enrolled_with_floats(|_| ());
        scene.add(more);
        let bytes = edited(both.select(BYTES).unwrap(), change);
        let floats = both.select(Precision::F32).unwrap();
        install(&scene, &bytes.with_alternative(floats).unwrap());
        let said = select(&scene);
        assert_eq!((said.status, said.errors.as_str()), (0, ""));
        said.json()[0]["precisions"].clone()
    };
    // The rate is 0.001 over two people, so the point is that of 1e-4.
    let told = choice(|_| (), "");
    for line in told.as_array().unwrap() {
        assert_eq!(
            (&line["false_match_rate"], &line["enroll_anew"]),
            (&json!(1e-4), &json!(0))
        );
    }
    let told = choice(|m| m.comparable.clear(), "");
    assert_eq!(
        (&told[0]["enroll_anew"], &told[1]["enroll_anew"]),
        (&json!(2), &json!(0))
    );
    let digest = Digest::of(b"sea-salt1234");
    let claims = format!(
        "[claims]\nsource = {{ kind = \"stdin\" }}\nlasts_ms = 9000\nrequired = true\n\
         salt = \"sea-salt\"\n[access.people]\nada.claim_sha256 = \"{digest}\"\n"
    );
    assert_eq!(choice(|_| (), &claims)[0]["false_match_rate"], 1e-3);
}

#[test]
fn nothing_is_written_where_no_precision_does() {
    let check = |bundle: &Bundle, asked: &str, arguments: &str, needles: [&str; 2]| {
        let scene = Scene::new();
        scene.configure("[identify]", &format!("[identify]\n{asked}"));
        install(&scene, bundle);
        let command = "select --config door.toml --out chosen.bundle";
        let said = call(&scene, &format!("{command}{arguments}"));
        assert_eq!((said.status, said.lines.len()), (2, 0));
        for needle in needles {
            assert!(said.errors.contains(needle), "{}", said.errors);
        }
        assert!(!scene.path("chosen.bundle").exists());
    };
    let asked = "highest_false_non_match_rate = 0.05";
    let misses = ["int8-weights", "f32"];
    check(&with_rates([0.2, 0.3]), asked, "", misses);
    check(&with_rates([0.2, 0.3]), asked, "", ["0.2000", "0.3000"]);
    let many = ["over 1000 people", "strictest is 1.0e-4"];
    check(&precisions_of(1), "", " --people 1000", many);
    // One precision, of which something is asked.
    let one = with_rates([0.2, 0.0]).select(BYTES).unwrap();
    check(&one, asked, "", ["none of its precisions", "0.2000"]);
}

#[test]
fn a_bundle_of_one_precision_is_taken_as_it_is() {
    let scene = Scene::new();
    assert_eq!(select(&scene).status, 0);
    let [before, after] =
        ["model.bundle", "chosen.bundle"].map(|f| fs::read(scene.path(f)).unwrap());
    assert_eq!(before, after);
}

/// Both, the floats with self-test faces of another network.
fn with_broken_floats() -> Bundle {
    let both = precisions_of(1);
    let other = bundle_of(9);
    let broken = edited(both.select(Precision::F32).unwrap(), |m| {
        let recorded = other.manifest().self_test.iter().zip(&m.self_test);
        let mixed = recorded.map(|(wrong, own)| {
            let face = own.face(&m.input).unwrap();
            SelfTestFace::new(&face, wrong.embedding().clone())
        });
        m.self_test = mixed.collect();
    });
    both.select(BYTES)
        .unwrap()
        .with_alternative(broken)
        .unwrap()
}

#[test]
fn a_precision_that_computes_something_else_here_is_not_taken() {
    let scene = Scene::new();
    install(&scene, &with_broken_floats());
    let told = &select(&scene).json()[0];
    assert_eq!(told["selected"], "int8-weights");
    let floats = &told["precisions"][1];
    assert!(floats["embed_ms"].is_null());
    assert!(
        floats["verdict"].to_string().contains("another embedding"),
        "{floats}"
    );
    let said = call(&scene, "selftest --bundle model.bundle");
    assert_eq!((said.status, said.lines.len()), (2, 1));
    assert!(said.errors.contains("precision f32: "), "{}", said.errors);
    let said = call(&scene, "bench --json --frames 5 --bundle model.bundle");
    let told = &said.json()[0];
    assert_eq!(told["fastest"], "int8-weights");
    assert!(
        told["precisions"][1]["fault"]
            .to_string()
            .contains("another embedding")
    );
}

#[test]
fn precisions_are_timed_beside_each_other() {
    let scene = Scene::new();
    install(&scene, &precisions_of(1));
    let said = call(&scene, "bench --json --frames 10 --bundle model.bundle");
    assert_eq!((said.status, said.errors.as_str()), (0, ""));
    let told = &said.json()[0];
    let rows = told["precisions"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| &row["precision"]).collect();
    assert_eq!(names, ["int8-weights", "f32"]);
    let ms = |row: &Value| row["embed_ms"].as_f64().unwrap();
    let shortest = rows.iter().map(ms).fold(f64::INFINITY, f64::min);
    let as_fast = rows.iter().find(|row| ms(row) <= 1.05 * shortest);
    assert_eq!(told["fastest"], as_fast.unwrap()["precision"]);
    for row in rows {
        for name in [
            "embed_ms",
            "model_kib",
            "start_ms",
            "resident_mib",
            "peak_mib",
        ] {
            assert!(row[name].as_f64().unwrap() > 0.0, "{name} of {row}");
        }
        assert!(row["fault"].is_null());
    }
    assert!(rows[0]["model_kib"].as_f64() < rows[1]["model_kib"].as_f64());
    let text = call(&scene, "bench --frames 5 --bundle model.bundle").lines;
    assert!(text.last().unwrap().starts_with("fastest here"), "{text:?}");
    // One of them as if it were alone, and one that is not there.
    let one = "bench --json --frames 5 --bundle model.bundle --precision";
    let said = call(&scene, &format!("{one} f32"));
    assert!(said.status == 0 && said.json()[0]["precisions"].is_null());
    let said = call(&scene, &format!("{one} f16"));
    let expected = "no precision f16; it has int8-weights, f32";
    assert!(
        said.status == 2 && said.errors.contains(expected),
        "{}",
        said.errors
    );
}

#[test]
fn a_door_with_a_bundle_of_several_runs_the_first() {
    let mut scene = Scene::new();
    install(&scene, &precisions_of(1));
    scene.enroll("ada");
    let told = events(&mut scene, "ada");
    assert_eq!(
        told[0]["model"],
        bundle_of(1).manifest().model_digest.to_string()
    );
    assert_eq!(released(&told), Some(&json!("ada")));
}
