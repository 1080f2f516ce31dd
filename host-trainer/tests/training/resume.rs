//! A training that is interrupted, and what leaves it as it would be.

use super::*;

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
    // JSON's numbers are read to the last bit but one.
    for (again, figure) in told().into_iter().zip(first) {
        assert!(
            figure > 0.0 && (again / figure - 1.0).abs() < 1e-12,
            "{again} {figure}"
        );
    }
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
