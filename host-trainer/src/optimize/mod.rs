//! Optimizers whose state can be saved; `schedule` is their learning rate, `average` the moving
//! average of the weights.

mod average;
mod optimizer;
mod schedule;

pub use average::Average;
pub use optimizer::{NotFinite, Optimizer};
pub use schedule::RateSchedule;

use serde::{Deserialize, Serialize};

/// How gradients become steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Gradient descent with momentum.
    #[default]
    Sgd,
    /// Each weight's step by the size of its own gradients, decay apart from them (Loshchilov and
    /// Hutter 2019, arXiv:1711.05101), for networks that are to give numbers rather than classes.
    AdamW,
}

/// The method, and how the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// How gradients become steps.
    #[serde(default)]
    pub method: Method,
    /// Learning rate after the warm-up, above 0.
    pub learning_rate: f64,
    /// Steps in which the learning rate climbs to that, evenly; 0 for none.
    #[serde(default)]
    pub warmup_steps: u64,
    /// Share of the last update that is kept, 0 to 1; with AdamW below 1.
    pub momentum: f64,
    /// Shrinks the weights of convolutions and linear layers, 0 to 1.
    pub weight_decay: f64,
    /// The same for biases, slopes and norms, 0 to 1.
    #[serde(default)]
    pub bias_weight_decay: f64,
    /// Longest gradient over all weights, above 0; longer ones are shortened to it. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gradient_norm: Option<f64>,
    /// Share of the old average that a step keeps where an exponential moving average of the
    /// weights is what is exported, above 0 and below 1. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_decay: Option<f64>,
    /// The learning rate after the warm-up.
    pub schedule: RateSchedule,
}

impl OptimizerConfig {
    /// The learning rate of a step (the first is 0) of a training of `steps`.
    pub fn learning_rate_at(&self, step: u64, steps: u64) -> f64 {
        self.learning_rate * self.schedule.factor(step, self.warmup_steps, steps)
    }

    /// # Errors
    /// The field without meaning and its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let rows = [
            (
                positive(self.learning_rate),
                "learning_rate must be above 0",
            ),
            (unit(self.momentum), "momentum must be in 0 to 1"),
            (
                self.method == Method::Sgd || self.momentum < 1.0,
                "momentum must be below 1 with AdamW",
            ),
            (unit(self.weight_decay), "weight_decay must be in 0 to 1"),
            (
                unit(self.bias_weight_decay),
                "bias_weight_decay must be in 0 to 1",
            ),
            (
                self.max_gradient_norm.is_none_or(positive),
                "max_gradient_norm must be above 0",
            ),
            (
                self.average_decay.is_none_or(|d| d > 0.0 && d < 1.0),
                "average_decay must be above 0 and below 1",
            ),
        ];
        match rows.iter().find(|(good, _)| !good) {
            Some((_, reason)) => Err(format!("[optimizer] {reason}")),
            None => self.schedule.check(),
        }
    }
}
