//! Classification heads: from embeddings and labels to a loss.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};

/// The loss that a recipe asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// Linear classifier on the raw embedding, cross-entropy.
    Softmax {},
    /// [`am_softmax`] on normalized embeddings and class weights.
    AmSoftmax {
        /// Multiplies the cosines; above 0.
        scale: f64,
        /// Taken from the true class's cosine, 0 to 1.
        margin: f64,
        /// Steps in which the margin grows from 0 to its value, evenly; 0 for the whole margin at
        /// once, as the paper has it.
        #[serde(default)]
        margin_ramp_steps: u64,
    },
}

impl std::fmt::Display for LossConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Softmax {} => write!(f, "Softmax"),
            Self::AmSoftmax { scale, margin, .. } => write!(f, "AM-Softmax s={scale} m={margin}"),
        }
    }
}

/// The class weights and the loss computed with them.
pub struct Head {
    config: LossConfig,
    /// `[C, D]`.
    weight: Tensor,
    /// `[C]`; AM-Softmax has none.
    bias: Option<Tensor>,
}

impl Head {
    /// Weights for `classes` people and embeddings of `embedding_len` numbers, normal with
    /// standard deviation 0.01, drawn from libtorch's generator.
    pub fn new(config: &LossConfig, classes: i64, embedding_len: i64, device: Device) -> Self {
        let mut weight = Tensor::empty([classes, embedding_len], (Kind::Float, Device::Cpu));
        let weight = weight
            .normal_(0.0, 0.01)
            .to_device(device)
            .set_requires_grad(true);
        let bias = matches!(config, LossConfig::Softmax {})
            .then(|| Tensor::zeros([classes], (Kind::Float, device)).set_requires_grad(true));
        Self {
            config: config.clone(),
            weight,
            bias,
        }
    }

    /// Tensors that gradients change, by name.
    pub fn trainable(&self) -> Vec<(String, Tensor)> {
        let bias = self
            .bias
            .iter()
            .map(|b| ("head.bias".into(), b.shallow_clone()));
        let weight = ("head.weight".into(), self.weight.shallow_clone());
        std::iter::once(weight).chain(bias).collect()
    }

    /// Batch mean of the loss, a scalar.
    ///
    /// - `embeddings`: `[B, D]` f32, raw
    /// - `labels`: `[B]` i64 in `0..C`
    /// - `step`: of the training, the first is 0
    pub fn loss(&self, embeddings: &Tensor, labels: &Tensor, step: u64) -> Tensor {
        match self.config {
            LossConfig::Softmax {} => embeddings
                .linear(&self.weight, self.bias.as_ref())
                .cross_entropy_for_logits(labels),
            LossConfig::AmSoftmax {
                scale,
                margin,
                margin_ramp_steps,
            } => {
                let share = ((step + 1) as f64 / margin_ramp_steps.max(1) as f64).min(1.0);
                let cosine = unit_rows(embeddings).matmul(&unit_rows(&self.weight).tr());
                am_softmax(&cosine, labels, scale, margin * share)
            }
        }
    }
}

/// Rows scaled to unit length, `[N, D]`; a zero row stays zero.
fn unit_rows(rows: &Tensor) -> Tensor {
    let norm = rows.norm_scalaropt_dim(2.0, [1].as_slice(), true);
    rows / norm.clamp_min(1e-12)
}

