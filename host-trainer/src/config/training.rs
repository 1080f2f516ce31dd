//! The loop around the network.

use serde::{Deserialize, Serialize};

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

impl TrainingConfig {
    /// # Errors
    /// The field without meaning and its range.
    pub(super) fn check(&self) -> Result<(), String> {
        let rows = [
            (
                (2..=8192).contains(&self.batch_size),
                "[training] batch_size must be in 2 to 8192",
            ),
            (
                (1..=1024).contains(&self.accumulate),
                "[training] accumulate must be in 1 to 1024",
            ),
            (
                self.class_sample_rate > 0.0 && self.class_sample_rate <= 1.0,
                "[training] class_sample_rate must be above 0 and at most 1",
            ),
            (self.steps > 0, "[training] steps must be above 0"),
            (
                self.checkpoint_every > 0,
                "[training] checkpoint_every must be above 0",
            ),
        ];
        match rows.iter().find(|(good, _)| !good) {
            Some((_, reason)) => Err((*reason).into()),
            None => Ok(()),
        }
    }
}
