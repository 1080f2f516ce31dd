//! The recipe: one TOML file that says everything about a training run.

mod quantization;
mod training;

pub use quantization::QuantizationConfig;
pub use training::{ComputePrecision, OnNotFinite, TrainingConfig};

use crate::augment::AugmentConfig;
use crate::backbone::BackboneConfig;
use crate::backbone::graph::Graph;
use crate::dataset::DataConfig;
use crate::distill::DistillationConfig;
use crate::loss::LossConfig;
use crate::optimize::OptimizerConfig;
use crate::quantize::quantizable;
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
    /// What the network becomes in integers after that, if it is to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<QuantizationConfig>,
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
        if !self.input_spec(&graph).is_usable() {
            return Err("[input] std must be above 0 and mean finite".into());
        }
        self.training.check()?;
        self.data.check()?;
        self.augmentation.check()?;
        self.loss.check()?;
        self.optimizer.check()?;
        self.distillation.as_ref().map_or(Ok(()), |d| d.check())?;
        let Some(quantization) = &self.quantization else {
            return Ok(());
        };
        quantizable(&graph).map_err(|error| format!("[quantization] {error}"))?;
        quantization.check()
    }

    /// What the network of this recipe takes.
    pub fn input_spec(&self, graph: &Graph) -> InputSpec {
        self.input.spec(graph.template())
    }

    /// The recipe as it was understood.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is plain tables")
    }
}

#[cfg(test)]
mod tests;