/// AM-Softmax loss (Wang et al. 2018, arXiv:1801.05599).
///
/// - `cosine`: `[B, C]` f32 in `[-1, 1]`, embedding against class weight
/// - `labels`: `[B]` i64 in `0..C`
///
/// Returns the batch mean, a scalar. The authors' model uses s = 30, m = 0.35.
pub fn am_softmax(cosine: &Tensor, labels: &Tensor, scale: f64, margin: f64) -> Tensor {
    let margins = cosine
        .zeros_like()
        .scatter_value(1, &labels.unsqueeze(1), margin);
    ((cosine - margins) * scale).cross_entropy_loss::<Tensor>(
        labels,
        None,
        Reduction::Mean,
        -100,
        0.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(loss: &Tensor) -> f64 {
        f64::try_from(loss).unwrap()
    }

    #[test]
    fn am_softmax_is_the_papers_formula() {
        // Equation 6 of the paper in f64, term by term.
        let cosine = [[0.8_f64, 0.1, -0.3], [-0.2, 0.4, 0.5]];
        let labels = [0_i64, 2];
        let (s, m) = (30.0_f64, 0.35);
        let expected = cosine.iter().zip(labels).map(|(row, label)| {
            let own = (s * (row[label as usize] - m)).exp();
            let others = row.iter().enumerate().filter(|(j, _)| *j as i64 != label);
            -(own / (own + others.map(|(_, c)| (s * c).exp()).sum::<f64>())).ln()
        });
        let expected = expected.sum::<f64>() / 2.0;
        let cosine = Tensor::from_slice2(&cosine);
        let loss = value(&am_softmax(&cosine, &Tensor::from_slice(&labels), s, m));
        assert!((loss - expected).abs() < 1e-9, "{loss} {expected}");
    }

    #[test]
    fn without_a_margin_it_is_normalized_softmax() {
        let cosine = Tensor::from_slice2(&[[0.5, -0.5], [0.1, 0.9]]);
        let labels = Tensor::from_slice(&[0_i64, 0]);
        let plain = (&cosine * 30.0).cross_entropy_for_logits(&labels);
        assert!((value(&am_softmax(&cosine, &labels, 30.0, 0.0)) - value(&plain)).abs() < 1e-9);
    }

    #[test]
    fn the_gradient_is_the_difference_quotient() {
        let labels = Tensor::from_slice(&[1_i64, 0]);
        let start = [[0.3, 0.2, -0.6], [0.7, -0.1, 0.4]];
        let cosine = Tensor::from_slice2(&start).set_requires_grad(true);
        am_softmax(&cosine, &labels, 30.0, 0.35).backward();
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 2)] {
            let moved = |by: f64| {
                let mut moved = start;
                moved[i][j] += by;
                value(&am_softmax(
                    &Tensor::from_slice2(&moved),
                    &labels,
                    30.0,
                    0.35,
                ))
            };
            let quotient = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let gradient = cosine.grad().double_value(&[i as i64, j as i64]);
            assert!((gradient - quotient).abs() < 1e-5, "{gradient} {quotient}");
        }
    }

    #[test]
    fn am_softmax_ignores_the_length_of_embeddings_and_softmax_does_not() {
        tch::manual_seed(1);
        let embeddings = Tensor::randn([4, 8], (Kind::Float, Device::Cpu));
        let labels = Tensor::from_slice(&[0_i64, 1, 2, 1]);
        for (config, ignores) in [
            (
                LossConfig::AmSoftmax {
                    scale: 30.0,
                    margin: 0.35,
                    margin_ramp_steps: 0,
                },
                true,
            ),
            (LossConfig::Softmax {}, false),
        ] {
            let head = Head::new(&config, 3, 8, Device::Cpu);
            let difference =
                head.loss(&embeddings, &labels, 0) - head.loss(&(&embeddings * 50.0), &labels, 0);
            assert_eq!(value(&difference).abs() < 1e-4, ignores);
        }
    }

    #[test]
    fn the_margin_grows_to_its_value() {
        tch::manual_seed(1);
        let embeddings = Tensor::randn([4, 8], (Kind::Float, Device::Cpu));
        let labels = Tensor::from_slice(&[0_i64, 1, 2, 1]);
        let ramp = LossConfig::AmSoftmax {
            scale: 30.0,
            margin: 0.4,
            margin_ramp_steps: 4,
        };
        let head = Head::new(&ramp, 3, 8, Device::Cpu);
        let cosine = unit_rows(&embeddings).matmul(&unit_rows(&head.weight).tr());
        for (step, margin) in [(0, 0.1), (1, 0.2), (3, 0.4), (99, 0.4)] {
            let expected = am_softmax(&cosine, &labels, 30.0, margin);
            let difference = head.loss(&embeddings, &labels, step) - expected;
            assert!(value(&difference).abs() < 1e-5, "{step}");
        }
    }
}
