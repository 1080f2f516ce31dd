//! `quantize`, and a recipe with a `[quantization]`.

use super::{recipe, stderr, train, trainer};
use host_trainer::checkpoint::{self, Progress};
use serde_json::Value;
use shared::bundle::{Bundle, Precision};
use std::path::{Path, PathBuf};
use std::process::Output;
use tch::Tensor;

/// A small LatchNet, trained for two steps.
fn dense(dir: &Path, more: &str) -> PathBuf {
    recipe(dir, |r| {
        let mut table: toml::Table = r.parse().unwrap();
        let backbone = "name = \"latchnet\"\nstem = 8\nchannels = [8, 16, 24]\nblocks = [1, 1, 1]\n\
                        head = 32\nembedding_len = 16\nactivation = \"shared-prelu\"";
        table["backbone"] = toml::Value::Table(backbone.parse().unwrap());
        let training = table["training"].as_table_mut().unwrap();
        training.insert("steps".into(), 2.into());
        let data = table["data"].as_table_mut().unwrap();
        data.insert("people".into(), 14.into());
        data.insert("pictures".into(), 8.into());
        format!("{table}\n{more}")
    })
}

fn embeddings_agree(run: &Path) {
    let bundle = edge_runtime::bundle::read(&run.join("model-int8.bundle")).unwrap();
    let network = edge_runtime::network::Network::load(&bundle).unwrap();
    edge_runtime::bundle::self_test(&network, bundle.manifest()).unwrap();
    let precision = bundle.manifest().precision;
    assert_eq!(precision, Precision::Int8);
}

/// `quantize --run RUN` and what else.
fn quantize(dir: &Path, run: &Path, more: &[&str]) -> Output {
    let mut command = trainer(dir);
    command.arg("quantize").arg("--run").arg(run).args(more);
    command.output().unwrap()
}

fn refused(ran: &Output, needles: &[&str]) {
    let message = stderr(ran);
    let all = needles.iter().all(|needle| message.contains(needle));
    assert!(!ran.status.success() && all, "{message}");
}

