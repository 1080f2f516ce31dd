//! The program as a person runs it: train, stop, go on, and everything that can go wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod integers;
mod photographs;
mod precisions;
mod resume;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A recipe that ends in seconds.
fn recipe(dir: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/demo.toml");
    let text = std::fs::read_to_string(demo).unwrap();
    let mut tables: toml::Table = text.parse().unwrap();
    let mut set = |table: &str, key: &str, value: toml::Value| {
        tables[table]
            .as_table_mut()
            .unwrap()
            .insert(key.into(), value);
    };
    set("data", "people", 12.into());
    set("data", "pictures", 4.into());
    set("data", "held_out", 0.4.into());
    set("backbone", "embedding_len", 16.into());
    set("backbone", "width", 0.125.into());
    let steps = "jitter = { probability = 0.5, max_rotation_deg = 9.0, max_scale = 0.1, max_shift_px = 3.0 }
        low_light = { probability = 0.5, darkest = 0.3, max_noise = 9.0 }
        jpeg = { probability = 0.5, quality = [30, 90] }";
    for (step, table) in steps.parse::<toml::Table>().unwrap() {
        set("augmentation", &step, table);
    }
    set("training", "batch_size", 8.into());
    set("training", "steps", 6.into());
    set("training", "checkpoint_every", 2.into());
    let path = dir.join("recipe.toml");
    std::fs::write(&path, change(tables.to_string())).unwrap();
    path
}

fn trainer(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .env("OMP_NUM_THREADS", "1");
    command
}

fn train(dir: &Path, recipe: &Path, out: &str) -> Output {
    let paths = [
        "--config".as_ref(),
        recipe,
        "--out".as_ref(),
        &dir.join(out),
    ];
    trainer(dir).arg("train").args(paths).output().unwrap()
}

/// All that a training has: weights, statistics of batch norm, velocities, averages. Not the file's
/// bytes: the order of the entries in its header is the library's.
fn tensors(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let named = tensors.iter();
    named
        .map(|(name, tensor)| (name.into(), tensor.data().into()))
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_leaves_bundles_figures_and_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let ran = train(dir.path(), &recipe(dir.path(), |r| r), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let file = |name: &str| dir.path().join("run").join(name);
    for name in ["model.bundle", "model-f32.bundle"] {
        let bundle = edge_runtime::bundle::read(&file(name)).unwrap();
        let network = edge_runtime::network::Network::load(&bundle).unwrap();
        edge_runtime::bundle::self_test(&network, bundle.manifest()).unwrap();
        let origin = &bundle.manifest().provenance;
        assert!(origin.recipe_toml.contains("am-softmax"));
        assert!(origin.training_log.contains(" steps with "));
    }
    let json =
        |name| serde_json::from_slice::<serde_json::Value>(&std::fs::read(file(name)).unwrap());
    assert!(json("evaluation.json").unwrap()["quantized"]["eer"].is_f64());
    assert_eq!(json("run.json").unwrap()["recipe"], "demo");
    assert!(
        std::fs::read_to_string(file("report.html"))
            .unwrap()
            .contains("<svg")
    );
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let wild = recipe(dir.path(), |r| {
        r.replace("learning_rate = 0.1", "learning_rate = 1e30")
    });
    let ran = train(dir.path(), &wild, "run");
    assert!(!ran.status.success());
    assert!(
        stderr(&ran).contains("not finite at step 2"),
        "{}",
        stderr(&ran)
    );
    for name in ["model.bundle", "checkpoint.safetensors"] {
        assert!(!dir.path().join("run").join(name).exists());
    }
    let named = std::fs::read_to_string(dir.path().join("run/not-finite.json")).unwrap();
    assert_eq!(named.matches("p0000").count(), 8, "{named}");
}

#[test]
fn a_network_learns_from_another_that_is_run_once() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        train(dir.path(), &recipe(dir.path(), |r| r), "teacher")
            .status
            .success()
    );
    let file = |name: &str| dir.path().join(name);
    let learning = |teacher: &str, embedding_len: usize| {
        let table = format!(
            "\n[distillation]\nteacher = \"{teacher}\"\nmirror_sum = false\nweight = 10.0\n\
             classification_weight = 0.0\n[distillation.input]\npixel_order = \"rgb\"\n\
             mean = [128.0, 128.0, 128.0]\nstd = [128.0, 128.0, 128.0]\n"
        );
        let len = format!("embedding_len = {embedding_len}");
        recipe(dir.path(), |r| {
            r.replace("embedding_len = 16", &len) + &table
        })
    };
    let model = file("teacher/model-f32.onnx").display().to_string();
    for (teacher, len, needle) in [
        ("nowhere.onnx", 16, "nowhere.onnx"),
        (file("recipe.toml").to_str().unwrap(), 16, "recipe.toml"),
        (model.as_str(), 24, "must be those of the recipe's backbone"),
    ] {
        let ran = train(dir.path(), &learning(teacher, len), "student");
        let message = stderr(&ran);
        assert!(
            !ran.status.success() && message.contains(needle),
            "{message}"
        );
    }
    let kept = || {
        let cache = std::fs::read_dir(dir.path().join("cache/facelatch/faces")).unwrap();
        let files = cache.map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|e| e == "teacher"))
            .count()
    };
    assert_eq!(kept(), 0);
    let ran = train(dir.path(), &learning(&model, 16), "student");
    assert!(ran.status.success(), "{}", stderr(&ran));
    assert_eq!(kept(), 1);
    // One minus a cosine, times ten, and no cross-entropy of seven people beside it.
    let metrics = std::fs::read_to_string(file("student/metrics.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    let loss = line["loss"].as_f64().unwrap();
    assert!((0.0..20.0).contains(&loss), "{loss}");
    // Damage to what was kept is told, and nothing is learned from it.
    let path = std::fs::read_dir(dir.path().join("cache/facelatch/faces")).unwrap();
    let mut path = path
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().unwrap() == "teacher");
    let path = path.next().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let ran = train(dir.path(), &learning(&model, 16), "student");
    let message = stderr(&ran);
    assert!(
        !ran.status.success() && message.contains("delete that file"),
        "{message}"
    );
}
