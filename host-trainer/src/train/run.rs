//! The state of a training, and one step of it.

use super::batch::{augmented, normalized};
use super::{Start, TrainError};
use crate::augment::mixup;
use crate::backbone::Module;
use crate::config::{ComputePrecision, Recipe};
use crate::dataset::loader::Batch;
use crate::distill::{Crops, Teacher};
use crate::distributed;
use crate::export::Weights;
use crate::generator::Generator;
use crate::loss::Head;
use crate::native;
use crate::optimize::{Average, NotFinite, Optimizer};
use shared::preprocess::InputSpec;
use tch::{Device, Kind, Tensor};

pub(super) struct Run<'a> {
    recipe: &'a Recipe,
    input: InputSpec,
    pub(super) device: Device,
    pub(super) module: Module,
    head: Head,
    optimizer: Optimizer,
    pub(super) average: Option<Average>,
    teacher: Option<&'a Teacher>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        recipe: &'a Recipe,
        classes: i64,
        teacher: Option<&'a Teacher>,
        start: Option<&Start>,
    ) -> Self {
        let device = native::device();
        let generator = Generator::seeded(recipe.seed);
        let graph = recipe.backbone.graph().expect("checked with the recipe");
        let input = recipe.input_spec(&graph);
        let shape = (classes, graph.embedding_len());
        let rate = recipe.training.class_sample_rate;
        let head = Head::new(&recipe.loss, shape, rate, recipe.seed, device, &generator);
        let module = match start {
            None => Module::new(graph, device, &generator),
            Some(start) => Module::with_weights(start.graph.clone(), &start.weights, device)
                .quantized(start.scheme.clone()),
        };
        let own = module.trainable().map(named);
        let optimizer = Optimizer::new(recipe.optimizer.clone(), own.chain(head.tensors()));
        let average = recipe
            .optimizer
            .average_decay
            .map(|decay| Average::new(decay, module.tensors().iter().map(named)));
        Self {
            recipe,
            input,
            device,
            module,
            head,
            optimizer,
            average,
            teacher,
        }
    }

    /// Class weights to begin with, by name; those that are missing stay as they were drawn.
    ///
    /// # Errors
    /// [`TrainError::Head`].
    pub(super) fn fill_head(&mut self, weights: &Weights) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        for (name, mut tensor) in self.head.tensors() {
            let Some(numbers) = weights.get(&name) else {
                continue;
            };
            let (found, expected) = (numbers.len(), tensor.numel());
            if found != expected {
                return Err(TrainError::Head {
                    name,
                    found,
                    expected,
                });
            }
            tensor.copy_(&Tensor::from_slice(numbers).view(tensor.size().as_slice()));
        }
        Ok(())
    }

    /// All tensors that a resumed run needs.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let prefixed = |prefix: &'static str| {
            move |(name, tensor): (&String, &Tensor)| {
                (format!("{prefix}/{name}"), tensor.shallow_clone())
            }
        };
        let weights = self.module.tensors().iter().map(named);
        let averages = self.average.iter().flat_map(Average::averages);
        weights
            .chain(self.head.tensors())
            .chain(self.optimizer.state())
            .chain(averages.map(prefixed("average")))
            .collect()
    }

    /// One step over its batches; gives the mean loss over those of all ranks.
    ///
    /// # Errors
    /// [`NotFinite`] if the loss or a gradient is not, on all ranks; the weights are as they were.
    pub(super) fn step(&mut self, batches: &[Batch], step: u64) -> Result<f64, NotFinite> {
        let labels: Vec<i64> = batches.iter().flat_map(|b| b.labels.clone()).collect();
        let active = self.head.activate(&distributed::gather(&labels), step);
        let mut sum = Tensor::zeros([], (Kind::Float, self.device));
        let first = step * batches.len() as u64;
        for (number, batch) in (first..).zip(batches) {
            let faces = self.faces(batch, number);
            let embeddings = self.embed(&faces);
            // Those that are blended are of nobody.
            let of_people = match self.mixup() {
                true => batch.labels.len().div_ceil(2),
                false => batch.labels.len(),
            };
            let labels = &batch.labels[..of_people];
            let own = embeddings.narrow(0, 0, of_people as i64);
            let classified = self.head.loss(&own, labels, &active, step);
            let crops = Crops {
                images: &batch.images,
                faces: &faces,
            };
            let loss = match self.teacher {
                Some(teacher) => teacher.beside(&classified, &embeddings, &crops),
                None => classified,
            };
            let loss = loss / batches.len() as f64;
            loss.backward();
            sum += loss.detach();
        }
        let rate = self
            .recipe
            .optimizer
            .learning_rate_at(step, self.recipe.training.steps);
        distributed::mean(&[&sum]);
        self.optimizer.step(step, rate, Some(&active))?;
        self.module.clamp_slopes();
        if let Some(average) = &mut self.average {
            average.step(step);
        }
        Ok(f64::try_from(sum).expect("the sum of losses is a number"))
    }

    fn mixup(&self) -> bool {
        self.teacher.is_some_and(|teacher| teacher.mixup)
    }

    /// `[B, 3, H, W]` f32, RGB in 0 to 255; `number` counts the batches since the training began.
    fn faces(&self, batch: &Batch, number: u64) -> Tensor {
        let parts = number * distributed::ranks() as u64 + distributed::rank() as u64;
        let first = parts * batch.labels.len() as u64;
        let faces = augmented(batch, self.recipe, &self.input, first, self.device);
        match self.mixup() {
            true => mixup(&faces, self.recipe.seed, first),
            false => faces,
        }
    }

    /// `[B, D]` f32, raw.
    fn embed(&self, faces: &Tensor) -> Tensor {
        let input = &self.input;
        let images = normalized(faces, input.pixel_order, input.mean, input.std);
        let embed = || self.module.forward(&images, true);
        let embeddings = match self.recipe.training.precision {
            ComputePrecision::F32 => embed(),
            ComputePrecision::Bf16 => native::autocast_bf16(self.device, embed),
        };
        // The loss is computed in f32 always: bfloat16 has three digits, and the scale is 30.
        embeddings.to_kind(Kind::Float)
    }
}

