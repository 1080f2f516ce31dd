//! What a trained network becomes in integers.

use crate::quantize::LEAST_FACES;
use serde::{Deserialize, Serialize};

/// The most faces to calibrate with.
const MOST_FACES: usize = 100_000;
/// The most steps of fine-tuning.
const MOST_STEPS: u64 = 10_000_000;

/// What a trained network becomes in integers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationConfig {
    /// Faces of people trained on that the ranges are measured on, [`LEAST_FACES`] at least.
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
                (LEAST_FACES..=MOST_FACES).contains(&self.faces),
                format!("faces must be in {LEAST_FACES} to {MOST_FACES}"),
            ),
            (
                self.fine_tune_steps <= MOST_STEPS,
                format!("fine_tune_steps must be at most {MOST_STEPS}"),
            ),
            (
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                "learning_rate must be above 0".into(),
            ),
        ];
        match rows.iter().find(|(good, _)| !good) {
            Some((_, reason)) => Err(format!("[quantization] {reason}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_512_faces_and_no_fine_tuning() {
        let empty: QuantizationConfig = toml::from_str("").unwrap();
        let numbers = (empty.faces, empty.fine_tune_steps, empty.learning_rate);
        assert_eq!(numbers, (512, 0, 1e-3));
        assert_eq!(empty, QuantizationConfig::default());
    }

    #[test]
    fn numbers_without_meaning_are_refused_by_name() {
        let check = |toml: &str| toml::from_str::<QuantizationConfig>(toml).unwrap().check();
        for good in [
            "faces = 32",
            "faces = 100000\nfine_tune_steps = 10000000\nlearning_rate = 1e-9",
        ] {
            assert_eq!(check(good), Ok(()));
        }
        for (bad, needle) in [
            ("faces = 31", "faces must be in 32 to 100000"),
            ("faces = 100001", "faces must be in 32 to 100000"),
            (
                "fine_tune_steps = 10000001",
                "fine_tune_steps must be at most 10000000",
            ),
            ("learning_rate = 0.0", "learning_rate must be above 0"),
            ("learning_rate = inf", "learning_rate must be above 0"),
        ] {
            assert_eq!(check(bad), Err(format!("[quantization] {needle}")));
        }
    }
}
