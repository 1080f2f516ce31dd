//! `quantize`, and a recipe with a `[quantization]`.

use super::{recipe, stderr, train, trainer};
use std::path::{Path, PathBuf};

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
    assert_eq!(precision, shared::bundle::Precision::Int8);
}

#[test]
fn a_run_is_put_into_integers_by_its_recipe_and_again_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let table = "[quantization]\nfaces = 32\nfine_tune_steps = 2\nlearning_rate = 1e-4";
    let ran = train(dir.path(), &dense(dir.path(), table), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let run = dir.path().join("run");
    embeddings_agree(&run);
    let report = std::fs::read(run.join("int8.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let ways = report["ways"].as_array().unwrap();
    assert_eq!(ways.len(), 3);
    assert_eq!(ways[2]["way"], "fine-tuned, 2 steps");
    for way in ways {
        let near = way["held_out_people"]["mean"].as_f64().unwrap();
        assert!(near > 0.98, "{report}");
    }

    let out = dir.path().join("again");
    let paths = ["--run".as_ref(), run.as_path(), "--out".as_ref(), &out];
    let by_hand = |more: &[&str]| {
        let mut command = trainer(dir.path());
        command
            .arg("quantize")
            .args(paths)
            .args(more)
            .output()
            .unwrap()
    };
    let ran = by_hand(&["--fine-tune", "0"]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    embeddings_agree(&out);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains("integers, percentile: EER"), "{said}");
    assert!(said.contains("kept: "), "{said}");

    let ran = by_hand(&["--faces", "5"]);
    let message = stderr(&ran);
    assert!(
        !ran.status.success() && message.contains("faces must be in 32"),
        "{message}"
    );
}

#[test]
fn a_network_of_depthwise_convolutions_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let ran = train(dir.path(), &recipe(dir.path(), |r| r), "run");
    assert!(ran.status.success(), "{}", stderr(&ran));
    let run = dir.path().join("run");
    let ran = trainer(dir.path())
        .arg("quantize")
        .arg("--run")
        .arg(&run)
        .output()
        .unwrap();
    let message = stderr(&ran);
    assert!(
        message.contains("does not go into 8-bit integers"),
        "{message}"
    );
    assert!(!run.join("model-int8.bundle").exists());
}
