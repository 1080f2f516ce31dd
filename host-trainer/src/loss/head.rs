//! The class weights, and the loss computed with them.

use super::sample::{Sampling, positions};
use super::{LossConfig, Scale, cross_entropy, lengths, replaced, unit_rows};
use crate::distributed;
use crate::generator::Generator;
use tch::{Device, Kind, Tensor};

/// The class weights of a training.
pub struct Head {
    config: LossConfig,
    /// `[C, D]`.
    weight: Tensor,
    /// `[C]`; Softmax alone has one.
    bias: Option<Tensor>,
    sampling: Option<Sampling>,
    seed: u64,
}

/// The classes of one step with the weights that its gradients reach.
pub struct Active {
    /// Ascending; `None` where all take part.
    classes: Option<Vec<i64>>,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Head {
    /// Weights for `classes` people and embeddings of `embedding_len` numbers, normal with
    /// standard deviation 0.01.
    ///
    /// - `sample_rate`: share of the classes that take part in a step, above 0; 1 for all
    /// - `seed`: of the sampling and of the dropout
    pub fn new(
        config: &LossConfig,
        (classes, embedding_len): (i64, i64),
        sample_rate: f64,
        seed: u64,
        device: Device,
        _generator: &Generator,
    ) -> Self {
        let mut weight = Tensor::empty([classes, embedding_len], (Kind::Float, Device::Cpu));
        let weight = weight.normal_(0.0, 0.01).to_device(device);
        let bias = matches!(config, LossConfig::Softmax { .. })
            .then(|| Tensor::zeros([classes], (Kind::Float, device)));
        let sampling = (sample_rate < 1.0).then_some(Sampling {
            rate: sample_rate,
            seed,
        });
        let all = sampling.is_none();
        Self {
            config: config.clone(),
            weight: weight.set_requires_grad(all),
            bias: bias.map(|bias| bias.set_requires_grad(all)),
            sampling,
            seed,
        }
    }

    /// The class weights, and the biases where there are some, by name.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        named(&self.weight, self.bias.as_ref()).collect()
    }

    /// The classes that take part in a step whose images, of all ranks, have these labels (in `0..C`).
    pub fn activate(&self, labels: &[i64], step: u64) -> Active {
        let Some(sampling) = self.sampling else {
            return Active {
                classes: None,
                weight: self.weight.shallow_clone(),
                bias: self.bias.as_ref().map(Tensor::shallow_clone),
            };
        };
        let classes = sampling.classes(labels, self.weight.size()[0], step);
        let rows = Tensor::from_slice(&classes).to_device(self.weight.device());
        let leaf = |all: &Tensor| all.index_select(0, &rows).set_requires_grad(true);
        Active {
            weight: leaf(&self.weight),
            bias: self.bias.as_ref().map(leaf),
            classes: Some(classes),
        }
    }

    /// Batch mean of the loss, a scalar.
    ///
    /// - `embeddings`: `[B, D]` f32, raw
    /// - `labels`: `[B]` in `0..C`, all of them among the active classes
    /// - `step`: of the training, the first is 0
    pub fn loss(&self, embeddings: &Tensor, labels: &[i64], active: &Active, step: u64) -> Tensor {
        let labels = match &active.classes {
            Some(classes) => Tensor::from_slice(&positions(labels, classes)),
            None => Tensor::from_slice(labels),
        };
        let labels = labels.to_device(embeddings.device());
        if let LossConfig::Softmax { dropout } = self.config {
            let kept = dropped(embeddings, dropout, self.seed, step);
            return cross_entropy(&kept.linear(&active.weight, active.bias.as_ref()), &labels);
        }
        let cosine = unit_rows(embeddings).matmul(&unit_rows(&active.weight).tr());
        let cosine = replaced(&cosine, &labels, |own| self.config.target(own, step));
        let logits = match self.config.scale() {
            Some(Scale::Feature(_)) => cosine * lengths(embeddings),
            Some(Scale::Fixed(scale)) => cosine * scale.at(step),
            None => cosine,
        };
        cross_entropy(&logits, &labels)
    }
}

impl Active {
    /// For an optimizer: the rows of the class weights that take part, and the weights in use with
    /// their gradients, by name. Empty where all take part: they are the head's own tensors then.
    pub fn sampled(&self) -> Option<(Tensor, Vec<(String, Tensor)>)> {
        let rows = Tensor::from_slice(self.classes.as_ref()?).to_device(self.weight.device());
        Some((rows, named(&self.weight, self.bias.as_ref()).collect()))
    }
}

fn named(weight: &Tensor, bias: Option<&Tensor>) -> impl Iterator<Item = (String, Tensor)> {
    let weight = ("head.weight".to_string(), weight.shallow_clone());
    std::iter::once(weight).chain(bias.map(|b| ("head.bias".to_string(), b.shallow_clone())))
}

/// Some numbers at zero, the others larger by as much, so that the sum stays what it was on average.
fn dropped(embeddings: &Tensor, share: f64, seed: u64, step: u64) -> Tensor {
    if share == 0.0 {
        return embeddings.shallow_clone();
    }
    // Of the seed and the step alone, so that a resumed run drops the same.
    let generator = Generator::seeded(seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (batch, len) = (embeddings.size()[0], embeddings.size()[1]);
    let (rank, ranks) = (distributed::rank() as i64, distributed::ranks() as i64);
    // For all ranks, each of which takes its rows: what one process would draw.
    let drawn = Tensor::rand([batch * ranks, len], (Kind::Float, Device::Cpu));
    drop(generator);
    let kept = drawn.narrow(0, rank * batch, batch).ge(share);
    embeddings * kept.to_device(embeddings.device()) / (1.0 - share)
}
