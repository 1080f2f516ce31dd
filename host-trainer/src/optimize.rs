//! Stochastic gradient descent whose state can be saved, and the learning-rate schedule.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::Tensor;

/// SGD with momentum, and a learning rate that drops at given steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Learning rate at the first step, above 0.
    pub learning_rate: f64,
    /// Steps at which the learning rate is multiplied by `drop_factor`, ascending.
    pub drop_at: Vec<u64>,
    /// Multiplies the learning rate at each drop, 0 to 1.
    pub drop_factor: f64,
    /// Share of the last update that is kept, 0 to 1.
    pub momentum: f64,
    /// Shrinks the weights of convolutions and linear layers, not biases, slopes and norms.
    pub weight_decay: f64,
}

impl OptimizerConfig {
    /// The learning rate of a step (the first is 0).
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let drops = self.drop_at.iter().filter(|at| step >= **at).count();
        self.learning_rate * self.drop_factor.powi(drops as i32)
    }
}

/// SGD with momentum, as PyTorch defines it: `v = momentum * v + gradient; w -= rate * v`.
pub struct Sgd {
    config: OptimizerConfig,
    slots: BTreeMap<String, Slot>,
}

struct Slot {
    weight: Tensor,
    velocity: Tensor,
}

impl Sgd {
    /// Takes the tensors to change, by name, all of them at rest.
    pub fn new(
        config: OptimizerConfig,
        weights: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Self {
        let slot = |weight: Tensor| Slot {
            velocity: weight.detach().zeros_like(),
            weight,
        };
        let slots = weights
            .into_iter()
            .map(|(name, weight)| (name, slot(weight)))
            .collect();
        Self { config, slots }
    }

    /// Changes every weight by its gradient, which is cleared.
    pub fn step(&mut self, step: u64) {
        let _guard = tch::no_grad_guard();
        let rate = self.config.learning_rate_at(step);
        for slot in self.slots.values_mut() {
            let mut gradient = slot.weight.grad();
            if !gradient.defined() {
                continue;
            }
            if slot.weight.dim() > 1 {
                gradient += &slot.weight * self.config.weight_decay;
            }
            slot.velocity *= self.config.momentum;
            slot.velocity += &gradient;
            slot.weight -= &slot.velocity * rate;
            slot.weight.zero_grad();
        }
    }

    /// The velocities by the names of their weights: what a checkpoint must keep.
    pub fn velocities(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.slots.iter().map(|(name, slot)| (name, &slot.velocity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn config() -> OptimizerConfig {
        OptimizerConfig {
            learning_rate: 0.1,
            drop_at: vec![2, 4],
            drop_factor: 0.1,
            momentum: 0.9,
            weight_decay: 0.5,
        }
    }

    #[test]
    fn the_rate_drops_at_its_steps() {
        for (step, rate) in [
            (0, 0.1),
            (1, 0.1),
            (2, 0.01),
            (3, 0.01),
            (4, 0.001),
            (99, 0.001),
        ] {
            assert!((config().learning_rate_at(step) - rate).abs() < 1e-12);
        }
    }

    #[test]
    fn two_steps_are_those_computed_by_hand() {
        let weight = Tensor::full([1, 1], 2.0, (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let bias = Tensor::full([1], 2.0, (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let named = [("w", &weight), ("b", &bias)].map(|(n, t)| (n.to_string(), t.shallow_clone()));
        let mut sgd = Sgd::new(config(), named);
        for step in 0..2 {
            (&weight * 3.0 + &bias * 3.0).sum(Kind::Double).backward();
            sgd.step(step);
        }
        // w: v1 = 3 + 0.5 * 2 = 4, w1 = 1.6; v2 = 3.6 + 3 + 0.8 = 7.4, w2 = 0.86.
        // b, without decay: v1 = 3, b1 = 1.7; v2 = 5.7, b2 = 1.13.
        assert!((weight.double_value(&[0, 0]) - 0.86).abs() < 1e-12);
        assert!((bias.double_value(&[0]) - 1.13).abs() < 1e-12);
    }
}
