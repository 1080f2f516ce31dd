//! What a trained network becomes in integers.

use crate::quantize::LEAST_FACES;
use serde::{Deserialize, Serialize};

/// What a trained network becomes in integers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationConfig {
    /// Faces of people trained on that the ranges are measured on, at least 32.
    #[serde(default = "faces")]
    pub faces: usize,
    /// Steps of training with the rounding in place, after that; 0 for none.
    #[serde(default)]
    pub fine_tune_steps: u64,
    /// Learning rate of the first of them, above 0; it falls evenly to 0.
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
}

fn faces() -> usize {
    512
}

fn learning_rate() -> f64 {
    1e-3
}

impl Default for QuantizationConfig {
    fn default() -> Self {
        Self {
            faces: faces(),
            fine_tune_steps: 0,
            learning_rate: learning_rate(),
        }
    }
}

impl QuantizationConfig {
    /// Whether its numbers have a meaning.
    ///
    /// # Errors
    /// The field without meaning and its range.
    pub fn check(&self) -> Result<(), String> {
        let rows = [
            (
                (LEAST_FACES..=100_000).contains(&self.faces),
                "faces must be in 32 to 100000",
            ),
            (
                self.fine_tune_steps <= 10_000_000,
                "fine_tune_steps must be at most 10000000",
            ),
            (
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                "learning_rate must be above 0",
            ),
        ];
        match rows.iter().find(|(good, _)| !good) {
            Some((_, reason)) => Err(format!("[quantization] {reason}")),
            None => Ok(()),
        }
    }
}
