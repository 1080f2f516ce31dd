//! `evaluate` as a person runs it, on drawn people and a network that was never trained.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use edge_runtime::network::Network;
use host_trainer::backbone::graph::Activation;
use host_trainer::backbone::{Module, mobilefacenet};
use host_trainer::export;
use host_trainer::generator::Generator;
use serde_json::{Value, json};
use shared::bundle::{Bundle, Manifest, Precision, Provenance};
use shared::preprocess::InputSpec;
use std::path::Path;
use std::process::{Command, Output};

/// A folder with `model.bundle`, and pictures of six people, three of each.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(&dir.path().join("model.bundle"));
    let made = Command::new(env!("CARGO_BIN_EXE_host-trainer"))
        .args(["synthesize", "--people", "6", "--pictures", "3", "--out"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    dir
}

fn write_bundle(path: &Path) {
    let generator = Generator::seeded(1);
    let graph = mobilefacenet(0.125, 16, Activation::SharedPrelu);
    let weights = export::weights(&Module::new(graph.clone(), tch::Device::Cpu, &generator));
    let model = export::onnx(&graph, &weights, Precision::F32);
    let input = InputSpec::rgb_128(graph.template());
    let network = Network::from_onnx(&model, &input, 16, false).unwrap();
    let manifest = Manifest {
        backbone: graph.name,
        precision: Precision::F32,
        input,
        embedding_len: 16,
        mirror_sum: false,
        model_digest: network.model(),
        operating_points: vec![],
        self_test: vec![],
        provenance: Provenance::default(),
        comparable: vec![],
    };
    let bundle = Bundle::new(manifest, model).unwrap();
    edge_runtime::bundle::write(path, &bundle).unwrap();
}

/// Picture `i` of the eighteen.
fn image(i: usize) -> String {
    format!("p{:06}/{:04}.png", i / 3, i % 3)
}

fn evaluate(dir: &Path, args: &[&str]) -> Output {
    let bundle = dir.join("model.bundle");
    let images = dir.join("images");
    let paths = [
        "--bundle".as_ref(),
        bundle.as_path(),
        "--images".as_ref(),
        &images,
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    let command = command.current_dir(dir).env("OMP_NUM_THREADS", "1");
    command
        .arg("evaluate")
        .args(paths)
        .args(args)
        .output()
        .unwrap()
}

fn figures(dir: &Path, args: &[&str]) -> (Value, String) {
    let ran = evaluate(dir, &[args, &["--json"]].concat());
    assert!(ran.status.success(), "{}", stderr(&ran));
    let figures = serde_json::from_slice(&ran.stdout).unwrap();
    (figures, stderr(&ran))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn keys(object: &Value) -> String {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys.join(" ")
}

/// Has the keys of one rate, and figures that can be.
fn check_rates(rates: &Value, counts: (u64, u64)) {
    assert_eq!(
        keys(rates),
        "fmr fmr_measured fmr_upper_95 fnmr fnmr_lower_95 fnmr_upper_95 genuine_pairs \
         impostor_pairs threshold"
    );
    let number = |key: &str| rates[key].as_f64().unwrap();
    assert_eq!(
        (&rates["genuine_pairs"], &rates["impostor_pairs"]),
        (&counts.0.into(), &counts.1.into())
    );
    assert!(number("fmr_measured") < number("fmr_upper_95"), "{rates}");
    let between = number("fnmr_lower_95")..=number("fnmr_upper_95");
    assert!(between.contains(&number("fnmr")), "{rates}");
}

#[test]
fn a_list_of_pairs_gives_figures_with_their_bounds() {
    let dir = prepared();
    let mut pairs = String::from("path_a,path_b,same\n");
    for (a, b) in (0..18).flat_map(|a| (0..a).map(move |b| (a, b))) {
        let same = u8::from(a / 3 == b / 3);
        pairs += &format!("{},{},{same}\n", image(a), image(b));
    }
    pairs += &format!("{},absent/0000.png,0\n", image(0));
    std::fs::write(dir.path().join("pairs.csv"), pairs).unwrap();
    let (figures, message) = figures(dir.path(), &["--pairs", "pairs.csv"]);
    assert!(
        message.contains("1 of 154 pairs have no score"),
        "{message}"
    );
    // No accuracy_se: it is of folds, and the list has none.
    assert_eq!(
        keys(&figures),
        "accuracy eer fnmr_at_fmr genuine images_per_s impostor mirror_sum pairs \
         pairs_without_score peak_memory_mb protocol tar threshold unusable_images"
    );
    // One in a thousand of 136 impostor pairs is less than one.
    assert_eq!(keys(&figures["tar"]), "0.01");
    assert_eq!(figures["fnmr_at_fmr"].as_array().unwrap().len(), 1);
    check_rates(&figures["fnmr_at_fmr"][0], (18, 136));
    for (key, value) in [
        ("pairs", 154),
        ("genuine", 18),
        ("impostor", 136),
        ("unusable_images", 1),
        ("pairs_without_score", 1),
    ] {
        assert_eq!(figures[key], value, "{key}");
    }
    for key in ["accuracy", "eer"] {
        let share = figures[key].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{key} {share}");
    }
    assert!(figures["images_per_s"].as_f64().unwrap() > 0.0);
    assert!(figures["peak_memory_mb"].as_f64().unwrap() > 10.0);
    let told = evaluate(dir.path(), &["--pairs", "pairs.csv"]).stdout;
    let told = String::from_utf8(told).unwrap();
    for part in [
        "at FMR 0.01: threshold",
        "136 impostor pairs",
        "18 genuine pairs",
        "optimistic",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn a_blufr_protocol_is_scored_over_its_trials() {
    let dir = prepared();
    let images: Vec<_> = (0..18).map(image).collect();
    let labels: Vec<_> = (0..18).map(|i| i / 3).collect();
    let test: Vec<_> = (0..18).collect();
    let probe: Vec<_> = test.iter().filter(|i| *i % 3 > 0).collect();
    let trial = |gallery: [usize; 3]| json!({"train": [], "test": test, "gallery": gallery, "probe": probe});
    let trials = [trial([0, 3, 6]), trial([9, 12, 15])];
    let protocol = json!({"images": images, "labels": labels, "trials": trials});
    let path = dir.path().join("blufr.json");
    std::fs::write(&path, protocol.to_string()).unwrap();
    let (found, _) = figures(dir.path(), &["--blufr", "blufr.json"]);
    assert_eq!(
        keys(&found),
        "identification images images_per_s mirror_sum peak_memory_mb protocol scoring_s \
         unusable_images verification"
    );
    for (i, far) in [1e-4, 1e-3].into_iter().enumerate() {
        let verification = &found["verification"][i];
        assert_eq!(keys(verification), "far mean mean_minus_std std trials");
        assert_eq!(verification["far"], far);
        // Both trials test the same images.
        assert_eq!(
            (
                verification["trials"].as_array().unwrap().len(),
                &verification["std"]
            ),
            (2, &json!(0.0))
        );
        check_rates(&verification["trials"][1], (18, 135));
    }
    let identification = &found["identification"];
    assert_eq!(
        keys(identification),
        "far mean mean_minus_std rank std trials"
    );
    let trial = &identification["trials"][1];
    assert_eq!(
        (&trial["genuine_probes"], &trial["impostor_probes"]),
        (&6.into(), &6.into())
    );

    let broken = json!({"images": images, "labels": [1], "trials": trials});
    std::fs::write(&path, broken.to_string()).unwrap();
    let ran = evaluate(dir.path(), &["--blufr", "blufr.json"]);
    assert!(!ran.status.success());
    assert!(
        stderr(&ran).contains("1 labels for 18 images"),
        "{}",
        stderr(&ran)
    );
}

#[test]
fn people_are_searched_among_any_distractors() {
    let dir = prepared();
    for picture in 0..4 {
        std::fs::remove_file(
            dir.path()
                .join("images")
                .join(image([13, 14, 16, 17][picture])),
        )
        .unwrap();
    }
    // Four people of three images, two of one.
    let check = |args: &[&str], distractors: u64, among: &str| {
        let (found, _) = figures(dir.path(), &[&["--identify"], args].concat());
        assert_eq!(
            keys(&found),
            "distractors fnmr_at_fmr images_per_s mirror_sum peak_memory_mb people probes protocol \
             ranks search_ms_per_probe_and_million trials unusable_images"
        );
        for (key, value) in [
            ("people", 4),
            ("probes", 12),
            ("trials", 24),
            ("distractors", distractors),
        ] {
            assert_eq!(found[key], value, "{key}, {args:?}");
        }
        assert!(
            found["protocol"].as_str().unwrap().contains(among),
            "{found}"
        );
        let rates: Vec<_> = (0..3)
            .map(|i| found["ranks"][i]["rate"].as_f64().unwrap())
            .collect();
        assert!(
            rates[0] <= rates[1] && rates[1] <= rates[2] && rates[2] <= 1.0,
            "{rates:?}"
        );
        found
    };
    // Among two, everybody is at rank 5.
    let few = check(&[], 2, "people of one image");
    assert_eq!(few["ranks"][1]["rate"], 1.0);
    assert_eq!(few["fnmr_at_fmr"], json!([]));
    // The rows of two images point at nothing.
    check(&["--distractors", "images"], 14, "images of images");
    let many = check(&["--synthetic-distractors", "20000"], 20_000, "synthetic");
    // 240,000 pairs carry down to 1 in 100,000.
    assert_eq!(many["fnmr_at_fmr"].as_array().unwrap().len(), 3);
    check_rates(&many["fnmr_at_fmr"][2], (12, 240_000));
}

#[test]
fn one_thing_is_measured_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let check = |args: &[&str], needle: &str| {
        let ran = evaluate(dir.path(), args);
        assert!(
            !ran.status.success() && stderr(&ran).contains(needle),
            "{}",
            stderr(&ran)
        );
    };
    check(&[], "--identify");
    check(&["--pairs", "a", "--blufr", "b"], "cannot be used with");
    check(
        &["--pairs", "a", "--distractors", "b"],
        "cannot be used with",
    );
    check(
        &[
            "--identify",
            "--distractors",
            "a",
            "--synthetic-distractors",
            "1",
        ],
        "cannot be used with",
    );
}