fn named((name, tensor): (&String, &Tensor)) -> (String, Tensor) {
    (name.clone(), tensor.shallow_clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::floats;
    use crate::export::{folded, weights};
    use crate::quantize::{Layout, Scheme, Value};

    /// A network to begin with whose head is that of `classes` people.
    fn begun_for(recipe: &Recipe, classes: usize) -> Start {
        let graph = recipe.backbone.graph().unwrap();
        let module = Module::new(graph, Device::Cpu, &Generator::seeded(1));
        let (graph, weights) = folded(module.graph(), &weights(&module));
        assert!(Layout::new(&graph).is_ok());
        let numbers = classes * graph.embedding_len() as usize;
        let numbers = (0..numbers).map(|i| i as f32 * 0.25).collect();
        Start {
            scheme: Scheme {
                values: vec![Value::Inner; graph.nodes.len()],
                layers: [].into(),
            },
            graph,
            weights,
            head: Weights::from([("head.weight".into(), numbers)]),
        }
    }

    #[test]
    fn class_weights_go_on_from_those_of_the_start_or_are_refused() {
        let mut recipe: Recipe = toml::from_str(include_str!("../../configs/demo.toml")).unwrap();
        recipe.backbone = toml::from_str("name = \"sphereface20\"\nactivation = \"relu\"").unwrap();
        let start = begun_for(&recipe, 3);
        let mut run = Run::new(&recipe, 3, None, Some(&start));
        run.fill_head(&start.head).unwrap();
        let (_, weight) = run.head.tensors().swap_remove(0);
        assert_eq!(floats(&weight), start.head["head.weight"]);
        let others = begun_for(&recipe, 4);
        let refused = run.fill_head(&others.head).unwrap_err();
        let message = refused.to_string();
        let needle = "head.weight to begin with has 2048 numbers, expected 1536";
        assert!(message.contains(needle), "{message}");
    }
}
