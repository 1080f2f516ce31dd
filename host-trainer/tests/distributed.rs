//! Training over MPI, as a person starts it.

#![cfg(feature = "distributed")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const CHECKPOINT: &str = "checkpoint.safetensors";
const STEPS: usize = 20;

/// The demo, made tiny, for `ranks` processes that share batches of 16; `changes` are of text.
fn recipe(dir: &Path, ranks: usize, changes: &[(&str, &str)]) -> PathBuf {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/demo.toml");
    let mut tables: toml::Table = std::fs::read_to_string(demo).unwrap().parse().unwrap();
    let mut set = |table: &str, key: &str, value: toml::Value| {
        tables[table]
            .as_table_mut()
            .unwrap()
            .insert(key.into(), value);
    };
    set("data", "people", 16.into());
    set("data", "pictures", 4.into());
    set("data", "held_out", 0.4.into());
    set("backbone", "embedding_len", 16.into());
    set("backbone", "width", 0.125.into());
    set("training", "batch_size", (16 / ranks as i64).into());
    set("training", "steps", (STEPS as i64).into());
    set("training", "precision", "f32".into());
    set("training", "checkpoint_every", 5.into());
    set("training", "validate_every", 0.into());
    let mut text = tables.to_string();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = dir.join(format!("recipe-{ranks}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

/// `mpirun` of a rank for each recipe.
fn mpirun(dir: &Path, recipes: &[&Path], out: &str) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args([
            "--oversubscribe",
            "--bind-to",
            "none",
            "--mca",
            "btl",
            "self,vader,tcp",
        ])
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .env("OMP_NUM_THREADS", "1")
        // As in a container, where everybody is root.
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    for (i, recipe) in recipes.iter().enumerate() {
        command.args([":"].iter().filter(|_| i > 0));
        command.args([
            "-n",
            "1",
            env!("CARGO_BIN_EXE_host-trainer"),
            "train",
            "--config",
        ]);
        command.arg(recipe).arg("--out").arg(dir.join(out));
    }
    command
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, message)
}

fn succeed(command: &mut Command) -> String {
    let (output, message) = run(command);
    assert!(output.status.success(), "{message}");
    message
}

fn alone(dir: &Path, recipe: &Path, out: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .env("OMP_NUM_THREADS", "1")
        .args(["train".as_ref(), "--config".as_ref(), recipe.as_os_str()])
        .arg("--out")
        .arg(dir.join(out));
    command
}

fn losses(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64();
    text.lines().map(|l| line(l).unwrap()).collect()
}

/// The numbers of a checkpoint by name.
fn state(run: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(run.join(CHECKPOINT)).unwrap();
    let floats = |data: &[u8]| {
        let numbers = data.chunks_exact(4);
        numbers
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, floats(view.data())))
        .collect()
}

/// Largest difference of two runs' weights and averages by the size of the tensor's, and of which.
fn apart(a: &Path, b: &Path) -> (f32, String) {
    let (a, b) = (state(a), state(b));
    assert!(a.keys().eq(b.keys()));
    let weights = a.iter().filter(|(name, _)| !name.starts_with("velocity/"));
    let tensors = weights.map(|(name, numbers)| {
        let differences = numbers.iter().zip(&b[name]).map(|(a, b)| (a - b).abs());
        let largest = numbers.iter().fold(1.0, |max: f32, n| max.max(n.abs()));
        (differences.fold(0.0, f32::max) / largest, name.clone())
    });
    tensors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

#[test]
fn ranks_train_as_one_process_with_the_whole_batch() {
    let check = |changes: &[(&str, &str)], ranks: usize| {
        let dir = tempfile::tempdir().unwrap();
        let (shared, whole) = (
            recipe(dir.path(), ranks, changes),
            recipe(dir.path(), 1, changes),
        );
        let parts = vec![shared.as_path(); ranks];
        let message = succeed(&mut mpirun(dir.path(), &parts, "ranks"));
        assert_eq!(message.matches("people held out").count(), 1, "{message}");
        succeed(&mut alone(dir.path(), &whole, "one"));
        let (one, ranks) = (dir.path().join("one"), dir.path().join("ranks"));
        let pairs: Vec<_> = losses(&one).into_iter().zip(losses(&ranks)).collect();
        // A line is the mean loss of ten steps.
        assert_eq!(pairs.len(), STEPS / 10);
        let apart = apart(&one, &ranks);
        assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-4), "{pairs:?}");
        assert!(
            (pairs[0].0 - pairs[1].0).abs() > 1e-3,
            "nothing was learned"
        );
        assert!(apart.0 < 5e-3, "{apart:?}");
        assert!(ranks.join("model.bundle").exists());
    };
    // A new network magnifies rounding: one process with two threads and the same with one are a
    // hundredth apart after two steps of the demo's loss and rate. These do not.
    let smooth = [
        ("name = \"am-softmax\"", "name = \"softmax\""),
        ("margin = 0.35", ""),
        ("scale = 30.0", ""),
        ("learning_rate = 0.1", "learning_rate = 1e-4"),
    ];
    check(&smooth, 2);
    let everything = [
        (
            "[training]",
            "[training]\naccumulate = 2\nclass_sample_rate = 0.7",
        ),
        (
            "[optimizer]",
            "[optimizer]\nmax_gradient_norm = 2.0\naverage_decay = 0.9",
        ),
        (
            "[augmentation]",
            "[augmentation]\njitter = { probability = 0.5, max_shift_px = 2.0, max_scale = 0.05, max_rotation_deg = 5.0 }",
        ),
    ];
    check(&[&smooth[..], &everything].concat(), 4);
    let dropout = ("name = \"softmax\"", "name = \"softmax\"\ndropout = 0.5");
    check(&[&smooth[..], &[dropout]].concat(), 2);
}

