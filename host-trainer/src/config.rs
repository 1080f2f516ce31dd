//! The recipe: one TOML file that says everything about a training run.

use crate::augment::AugmentConfig;
use crate::backbone::BackboneConfig;
use crate::backbone::graph::Graph;
use crate::dataset::DataConfig;
use crate::distill::DistillationConfig;
use crate::loss::LossConfig;
use crate::optimize::OptimizerConfig;
use edge_runtime::capped_file::{self, ReadError};
use serde::{Deserialize, Serialize};
use shared::align::AlignTemplate;
use shared::preprocess::{InputSpec, PixelOrder};
use std::path::{Path, PathBuf};

/// The longest recipe that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// For people.
    pub name: String,
    /// Of everything drawn at random: weights, order of images, augmentation.
    pub seed: u64,
    /// Where the faces come from.
    pub data: DataConfig,
    /// How they are changed at random.
    #[serde(default)]
    pub augmentation: AugmentConfig,
    /// How pixels become numbers.
    pub input: InputConfig,
    /// The network.
    pub backbone: BackboneConfig,
    /// The loss.
    pub loss: LossConfig,
    /// How the weights change.
    pub optimizer: OptimizerConfig,
    /// Another network to learn from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationConfig>,
    /// How long and how precisely.
    pub training: TrainingConfig,
}

/// Normalization of the network's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Order of the planes.
    pub pixel_order: PixelOrder,
    /// Subtracted from each plane, 0 to 255, in plane order.
    pub mean: [f32; 3],
    /// Divides each plane after that, likewise; above 0.
    pub std: [f32; 3],
}

impl InputConfig {
    pub(crate) fn spec(&self, template: AlignTemplate) -> InputSpec {
        let Self {
            pixel_order,
            mean,
            std,
        } = *self;
        InputSpec {
            template,
            pixel_order,
            mean,
            std,
        }
    }
}

/// The loop around the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Images that the network sees at once.
    pub batch_size: usize,
    /// Batches in a step, whose gradients are averaged.
    #[serde(default = "one")]
    pub accumulate: u64,
    /// Share of the classes that take part in a step, those of its images always, above 0; 1 for
    /// all. A small one lets a million people be trained on (Partial FC).
    #[serde(default = "all")]
    pub class_sample_rate: f64,
    /// Steps until the end.
    pub steps: u64,
    /// Number format of activations and gradients; weights are always 32-bit.
    pub precision: ComputePrecision,
    /// Steps from one checkpoint to the next.
    pub checkpoint_every: u64,
    /// Steps from one measurement on held-out people to the next; 0 for none before the end.
    #[serde(default)]
    pub validate_every: u64,
    /// What to do when the loss or a gradient is infinite or no number.
    #[serde(default)]
    pub on_not_finite: OnNotFinite,
    /// Embed a face and its mirror image and sum, in the measurements and on the door.
    pub mirror_sum: bool,
}

fn one() -> u64 {
    1
}

fn all() -> f64 {
    1.0
}

/// What to do when the loss or a gradient is infinite or no number; the weights are then still as
/// they were, and the batch is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnNotFinite {
    /// Stop with an error.
    #[default]
    Stop,
    /// Go back to the last checkpoint and on without that batch; stop after ten such batches.
    RollBack,
}

/// Number format of activations and gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComputePrecision {
    /// 32-bit floats; on a GPU matrix products may use TF32, which has their range and 10 bits.
    F32,
    /// bfloat16 where libtorch's autocast finds it safe.
    Bf16,
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No such file, or no recipe by its size.
    #[error("recipe {0}; the recipes that come with the project are in host-trainer/configs/")]
    Read(#[from] ReadError),
    /// Not TOML, an unknown or missing field, a wrong type.
    #[error("recipe {path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A value without meaning.
    #[error("recipe {path}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The field, what was found and what was expected.
        reason: String,
    },
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// [`RecipeError`], which names the file and the field.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let bytes = capped_file::read(path, MAX_BYTES)?;
        let text = String::from_utf8_lossy(&bytes);
        let recipe: Self = toml::from_str(&text).map_err(|source| RecipeError::Parse {
            path: path.into(),
            source: source.into(),
        })?;
        let value = |reason| RecipeError::Value {
            path: path.into(),
            reason,
        };
        recipe.check().map_err(value)?;
        Ok(recipe)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let graph = self.backbone.graph().map_err(|error| error.to_string())?;
        let training = &self.training;
        let rows = [
            (
                self.input_spec(&graph).is_usable(),
                "[input] std must be above 0 and mean finite",
            ),
            (
                (2..=8192).contains(&training.batch_size),
                "[training] batch_size must be in 2 to 8192",
            ),
            (
                (1..=1024).contains(&training.accumulate),
                "[training] accumulate must be in 1 to 1024",
            ),
            (
                training.class_sample_rate > 0.0 && training.class_sample_rate <= 1.0,
                "[training] class_sample_rate must be above 0 and at most 1",
            ),
            (training.steps > 0, "[training] steps must be above 0"),
            (
                training.checkpoint_every > 0,
                "[training] checkpoint_every must be above 0",
            ),
        ];
        if let Some((_, reason)) = rows.iter().find(|(good, _)| !good) {
            return Err((*reason).into());
        }
        self.data.check()?;
        self.augmentation.check()?;
        self.loss.check()?;
        self.optimizer.check()?;
        self.distillation.as_ref().map_or(Ok(()), |d| d.check())
    }

    /// What the network of this recipe takes.
    pub fn input_spec(&self, graph: &Graph) -> InputSpec {
        self.input.spec(graph.template)
    }

    /// The recipe as it was understood.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain tables")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Scale, Schedule};
    use crate::optimize::RateSchedule;

    fn configs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
    }

    #[test]
    fn every_recipe_of_the_project_is_usable() {
        let mut count = 0;
        for entry in std::fs::read_dir(configs()).unwrap() {
            let recipe = Recipe::read(&entry.unwrap().path()).unwrap();
            assert_eq!(toml::from_str::<Recipe>(&recipe.to_toml()).unwrap(), recipe);
            count += 1;
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
        check(
            "\"mobilefacenet\"",
            "\"sphereface20\"",
            "there are no fields",
        );
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
}
