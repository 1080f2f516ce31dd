//! The update of the weights.

use super::{Method, OptimizerConfig};
use crate::distributed;
use crate::loss::Active;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// A gradient holds infinity or no number; the weights are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

/// AdamW's share of the old mean square that is kept, and what keeps it from dividing by zero:
/// PyTorch's values.
const SQUARE_KEPT: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// SGD with momentum (`v = momentum * v + gradient; w -= rate * v`) or AdamW, as PyTorch defines
/// them.
pub struct Optimizer {
    config: OptimizerConfig,
    slots: BTreeMap<String, Slot>,
}

struct Slot {
    weight: Tensor,
    velocity: Tensor,
    /// Mean square of the gradients; AdamW alone keeps it.
    square: Option<Tensor>,
}

/// A gradient, and which rows of the weight of that name it is for.
struct Gradient {
    name: String,
    rows: Option<Tensor>,
    values: Tensor,
}

impl Optimizer {
    /// Takes the tensors to change, by name, all of them at rest.
    pub fn new(
        config: OptimizerConfig,
        weights: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Self {
        let zeros = |weight: &Tensor| weight.detach().zeros_like();
        let slot = |weight: Tensor| Slot {
            velocity: zeros(&weight),
            square: (config.method == Method::AdamW).then(|| zeros(&weight)),
            weight,
        };
        let slots = weights
            .into_iter()
            .map(|(name, weight)| (name, slot(weight)))
            .collect();
        Self { config, slots }
    }

    /// Changes every weight by its gradient, the mean of those of all ranks, which is cleared. Of
    /// class weights that were sampled, if any, only the rows in use change, and keep their own momentum.
    ///
    /// - `step`: how many were done before
    ///
    /// # Errors
    /// [`NotFinite`]; the weights are as they were.
    pub fn step(&mut self, step: u64, rate: f64, active: Option<&Active>) -> Result<(), NotFinite> {
        let _guard = tch::no_grad_guard();
        let gradients = self.gradients(active);
        // Before anything is decided, so that all ranks decide the same.
        distributed::mean(&gradients.iter().map(|g| &g.values).collect::<Vec<_>>());
        let norm = norm(&gradients);
        if !norm.is_finite() {
            self.clear();
            return Err(NotFinite);
        }
        let longest = self.config.max_gradient_norm.unwrap_or(f64::INFINITY);
        let share = if norm > longest { longest / norm } else { 1.0 };
        for gradient in gradients {
            self.change(gradient, step, rate, share);
        }
        self.clear();
        Ok(())
    }

    fn gradients(&self, active: Option<&Active>) -> Vec<Gradient> {
        let own = self.slots.iter().map(|(name, slot)| Gradient {
            name: name.clone(),
            rows: None,
            values: slot.weight.grad(),
        });
        let sampled = active.and_then(Active::sampled);
        let sampled = sampled.into_iter().flat_map(|(rows, named)| {
            named.into_iter().map(move |(name, weight)| Gradient {
                name,
                rows: Some(rows.shallow_clone()),
                values: weight.grad(),
            })
        });
        own.chain(sampled)
            .filter(|gradient| gradient.values.defined())
            .collect()
    }

    fn change(&mut self, gradient: Gradient, step: u64, rate: f64, share: f64) {
        let slot = self
            .slots
            .get_mut(&gradient.name)
            .expect("gradients are of the weights that were taken");
        let in_use = |all: &Tensor| match &gradient.rows {
            Some(rows) => all.index_select(0, rows),
            None => all.shallow_clone(),
        };
        let (mut weight, mut velocity) = (in_use(&slot.weight), in_use(&slot.velocity));
        let mut square = slot.square.as_ref().map(in_use);
        let decay = match weight.dim() > 1 {
            true => self.config.weight_decay,
            false => self.config.bias_weight_decay,
        };
        let mut values = gradient.values;
        if share < 1.0 {
            values *= share;
        }
        let momentum = self.config.momentum;
        if let Some(square) = &mut square {
            weight *= 1.0 - rate * decay;
            velocity *= momentum;
            velocity += &values * (1.0 - momentum);
            *square *= SQUARE_KEPT;
            *square += &values * &values * (1.0 - SQUARE_KEPT);
            // Both began at zero, which the early steps make up for.
            let steps = step as f64 + 1.0;
            let [first, second] = [momentum, SQUARE_KEPT].map(|kept| 1.0 - kept.powf(steps));
            let size = (&*square / second).sqrt() + EPSILON;
            weight -= &velocity / size * (rate / first);
        } else {
            if decay > 0.0 {
                values += &weight * decay;
            }
            velocity *= momentum;
            velocity += &values;
            weight -= &velocity * rate;
        }
        if let Some(rows) = &gradient.rows {
            let _ = slot.weight.index_copy_(0, rows, &weight);
            let _ = slot.velocity.index_copy_(0, rows, &velocity);
            if let (Some(all), Some(square)) = (&mut slot.square, &square) {
                let _ = all.index_copy_(0, rows, square);
            }
        }
    }

    fn clear(&mut self) {
        for slot in self.slots.values_mut() {
            slot.weight.zero_grad();
        }
    }

    /// What a checkpoint must keep: `velocity/<weight>`, and with AdamW `square/<weight>`.
    pub fn state(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.slots.iter().flat_map(|(name, slot)| {
            let velocity = Some((format!("velocity/{name}"), slot.velocity.shallow_clone()));
            let square = slot.square.as_ref();
            let square = square.map(|s| (format!("square/{name}"), s.shallow_clone()));
            velocity.into_iter().chain(square)
        })
    }
}

/// Length of all gradients as one vector; not finite if any number is not.
fn norm(gradients: &[Gradient]) -> f64 {
    let norms: Vec<Tensor> = gradients.iter().map(|g| g.values.norm()).collect();
    if norms.is_empty() {
        return 0.0;
    }
    Tensor::stack(&norms, 0)
        .to_kind(Kind::Double)
        .norm()
        .double_value(&[])
}

#[cfg(test)]
mod tests;
