//! The program as a person runs it: train, stop, go on, and everything that can go wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
        assert!(
            bundle
                .manifest()
                .provenance
                .recipe_toml
                .contains("am-softmax")
        );
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
fn a_run_that_was_stopped_ends_with_the_same_weights() {
    let dir = tempfile::tempdir().unwrap();
    let whole = recipe(dir.path(), |r| r);
    assert!(train(dir.path(), &whole, "whole").status.success());
    let half = recipe(dir.path(), |r| r.replace("steps = 6", "steps = 4"));
    assert!(train(dir.path(), &half, "parts").status.success());
    let before = std::fs::read(dir.path().join("parts/model.onnx")).unwrap();
    assert!(
        train(dir.path(), &recipe(dir.path(), |r| r), "parts")
            .status
            .success()
    );
    let model = |run: &str| std::fs::read(dir.path().join(run).join("model.onnx")).unwrap();
    assert!(model("parts") == model("whole"));
    assert!(model("parts") != before);
    // Nothing is left to train; how long it took stays true.
    let told = || {
        let run = std::fs::read(dir.path().join("parts/run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
        ["wall_s", "images_per_s"].map(|key| run[key].as_f64().unwrap())
    };
    let first = told();
    assert!(train(dir.path(), &whole, "parts").status.success());
    assert_eq!(told(), first);
    assert!(first.iter().all(|figure| *figure > 0.0), "{first:?}");
}

#[test]
fn validation_leaves_the_training_as_it_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let plain = recipe(dir.path(), |r| r);
    assert!(train(dir.path(), &plain, "plain").status.success());
    let measured = recipe(dir.path(), |r| {
        r.replace("steps = 6", "steps = 6\nvalidate_every = 2")
    });
    let ran = train(dir.path(), &measured, "measured");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let read = |run: &str, name: &str| std::fs::read(dir.path().join(run).join(name)).unwrap();
    let [plain, measured] = ["plain", "measured"].map(|run| tensors(&dir.path().join(run)));
    assert!(plain.len() > 100 && plain == measured);
    let lines = String::from_utf8(read("measured", "metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|l| serde_json::from_str(l).unwrap());
    let eer = |line: serde_json::Value| {
        (
            line["step"].as_u64().unwrap(),
            line["validation_eer"].as_f64().unwrap(),
        )
    };
    let (steps, rates): (Vec<_>, Vec<_>) = lines.map(eer).unzip();
    assert_eq!(steps, [2, 4, 6]);
    assert!(
        rates.iter().all(|eer| *eer > 0.0 && *eer < 1.0),
        "{rates:?}"
    );
    let report = String::from_utf8(read("measured", "report.html")).unwrap();
    assert!(report.contains("Accuracy over time"));
}

#[test]
fn a_run_that_was_killed_ends_with_the_same_weights_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(dir.path(), |r| {
        r.replace(
            "steps = 6",
            "steps = 24\naccumulate = 2\nclass_sample_rate = 0.7",
        )
        .replace("checkpoint_every = 2", "checkpoint_every = 3")
        .replace("[optimizer]", "[optimizer]\naverage_decay = 0.9")
    });
    assert!(train(dir.path(), &recipe, "whole").status.success());
    let file = |run: &str, name: &str| dir.path().join(run).join(name);
    for _ in 0..2 {
        let mut killed = trainer(dir.path())
            .args(["train".as_ref(), "--config".as_ref(), recipe.as_os_str()])
            .args(["--out".as_ref(), dir.path().join("killed").as_os_str()])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let stamp = || std::fs::metadata(file("killed", "checkpoint.safetensors")).ok();
        let written = || stamp().and_then(|m| m.modified().ok());
        let before = written();
        while written() == before {
            assert!(
                killed.try_wait().unwrap().is_none(),
                "it ended before it was killed"
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        killed.kill().unwrap(); // SIGKILL
        assert!(!killed.wait().unwrap().success());
    }
    assert!(!file("killed", "model.bundle").exists());
    assert!(train(dir.path(), &recipe, "killed").status.success());
    let [killed, whole] = ["killed", "whole"].map(|run| tensors(&dir.path().join(run)));
    assert!(killed == whole);
    for name in ["model.onnx", "model-f32.onnx"] {
        let bytes = |run: &str| std::fs::read(file(run, name)).unwrap();
        assert!(bytes("killed") == bytes("whole"), "{name}");
    }
}

#[test]
fn a_checkpoint_of_another_recipe_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        train(dir.path(), &recipe(dir.path(), |r| r), "run")
            .status
            .success()
    );
    let checkpoint = dir.path().join("run/checkpoint.safetensors");
    let before = std::fs::read(&checkpoint).unwrap();
    let other = recipe(dir.path(), |r| r.replace("margin = 0.35", "margin = 0.2"));
    let ran = train(dir.path(), &other, "run");
    assert!(
        !ran.status.success() && stderr(&ran).contains("another recipe"),
        "{}",
        stderr(&ran)
    );
    assert_eq!(std::fs::read(&checkpoint).unwrap(), before);
}

#[test]
fn a_disk_that_fills_up_leaves_the_previous_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let four = recipe(dir.path(), |r| r.replace("steps = 6", "steps = 4"));
    assert!(train(dir.path(), &four, "run").status.success());
    let checkpoint = dir.path().join("run/checkpoint.safetensors");
    let before = std::fs::read(&checkpoint).unwrap();
    let six = recipe(dir.path(), |r| r);
    // A limit on the size of files fails a write as a full disk does: part of it is written, then
    // an error comes. Without SIGXFSZ ignored it would kill.
    let limited = format!(
        "trap '' XFSZ; ulimit -f {}; exec \"$@\"",
        before.len() / 1024 / 2
    );
    let ran = Command::new("bash")
        .args([
            "-c",
            &limited,
            "bash",
            env!("CARGO_BIN_EXE_host-trainer"),
            "train",
            "--config",
        ])
        .args([&six, Path::new("--out"), &dir.path().join("run")])
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .output()
        .unwrap();
    let message = stderr(&ran);
    assert!(!ran.status.success(), "{message}");
    assert!(
        message.contains("checkpoint.safetensors") && message.contains("as it was"),
        "{message}"
    );
    assert_eq!(std::fs::read(&checkpoint).unwrap(), before);
    assert!(train(dir.path(), &six, "run").status.success());
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

#[test]
fn photographs_that_cannot_be_used_are_counted_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data/faces");
    let paths = ["--people", "12", "--pictures", "3", "--out"];
    let made = trainer(dir.path())
        .arg("synthesize")
        .args(paths)
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let image = |name: &str| data.join("images").join(name);
    std::fs::write(image("p000000/0000.png"), b"no image").unwrap();
    let whole = std::fs::read(image("p000001/0000.png")).unwrap();
    std::fs::write(image("p000001/0000.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(image("p000002/0000.png"), b"").unwrap();
    std::fs::copy(image("p000003/0000.png"), image("p000003/extra.png")).unwrap();
    std::fs::remove_file(image("p000004/0000.png")).unwrap();
    std::fs::create_dir(image("p000099")).unwrap();
    std::fs::write(image("loose.png"), b"").unwrap();
    let csv = data.join("landmarks.csv");
    let rows = std::fs::read_to_string(&csv).unwrap();
    let row = rows
        .lines()
        .find(|row| row.starts_with("p000005/0001.png"))
        .unwrap();
    let same = format!("p000005/0001.png,1{}", ",50.0".repeat(10));
    std::fs::write(&csv, rows.replace(row, &same)).unwrap();

    let folders = recipe(dir.path(), |r| {
        let (head, tail) = r.split_once("[data]").unwrap();
        let (_, tail) = tail.split_once("\n[").unwrap();
        format!(
            "{head}[data]\nsource = \"folders\"\nfolders = [\"faces\"]\nheld_out = 0.4\n\n[{tail}"
        )
    });
    let out = dir.path().join("run");
    let ran = trainer(dir.path())
        .args(["train".as_ref(), "--config".as_ref(), folders.as_os_str()])
        .args(["--data".as_ref(), dir.path().join("data").as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .output()
        .unwrap();
    let message = stderr(&ran);
    assert!(ran.status.success(), "{message}");
    for needle in [
        "3 broken images (faces/p000000/0000.png",
        "1 empty folders (faces/p000099)",
        "1 files in no person's folder (faces/loose.png)",
        "1 images without landmarks (faces/p000003/extra.png)",
        "1 images with impossible landmarks (faces/p000005/0001.png)",
        "1 landmarks without an image (faces/p000004/0000.png)",
    ] {
        assert!(message.contains(needle), "{needle} in {message}");
    }
    let left_out = std::fs::read_to_string(out.join("left-out.json")).unwrap();
    assert!(left_out.contains("p000002/0000.png"));
}

#[test]
fn a_recipe_of_photographs_asks_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/web-faces.toml");
    let ran = train(dir.path(), &web, "run");
    assert!(
        !ran.status.success() && stderr(&ran).contains("--data DIR"),
        "{}",
        stderr(&ran)
    );
    let paths = ["--data", "/nowhere", "--config"];
    let out = dir.path().join("run");
    let args = [web.as_path(), Path::new("--out"), &out];
    let ran = trainer(dir.path())
        .arg("train")
        .args(paths)
        .args(args)
        .output()
        .unwrap();
    assert!(
        !ran.status.success() && stderr(&ran).contains("/nowhere/celeb: No such file"),
        "{}",
        stderr(&ran)
    );
    let celeb = dir.path().join("celeb");
    std::fs::create_dir(&celeb).unwrap();
    let ran = trainer(dir.path())
        .args(["train", "--data"])
        .arg(dir.path())
        .arg("--config")
        .args(args)
        .output()
        .unwrap();
    let message = stderr(&ran);
    assert!(
        message.contains("no landmarks.csv in this folder"),
        "{message}"
    );
    assert!(!message.contains("--landmarks"), "{message}");
}
