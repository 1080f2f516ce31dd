use super::*;
use crate::checkpoint::floats;
use crate::dataset::packed::PackedSet;
use crate::dataset::{DataConfig, prepare};
use crate::distill::DistillationConfig;
use crate::export::weights;
use crate::generator::Generator;
use crate::optimize::RateSchedule;
use shared::align::AlignTemplate;
use shared::bundle::Precision;
use tch::{Device, Kind, Tensor};

const PICTURES: i64 = 24;

fn recipe(change: impl Fn(&mut Recipe)) -> Recipe {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/demo.toml");
    let text = std::fs::read_to_string(demo).unwrap();
    let text = text.replace("width = 0.25", "width = 0.125");
    let mut recipe: Recipe = toml::from_str(&text).unwrap();
    (recipe.training.batch_size, recipe.training.steps) = (4, 5);
    recipe.augmentation = crate::augment::AugmentConfig::default();
    change(&mut recipe);
    recipe
}

fn set(dir: &Path, template: AlignTemplate) -> Arc<TrainingSet> {
    Arc::new(TrainingSet::new(Arc::new(packed(dir, template)), |_| true))
}

fn packed(dir: &Path, template: AlignTemplate) -> PackedSet {
    let data = DataConfig::Synthetic {
        people: 6,
        pictures: 4,
        held_out: 0.0,
    };
    prepare(&data, None, template, 3, dir).unwrap()
}

fn run(
    recipe: &Recipe,
    teacher: Option<&Teacher>,
) -> (tempfile::TempDir, Result<Vec<f32>, TrainError>) {
    let dir = tempfile::tempdir().unwrap();
    let template = recipe.backbone.graph().unwrap().template();
    let trained = train(&Job {
        recipe,
        set: set(dir.path(), template),
        data_digest: "",
        teacher,
        validator: None,
        start: None,
        out: dir.path(),
    });
    let weights = trained.map(|t| t.module.tensors().values().flat_map(floats).collect());
    (dir, weights)
}

#[test]
fn a_batch_that_is_not_finite_is_named_and_left_out_where_the_recipe_says_so() {
    let row = |i: i64| {
        Tensor::full(
            [128],
            if i == 7 { f64::NAN } else { 1.0 },
            (Kind::Float, Device::Cpu),
        )
    };
    let teacher = Teacher::of(Tensor::stack(
        &(0..PICTURES).map(row).collect::<Vec<_>>(),
        0,
    ));
    let (dir, stopped) = run(&recipe(|_| ()), Some(&teacher));
    let message = stopped.unwrap_err().to_string();
    assert!(
        message.contains("not finite at step") && message.contains("roll-back"),
        "{message}"
    );
    let named = std::fs::read_to_string(dir.path().join(NOT_FINITE)).unwrap();
    assert!(named.contains("p000001/0003"), "{named}");
    let back = recipe(|r| r.training.on_not_finite = OnNotFinite::RollBack);
    let (_dir, weights) = run(&back, Some(&teacher));
    assert!(weights.unwrap().iter().all(|w| w.is_finite()));
}

/// A teacher of the student's kind that was never trained.
fn taught(consistent: bool, mixup: bool, classification_weight: f64) -> Vec<f32> {
    // Of more steps, roundings become differences.
    let recipe = recipe(|r| {
        r.training.precision = crate::config::ComputePrecision::F32;
        r.training.steps = 1;
    });
    let dir = tempfile::tempdir().unwrap();
    let graph = recipe.backbone.graph().unwrap();
    let (template, len) = (graph.template(), graph.embedding_len());
    let module = Module::new(graph, Device::Cpu, &Generator::seeded(9));
    let onnx = crate::export::onnx(module.graph(), &weights(&module), Precision::F32);
    std::fs::write(dir.path().join("teacher.onnx"), onnx).unwrap();
    let config = DistillationConfig {
        teacher: "teacher.onnx".into(),
        input: recipe.input.clone(),
        mirror_sum: true,
        consistent,
        mixup,
        weight: 10.0,
        classification_weight,
    };
    let set = packed(dir.path(), template);
    let data = Some(dir.path());
    let prepare = Teacher::prepare(&config, data, &set, len as usize, dir.path(), Device::Cpu);
    run(&recipe, Some(&prepare.unwrap())).1.unwrap()
}

#[test]
fn a_teacher_that_looks_at_every_crop_says_of_an_unchanged_one_what_it_said_before() {
    let apart = |a: Vec<f32>, b: Vec<f32>| {
        let differences = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    let same = apart(taught(true, false, 1.0), taught(false, false, 1.0));
    assert!(same < 1e-3, "{same}");
    // Of mixtures it says something else, also where nobody asks whose they are.
    let mixed = apart(taught(true, true, 0.0), taught(true, false, 0.0));
    assert!(mixed > 1e-2, "{mixed}");
}

#[test]
fn a_training_that_cannot_be_saved_from_infinity_gives_up() {
    let wild = recipe(|r| {
        r.training.on_not_finite = OnNotFinite::RollBack;
        r.training.steps = 30;
        r.training.checkpoint_every = 30;
        r.optimizer.learning_rate = 1e30;
    });
    let (_dir, weights) = run(&wild, None);
    assert!(matches!(weights, Err(TrainError::NotFinite { .. })));
}

#[test]
fn gradients_of_several_batches_are_those_of_one_large_batch() {
    // A network without batch norm, whose images do not see each other.
    let sphereface = |batch_size, accumulate| {
        recipe(|r| {
            r.backbone = toml::from_str("name = \"sphereface20\"").unwrap();
            r.training.precision = crate::config::ComputePrecision::F32;
            r.training.steps = 2;
            (r.training.batch_size, r.training.accumulate) = (batch_size, accumulate);
        })
    };
    let (_a, parts) = run(&sphereface(2, 2), None);
    let (_b, whole) = run(&sphereface(4, 1), None);
    let (_c, less) = run(&sphereface(2, 1), None);
    let (parts, whole, less) = (parts.unwrap(), whole.unwrap(), less.unwrap());
    let apart = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    };
    assert!(apart(&parts, &whole) < 1e-5, "{}", apart(&parts, &whole));
    assert!(apart(&less, &whole) > 1e-4, "{}", apart(&less, &whole));
}

#[test]
fn what_the_recipe_asks_for_changes_the_weights() {
    let (_dir, plain) = run(&recipe(|_| ()), None);
    let plain = plain.unwrap();
    let changes: [fn(&mut Recipe); 6] = [
        |r| r.optimizer.average_decay = Some(0.9),
        |r| r.optimizer.max_gradient_norm = Some(0.1),
        |r| r.optimizer.warmup_steps = 3,
        |r| r.optimizer.bias_weight_decay = 0.1,
        |r| r.training.class_sample_rate = 0.7,
        |r| r.optimizer.schedule = RateSchedule::Cosine {},
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let (_dir, changed) = run(&recipe(change), None);
        let changed = changed.unwrap();
        assert!(
            changed.iter().all(|w| w.is_finite()) && changed != plain,
            "{i}"
        );
        let (_dir, again) = run(&recipe(change), None);
        assert!(again.unwrap() == changed, "{i}");
    }
}
