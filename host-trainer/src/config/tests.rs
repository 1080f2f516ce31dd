use super::*;
use crate::detector::{DetectorRecipe, is_detector};
use crate::loss::{Scale, Schedule};
use crate::optimize::RateSchedule;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

#[test]
fn every_recipe_of_the_project_is_usable() {
    let mut count = 0;
    for entry in std::fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        count += 1;
        if is_detector(&path) {
            let recipe = DetectorRecipe::read(&path).unwrap();
            let again: DetectorRecipe = toml::from_str(&recipe.to_toml()).unwrap();
            assert_eq!(again, recipe);
            continue;
        }
        let recipe = Recipe::read(&path).unwrap();
        assert_eq!(toml::from_str::<Recipe>(&recipe.to_toml()).unwrap(), recipe);
    }
    assert!(count >= 4);
}

#[test]
fn one_recipe_explains_every_field() {
    let path = configs().join("every-field.toml");
    let recipe = Recipe::read(&path).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let shown = toml::from_str::<toml::Table>(&recipe.to_toml()).unwrap();
    for (table, fields) in shown {
        for key in fields.as_table().iter().flat_map(|fields| fields.keys()) {
            assert!(text.contains(key), "[{table}] {key}");
        }
    }
    let none = ["None", "null"];
    let debug = format!("{:?} {:?}", recipe.augmentation, recipe.optimizer);
    assert!(none.iter().all(|n| !debug.contains(n)), "{debug}");
    assert!(recipe.distillation.is_some());
}

#[test]
fn integers_are_for_dense_backbones() {
    let text = std::fs::read_to_string(configs().join("every-field.toml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recipe.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Recipe::read(&path)
    };
    let with = text.replace("#: ", "");
    let message = read(&with).unwrap_err().to_string();
    assert!(
        message.contains("recipe.toml") && message.contains("(convolution in groups)"),
        "{message}"
    );
    let lines = with
        .lines()
        .filter(|l| !l.starts_with("width") && !l.starts_with("embedding_len"));
    let dense = lines.map(|l| l.replace("name = \"mobilefacenet\"", "name = \"sphereface20\""));
    let dense = dense.collect::<Vec<_>>().join("\n");
    let recipe = read(&dense).unwrap();
    let config = recipe.quantization.unwrap();
    assert_eq!((config.faces, config.fine_tune_steps), (512, 500));
    for (from, to, needle) in [
        (
            "faces = 512",
            "faces = 31",
            "[quantization] faces must be in 32",
        ),
        (
            "learning_rate = 1e-3",
            "learning_rate = 0.0",
            "[quantization] learning_rate",
        ),
        ("fine_tune_steps", "fine_tuning_steps", "unknown field"),
        ("\"shared-prelu\"", "\"prelu\"", "prelu1_1 (PRelu)"),
    ] {
        let message = read(&dense.replace(from, to)).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    }
}

#[test]
fn the_papers_recipe_has_the_papers_numbers() {
    let recipe = Recipe::read(&configs().join("amsoftmax-sphereface20-casia.toml")).unwrap();
    assert_eq!(
        recipe.loss,
        LossConfig::AmSoftmax {
            scale: Scale::Fixed(Schedule::Constant(30.0)),
            margin: Schedule::Constant(0.35),
        }
    );
    let schedule = RateSchedule::Multistep {
        drop_at: vec![16_000, 24_000, 28_000],
        drop_factor: 0.1,
    };
    assert_eq!(recipe.optimizer.schedule, schedule);
    assert_eq!(
        (recipe.training.steps, recipe.training.batch_size),
        (30_000, 256)
    );
    assert_eq!(
        (recipe.optimizer.momentum, recipe.optimizer.weight_decay),
        (0.9, 5e-4)
    );
}

#[test]
fn every_impossible_recipe_has_its_error() {
    let good = std::fs::read_to_string(configs().join("demo.toml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recipe.toml");
    let check = |from: &str, to: &str, needle: &str| {
        assert!(good.contains(from), "{from}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let message = Recipe::read(&path).unwrap_err().to_string();
        assert!(
            message.contains(needle) && message.contains("recipe.toml"),
            "{message}"
        );
    };
    check("seed", "sead", "sead");
    check("margin = 0.35", "margin = -1.0", "margin");
    check("scale = 30.0", "scale = 0.0", "scale");
    check("momentum = 0.9", "momentum = 9.0", "momentum");
    check("batch_size = ", "batch_size = 1 # ", "batch_size");
    check("steps = ", "steps = 0 # ", "steps");
    check("std = [128.0, ", "std = [0.0, ", "std");
    check("held_out = 0.", "held_out = 2.", "held_out");
    check("[loss]", "[loss", "line");
    check("\"am-softmax\"", "\"softmax\"", "expected `dropout`");
    check("momentum", "warmup = 1\nmomentum", "warmup_steps");
    check(
        "momentum",
        "max_gradient_norm = 0.0\nmomentum",
        "max_gradient_norm",
    );
    check("momentum", "average_decay = 1.0\nmomentum", "average_decay");
    check("drop_factor = 0.1", "drop_factor = 2.0", "drop_factor");
    check("[training]", "[training]\naccumulate = 0", "accumulate");
    check(
        "[training]",
        "[training]\nclass_sample_rate = 0.0",
        "class_sample_rate",
    );
    check(
        "[training]",
        "[training]\non_not_finite = \"ignore\"",
        "roll-back",
    );
    let teacher = "[distillation]\nteacher = \"t.onnx\"\nmirror_sum = true\nweight = 0.0\n\
                   classification_weight = 1.0\ninput = { pixel_order = \"rgb\", \
                   mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }\n[training]";
    check("[training]", teacher, "[distillation] weight");
    let mixed = teacher.replace("weight = 0.0", "weight = 1.0\nmixup = true");
    check("[training]", &mixed, "mixup needs consistent");
    check("\"mobilefacenet\"", "\"sphereface20\"", "unknown field");
    check("mirror = ", "mirorr = ", "mirorr");
    let jpeg = |rest: &str| format!("mirror = true\njpeg = {{ probability = {rest} }}");
    check(
        "mirror = true",
        &jpeg("2.0, quality = [30, 90]"),
        "augmentation.jpeg] probability",
    );
    check(
        "mirror = true",
        &jpeg("0.5, quality = [90, 30]"),
        "smaller one first",
    );
    check("mirror = true", &jpeg("0.5"), "quality");
    check("people = 400", "people = 5000000000", "people");
    check("people = 400", "people = 1000000", "times pictures = ");
    for bytes in [vec![0xff; 10], vec![b' '; (MAX_BYTES + 1) as usize]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(
            Recipe::read(&path)
                .unwrap_err()
                .to_string()
                .contains("recipe.toml")
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        Recipe::read(&path)
            .unwrap_err()
            .to_string()
            .contains("host-trainer/configs/")
    );
}
