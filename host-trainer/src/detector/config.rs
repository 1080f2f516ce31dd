//! The recipe of a detector.

use crate::augment::AugmentConfig;
use crate::backbone::detector::{FRAME, detector};
use crate::backbone::graph::{Activation, Graph};
use crate::config::{ComputePrecision, InputConfig, RecipeError};
use crate::optimize::OptimizerConfig;
use edge_runtime::capped_file;
use serde::{Deserialize, Serialize};
use shared::detector::FrameSpec;
use std::path::{Path, PathBuf};

/// The longest recipe that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A training run of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorRecipe {
    /// For people.
    pub name: String,
    /// Of everything drawn at random: weights, frames, augmentation.
    pub seed: u64,
    /// The network.
    pub detector: DetectorNetwork,
    /// What the frames are put together from.
    pub data: DetectorData,
    /// How whole frames are changed at random. Neither mirror, jitter, crop nor occlusion: they
    /// would leave the landmarks where they were.
    #[serde(default)]
    pub augmentation: AugmentConfig,
    /// How pixels become numbers.
    pub input: InputConfig,
    /// How the weights change.
    pub optimizer: OptimizerConfig,
    /// How long and how precisely.
    pub training: DetectorTraining,
}

/// The network of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorNetwork {
    /// Multiplies the channel counts, 0.125 to 4.
    pub width: f64,
    /// After each convolution but those of the outputs.
    pub activation: Activation,
    /// The threshold is set no lower than this, above 0 and below 0.9: frames that are put together
    /// are easier than real ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_threshold: Option<f32>,
}

/// What the frames of a detector are put together from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorData {
    /// Photographs of one face each, in folders below the data directory of the command line:
    /// `images/<person>/<file>` and `landmarks.csv`.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// Pictures of as many drawn people beside them.
    pub drawn_people: u64,
    /// A folder of images without any face, such as pictures of the entrance, below the data
    /// directory, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backgrounds: Option<PathBuf>,
    /// Share of the frames without a face, 0 to 0.9.
    pub faceless: f64,
    /// Share of the people who are kept out of training and measured on, above 0 and at most 0.9.
    pub held_out: f64,
}

/// The loop around the network of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorTraining {
    /// Frames that the network sees at once.
    pub batch_size: usize,
    /// Steps until the end.
    pub steps: u64,
    /// Number format of activations and gradients; weights are always 32-bit.
    pub precision: ComputePrecision,
    /// Steps from one checkpoint to the next.
    pub checkpoint_every: u64,
}

/// Whether a recipe's file is that of a detector: it has a table `[detector]`. What cannot be read
/// is not; its own reader says why.
pub fn is_detector(path: &Path) -> bool {
    let bytes = capped_file::read(path, MAX_BYTES).unwrap_or_default();
    let table: Option<toml::Table> = toml::from_str(&String::from_utf8_lossy(&bytes)).ok();
    table.is_some_and(|table| table.contains_key("detector"))
}

impl DetectorRecipe {
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

    fn check(&self) -> Result<(), String> {
        let (data, training, input) = (&self.data, &self.training, &self.input);
        let moves = &self.augmentation;
        let rows = [
            (
                (0.125..=4.0).contains(&self.detector.width),
                "[detector] width must be in 0.125 to 4",
            ),
            (
                (self.detector.least_threshold).is_none_or(|t| t > 0.0 && t < 0.9),
                "[detector] least_threshold must be above 0 and below 0.9",
            ),
            (
                (0.0..=0.9).contains(&data.faceless),
                "[data] faceless must be in 0 to 0.9",
            ),
            (
                data.held_out > 0.0 && data.held_out <= 0.9,
                "[data] held_out must be above 0 and at most 0.9",
            ),
            (
                data.drawn_people <= 100_000,
                "[data] drawn_people must be at most 100000",
            ),
            (
                !data.folders.is_empty() || data.drawn_people >= 10,
                "[data] needs folders, or at least 10 drawn_people",
            ),
            (
                !moves.mirror
                    && moves.jitter.is_none()
                    && moves.crop.is_none()
                    && moves.jpeg.is_none()
                    && moves.occlusion.is_none(),
                "[augmentation] of a detector has neither mirror, jitter, crop, occlusion nor jpeg: faces are placed at \
                 any turn and size anyway",
            ),
            (
                input.mean.iter().all(|m| m.is_finite())
                    && input.std.iter().all(|s| s.is_finite() && *s > 0.0),
                "[input] std must be above 0 and mean finite",
            ),
            (
                (2..=8192).contains(&training.batch_size),
                "[training] batch_size must be in 2 to 8192",
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
        self.augmentation.check()?;
        self.optimizer.check()
    }

    /// The network.
    pub fn graph(&self) -> Graph {
        detector(self.detector.width, self.detector.activation)
    }

    /// What the network takes.
    pub fn frame_spec(&self) -> FrameSpec {
        let [width, height] = FRAME.map(|side| side as u16);
        let InputConfig {
            pixel_order,
            mean,
            std,
        } = self.input;
        FrameSpec {
            width,
            height,
            pixel_order,
            mean,
            std,
        }
    }

    /// The recipe as it was understood.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain tables")
    }
}