/// The ways of a folder's report: both of calibration, the one whose embeddings of people trained
/// on are nearer to the floats' last, and then, if any, the fine-tuned one.
fn ways(out: &Path) -> Vec<Value> {
    let report = std::fs::read(out.join("int8.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let ways = report["ways"].as_array().unwrap().clone();
    let near = |way: &Value| way["trained_people"]["mean"].as_f64().unwrap();
    assert!(near(&ways[0]) < near(&ways[1]), "{report}");
    for way in &ways {
        let near = way["held_out_people"]["mean"].as_f64().unwrap();
        assert!(near > 0.98, "{report}");
    }
    // The bundle is of the last.
    let bundle = edge_runtime::bundle::read(&out.join("model-int8.bundle")).unwrap();
    let points = bundle.manifest().operating_points.iter();
    let of_bundle: Vec<_> = points.map(|p| f64::from(p.threshold)).collect();
    let thresholds = |way: &Value| {
        let points = way["operating_points"].as_array().unwrap().iter();
        let thresholds = points.map(|p| p["threshold"].as_f64().unwrap());
        thresholds.collect::<Vec<_>>()
    };
    let kept = ways.len() - 1;
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
    let kept_ones = thresholds(&ways[kept]);
    assert_eq!(kept_ones.len(), of_bundle.len());
    assert!(kept_ones.iter().zip(&of_bundle).all(near));
    let others = thresholds(&ways[kept - 1]);
    assert!(!others.iter().zip(&of_bundle).all(near));
    ways
}

fn head(folder: &Path) -> Vec<f32> {
    let path = folder.join("checkpoint.safetensors");
    let (_, mut tensors) = checkpoint::read(&path).unwrap();
    tensors.remove("head.weight").unwrap()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Steps and learning rate of a fine-tuning's last line.
fn last_line(folder: &Path) -> (u64, f64) {
    let lines = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let line: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let rate = line["learning_rate"].as_f64().unwrap();
    (line["step"].as_u64().unwrap(), rate)
}

#[test]
fn a_run_is_put_into_integers_by_its_recipe_and_again_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let table = "[quantization]\nfaces = 32\nfine_tune_steps = 2\nlearning_rate = 1e-4";
    let ran = train(dir.path(), &dense(dir.path(), table), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let run = dir.path().join("run");
    embeddings_agree(&run);
    let tried = ways(&run);
    assert_eq!(tried.len(), 3);
    assert_eq!(tried[2]["way"], "fine-tuned, 2 steps");
    // It went on from the class weights of the run: two steps of 0.1 had moved them further.
    let tuning = run.join("fine-tuning");
    assert!(apart(&head(&run), &head(&tuning)) < 1e-3);
    assert_eq!(last_line(&tuning), (2, 0.5e-4));

    let again = dir.path().join("again");
    let by_hand = |more: &[&str]| {
        let out = ["--out", again.to_str().unwrap()];
        quantize(dir.path(), &run, &[&out, more].concat())
    };
    let ran = by_hand(&["--fine-tune", "0"]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    embeddings_agree(&again);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains("integers, percentile: EER"), "{said}");
    let calibrated = ways(&again);
    assert_eq!(calibrated[..], tried[..2]);
    let kept = format!("kept: {}; bundle ", calibrated[1]["way"].as_str().unwrap());
    assert!(said.contains(&kept), "{said}");
    assert!(!again.join("fine-tuning").exists());
    goes_with_the_bundles_of_its_run(dir.path());

    // Once with some steps, and in the same folder with others.
    for (steps, rate) in [("3", 3e-5), ("2", 4e-5)] {
        let ran = by_hand(&["--fine-tune", steps, "--learning-rate", &rate.to_string()]);
        assert!(ran.status.success(), "{}", stderr(&ran));
        embeddings_agree(&again);
        let steps: u64 = steps.parse().unwrap();
        let tuned = ways(&again).swap_remove(2);
        assert_eq!(tuned["way"], format!("fine-tuned, {steps} steps"));
        let (last, found) = last_line(&again.join("fine-tuning"));
        assert_eq!(last, steps);
        assert!((found - rate / steps as f64).abs() < 1e-12, "{found}");
    }

    let ran = by_hand(&["--fine-tune", "4", "--learning-rate", "1e30"]);
    let needles = ["not finite", "model-int8.bundle is the network as it was"];
    refused(&ran, &needles);
    embeddings_agree(&again);
    assert_eq!(ways(&again), calibrated);

    refused(&by_hand(&["--faces", "5"]), &["faces must be in 32"]);
}

/// As it was put into integers with other numbers than those of the recipe.
fn goes_with_the_bundles_of_its_run(dir: &Path) {
    let mut command = trainer(dir);
    command.current_dir(dir).arg("combine").args([
        "--bundle",
        "run/model.bundle",
        "--bundle",
        "again/model-int8.bundle",
        "--held-out",
        "--out",
        "all.bundle",
    ]);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", stderr(&ran));
    let read = |name: &str| edge_runtime::bundle::read(&dir.join(name)).unwrap();
    let all = read("all.bundle");
    let integers = all.select(Precision::Int8).unwrap();
    let own = read("again/model-int8.bundle");
    assert_eq!(integers.model(), own.model());
    let log = |bundle: &Bundle| bundle.manifest().provenance.training_log.clone();
    assert!(log(&own).contains(" steps with ") && log(&own) == log(&all));
    let [bytes] = &integers.manifest().comparable[..] else {
        panic!("{} others", integers.manifest().comparable.len());
    };
    assert_eq!(bytes.precision, Precision::Int8Weights);
    assert!(bytes.cosine_mean > 0.98, "{}", bytes.cosine_mean);
}

#[test]
fn what_is_not_of_the_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ran = train(dir.path(), &dense(dir.path(), ""), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let run = dir.path().join("run");
    let check = |needles: &[&str]| {
        let ran = quantize(dir.path(), &run, &["--fine-tune", "1", "--faces", "32"]);
        refused(&ran, needles);
        assert!(!run.join("model-int8.bundle").exists());
    };
    let path = run.join("checkpoint.safetensors");
    let good = std::fs::read(&path).unwrap();
    let (progress, tensors) = checkpoint::read(&path).unwrap();
    let save = |progress: &Progress| {
        let tensors = tensors.iter();
        let tensors = tensors.map(|(name, n)| (name.clone(), Tensor::from_slice(n)));
        checkpoint::save(&path, progress, &tensors.collect::<Vec<_>>()).unwrap();
    };
    let (run_digest, step) = ("another".into(), progress.step);
    save(&Progress { step, run_digest });
    let file = "checkpoint.safetensors";
    check(&[file, "not the checkpoint of the run", "run.json"]);
    let run_digest = progress.run_digest.clone();
    save(&Progress {
        step: 1,
        run_digest,
    });
    check(&[file, "of step 1", "ends at 2"]);
    std::fs::write(&path, &good).unwrap();

    let record = run.join("run.json");
    let good = std::fs::read_to_string(&record).unwrap();
    let mut info: Value = serde_json::from_str(&good).unwrap();
    info["data_digest"] = "00".repeat(32).into();
    std::fs::write(&record, info.to_string()).unwrap();
    check(&["the faces are not those", "--data"]);
    std::fs::write(&record, good).unwrap();
    let ran = quantize(dir.path(), &run, &["--fine-tune", "1", "--faces", "32"]);
    assert!(ran.status.success(), "{}", stderr(&ran));
}

#[test]
fn a_network_of_depthwise_convolutions_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let ran = train(dir.path(), &recipe(dir.path(), |r| r), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let run = dir.path().join("run");
    let ran = quantize(dir.path(), &run, &[]);
    refused(&ran, &["does not go into 8-bit integers"]);
    assert!(!run.join("model-int8.bundle").exists());
}
