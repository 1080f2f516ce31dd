use super::*;
use edge_runtime::network::LayerTime;
use serde_json::json;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")
}

#[test]
fn the_projects_experiment_trains_each_loss_with_each_seed() {
    let experiment = Experiment::read(&folder().join("losses.toml")).unwrap();
    let runs: Vec<Run> = experiment.runs().collect();
    assert!(runs.len() >= 27);
    let third = runs.len() / 3;
    assert_eq!(runs[0].variant, runs[third].variant);
    assert_ne!(runs[0].recipe.seed, runs[third].recipe.seed);
    assert_ne!(runs[0].recipe.loss, runs[1].recipe.loss);
    // Softmax has a learning rate of its own.
    let rates = ["softmax", "am-softmax-0.2"].map(|name| {
        let run = runs.iter().find(|run| run.variant == name).unwrap();
        run.recipe.optimizer.learning_rate
    });
    assert_eq!(rates, [0.1, 0.03]);
    let same = |run: &Run| run.recipe.training == runs[0].recipe.training;
    assert!(runs.iter().all(same));
}

#[test]
fn the_search_for_a_backbone_changes_nothing_else() {
    let experiment = Experiment::read(&folder().join("backbones.toml")).unwrap();
    let runs: Vec<Run> = experiment.runs().collect();
    for (i, run) in runs.iter().enumerate() {
        let mut recipe = run.recipe.clone();
        assert_eq!(recipe.name, run.variant);
        assert!(
            runs[..i]
                .iter()
                .all(|r| r.recipe.backbone != recipe.backbone)
        );
        recipe.name = runs[0].recipe.name.clone();
        recipe.backbone = runs[0].recipe.backbone.clone();
        assert_eq!(recipe, runs[0].recipe);
    }
}

#[test]
fn impossible_experiments_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(folder().join("losses.toml")).unwrap();
    let recipe = dir.path().join("losses-recipe.toml");
    std::fs::copy(folder().join("losses-recipe.toml"), &recipe).unwrap();
    let path = dir.path().join("losses.toml");
    let check = |from: &str, to: &str, needle: &str| {
        assert!(good.contains(from), "{from}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let message = Experiment::read(&path).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    };
    check("seeds = [1, 2, 3]", "seeds = []", "at least one seed");
    check(
        "name = \"normface\"\nlearning_rate",
        "name = \"softmax\"\nlearning_rate",
        "two variants are called softmax",
    );
    check(
        "name = \"normface\"\nlearning_rate",
        "name = \"../normface\"\nlearning_rate",
        "lower-case letters",
    );
    check("dropout = 0.75", "dropout = 7.5", "dropout must be");
    check("seeds", "seats", "unknown field");
    std::fs::remove_file(&recipe).unwrap();
    check("losses", "losses", "losses-recipe.toml");
}

#[test]
fn the_table_has_mean_and_deviation_over_the_seeds() {
    let mut results = Results::default();
    for (eer, accuracy) in [(0.10, 0.80), (0.20, 0.90), (0.30, 0.85)] {
        let held_out = json!({ "quantized": { "eer": eer, "tar": {} } });
        results.add("am", Measurement::HeldOut, &held_out);
        results.add("am", Measurement::Lfw, &json!({ "accuracy": accuracy }));
    }
    results.add("softmax", Measurement::Lfw, &json!({ "accuracy": 0.5 }));
    results.add("softmax", Measurement::Speed, &json!({ "ms": 2.64 }));
    let expected = "| variant | seeds | ms | held out: EER | LFW accuracy |\n\
                    |---|---|---|---|---|\n\
                    | am | 3 |  | 20.0 +- 10.0 | 85.0 +- 5.0 |\n\
                    | softmax | 1 | 2.6 |  | 50.0 |\n";
    assert_eq!(results.table(), expected);
}

#[test]
fn every_column_is_found_in_what_the_measurements_write() {
    use crate::evaluate::blufr::{Figures, Identification, OverTrials, Verification};
    let over = |rate| OverTrials {
        mean_minus_std: rate,
        mean: 0.9,
        std: 0.1,
    };
    let verification = |far, rate| Verification {
        far,
        vr: over(rate),
        trials: Vec::new(),
    };
    let blufr = Figures {
        protocol: "BLUFR".into(),
        verification: vec![verification(1e-4, 0.1), verification(1e-3, 0.2)],
        identification: Identification {
            far: 0.01,
            rank: 1,
            dir: over(0.3),
            trials: Vec::new(),
        },
        images: 1,
        unusable_images: 0,
        images_per_s: 1.0,
        scoring_s: 1.0,
        mirror_sum: true,
        peak_memory_mb: None,
    };
    let mut results = Results::default();
    results.add(
        "am",
        Measurement::Blufr,
        &serde_json::to_value(blufr).unwrap(),
    );
    let layer = |multiply_adds| LayerTime {
        name: "a".into(),
        operator: "Conv".into(),
        output: vec![1],
        ms: 1.0,
        multiply_adds,
    };
    let speed = Speed::of(&Profile {
        ms: 2.64,
        memory_mib: None,
        layers: vec![layer(1_500_000), layer(700_000)],
    });
    let speed = serde_json::to_value(speed).unwrap();
    results.add("am", Measurement::Speed, &speed);
    let expected = "| variant | seeds | ms | million multiply-adds | BLUFR VR at FAR 0.1 % | BLUFR VR at FAR 0.01 % | BLUFR DIR at FAR 1 % |\n\
                    |---|---|---|---|---|---|---|\n\
                    | am | 1 | 2.6 | 2.2 | 20.0 | 10.0 | 30.0 |\n";
    assert_eq!(results.table(), expected);
}
