//! Accuracy while a network is trained: the equal error rate on some of the held-out people, by
//! libtorch instead of the door's runtime, which would want an export each time.

use crate::backbone::Module;
use crate::config::Recipe;
use crate::dataset::loader::Batch;
use crate::dataset::packed::PackError;
use crate::evaluate::all_pairs;
use crate::measure::HeldOut;
use crate::metrics::Metrics;
use crate::native;
use crate::optimize::Average;
use crate::train::images;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use shared::embedding::Embedding;
use shared::preprocess::InputSpec;
use std::collections::BTreeMap;
use std::time::Instant;
use tch::Device;

/// Images that are embedded each time, at most.
const IMAGES: usize = 600;
/// Of one person, at most: more people tell more than more images of them.
const IMAGES_OF_ONE: usize = 10;
/// Images that are embedded together; bounds the memory.
const BATCH: usize = 50;

/// The crops to measure on, in memory.
pub struct Validator {
    every: u64,
    input: InputSpec,
    device: Device,
    faces: Vec<Vec<u8>>,
    people: Vec<u32>,
}

impl Validator {
    /// Reads the crops that the recipe's seed chooses; `None` if the recipe wants no validation.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn new(recipe: &Recipe, held_out: &HeldOut<'_>) -> Result<Option<Self>, PackError> {
        let every = recipe.training.validate_every;
        if every == 0 {
            return Ok(None);
        }
        let graph = recipe.backbone.graph().expect("checked with the recipe");
        let people = held_out.people();
        let chosen = subset(&people, recipe.seed);
        let read = |i: &usize| Ok(held_out.face(*i)?.pixels().to_vec());
        Ok(Some(Self {
            every,
            input: recipe.input_spec(&graph),
            device: native::device(),
            faces: chosen.iter().map(read).collect::<Result<_, PackError>>()?,
            people: chosen.iter().map(|i| people[*i]).collect(),
        }))
    }

    /// Measures if it is time to after `step` steps, and notes it for the next line; says whether
    /// it did. Nothing that the training depends on is changed; no generator is asked, either.
    ///
    /// - `average`: of the module's tensors, measured in their place where there is one
    pub(crate) fn after(
        &self,
        step: u64,
        module: &Module,
        average: &mut Option<Average>,
        metrics: &mut Metrics,
    ) -> bool {
        let due = step.is_multiple_of(self.every);
        if due {
            let started = Instant::now();
            average.iter_mut().for_each(Average::exchange);
            let eer = self.eer(module);
            average.iter_mut().for_each(Average::exchange);
            metrics.validated(eer, started.elapsed());
        }
        due
    }

    /// Over all pairs of single images; none of a network that is dead or has no finite output.
    fn eer(&self, module: &Module) -> Option<f64> {
        let raw = raw_embeddings(module, &self.input, self.device, &self.faces);
        let embeddings: Result<Vec<_>, _> = raw.into_iter().map(Embedding::from_raw).collect();
        Some(all_pairs(&embeddings.ok()?, &self.people).sorted()?.eer())
    }
}

/// Raw embeddings of crops (RGB bytes of the network's template) by a network that is not being
/// trained: no gradient is recorded, and batch norm uses and keeps its statistics.
pub(crate) fn raw_embeddings(
    module: &Module,
    input: &InputSpec,
    device: Device,
    faces: &[Vec<u8>],
) -> Vec<Vec<f32>> {
    let _guard = tch::no_grad_guard();
    let embed = |faces: &[Vec<u8>]| -> Vec<Vec<f32>> {
        let batch = Batch {
            pixels: faces.concat(),
            labels: Vec::new(),
            images: Vec::new(),
        };
        let images = images(&batch, input, device);
        let raw = module.forward(&images, false);
        Vec::try_from(raw).expect("embeddings are rows of floats")
    };
    faces.chunks(BATCH).flat_map(embed).collect()
}

/// Indices of the images to measure on: whole people in an order that the seed fixes, those with
/// one image last, since they have no genuine pair.
fn subset(people: &[u32], seed: u64) -> Vec<usize> {
    let mut images: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let all = people.iter().enumerate();
    all.for_each(|(i, person)| images.entry(*person).or_default().push(i));
    let mut images: Vec<_> = images.into_values().collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    images.shuffle(&mut random);
    images.sort_by_key(|own| own.len() == 1);
    for own in &mut images {
        own.shuffle(&mut random);
        own.truncate(IMAGES_OF_ONE);
    }
    images.into_iter().flatten().take(IMAGES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_is_of_many_people_and_the_seeds() {
        // Person p has p images: 1 has a single one.
        let people: Vec<u32> = (1..=70).flat_map(|p| vec![p; p as usize]).collect();
        let chosen = subset(&people, 3);
        let mut counts = BTreeMap::new();
        chosen
            .iter()
            .for_each(|i| *counts.entry(people[*i]).or_insert(0) += 1);
        assert_eq!(chosen.len(), IMAGES);
        assert!(
            counts.values().all(|n| *n <= IMAGES_OF_ONE) && counts.len() >= IMAGES / IMAGES_OF_ONE
        );
        assert!(!counts.contains_key(&1));
        assert_eq!(chosen, subset(&people, 3));
        assert_ne!(chosen, subset(&people, 4));
        let few = [5, 6, 6, 7];
        assert_eq!(subset(&few, 1).len(), 4);
        assert!(subset(&few, 1)[..2].iter().all(|i| few[*i] == 6));
    }
}