/// Waits for `ready`, or fails after a minute.
fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The process of a rank that this `mpirun` started.
fn process_of(mpirun: &Child, rank: usize) -> Option<u32> {
    let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut ids = processes.filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}"));
        let parent = format!("PPid:\t{}\n", mpirun.id());
        read("status").is_ok_and(|s| s.contains(&parent))
            && read("environ").is_ok_and(|e| e.split('\0').any(|entry| entry == wanted))
    })
}

#[test]
fn a_rank_that_is_killed_ends_the_job_and_the_run_goes_on_from_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(dir.path(), 2, &[]);
    let parts = [recipe.as_path(); 2];
    succeed(&mut mpirun(dir.path(), &parts, "whole"));
    let mut job = mpirun(dir.path(), &parts, "killed")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let checkpoint = dir.path().join("killed").join(CHECKPOINT);
    wait_for("no checkpoint", || checkpoint.exists());
    let victim = process_of(&job, 1).unwrap();
    let killed = Command::new("kill")
        .args(["-KILL", &victim.to_string()])
        .status();
    assert!(killed.unwrap().success());
    let mut ended = None;
    wait_for("the job goes on", || {
        ended = job.try_wait().unwrap();
        ended.is_some()
    });
    let output = job.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        !ended.unwrap().success() && message.contains("rank 1"),
        "{message}"
    );
    assert!(!dir.path().join("killed/model.bundle").exists());

    succeed(&mut mpirun(dir.path(), &parts, "killed"));
    // What it holds: the file's header is in no order.
    let held = |run: &str| state(&dir.path().join(run));
    assert!(held("killed") == held("whole"));
}

#[test]
fn a_rank_that_fails_ends_the_job_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let good = recipe(dir.path(), 2, &[]);
    let check = |other: &Path, needle: &str| {
        let start = Instant::now();
        let (output, message) = run(&mut mpirun(dir.path(), &[&good, other], "run"));
        assert!(
            !output.status.success() && message.contains(needle),
            "{message}"
        );
        assert!(start.elapsed() < Duration::from_secs(60));
    };
    check(
        Path::new("/nowhere.toml"),
        "error of rank 1 of 2: recipe /nowhere.toml",
    );
    let other = dir.path().join("other.toml");
    let text = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&other, text.replace("margin = 0.35", "margin = 0.2")).unwrap();
    check(&other, "have not the same recipe");
}

#[test]
fn a_batch_that_is_not_finite_is_named_whole() {
    let dir = tempfile::tempdir().unwrap();
    let wild = recipe(
        dir.path(),
        2,
        &[("learning_rate = 0.1", "learning_rate = 1e30")],
    );
    let (output, message) = run(&mut mpirun(dir.path(), &[&wild, &wild], "run"));
    assert!(!output.status.success());
    assert!(message.contains("not finite at step 2"), "{message}");
    let named = std::fs::read_to_string(dir.path().join("run/not-finite.json")).unwrap();
    assert_eq!(named.matches("p0000").count(), 16, "{named}");
}

#[test]
fn another_number_of_ranks_goes_on_with_the_same_batch_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (two, one) = (recipe(dir.path(), 2, &[]), recipe(dir.path(), 1, &[]));
    let shorter = dir.path().join("shorter.toml");
    let text = std::fs::read_to_string(&one).unwrap();
    std::fs::write(&shorter, text.replace("steps = 20", "steps = 5")).unwrap();
    succeed(&mut alone(dir.path(), &shorter, "run"));
    let (output, message) = run(&mut alone(dir.path(), &two, "run"));
    assert!(
        !output.status.success() && message.contains("times the number of processes"),
        "{message}"
    );
    succeed(&mut mpirun(dir.path(), &[&two, &two], "run"));
    assert_eq!(losses(&dir.path().join("run")).len(), 3);
}
