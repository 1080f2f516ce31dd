//! A small network trained with one loss, and the faces that it is looked at with.

use super::IllustrateError;
use crate::backbone::Module;
use crate::config::Recipe;
use crate::dataset::loader::TrainingSet;
use crate::dataset::{DataConfig, prepare, synthetic_face};
use crate::loss::LossConfig;
use crate::native;
use crate::train::{Job, train};
use crate::validate::raw_embeddings;
use rayon::prelude::*;
use shared::preprocess::InputSpec;
use std::sync::Arc;

/// Pictures of each person that a network is looked at with; it was not trained on them.
const FRESH: u64 = 20;
/// The paper's loss with its numbers.
pub(super) const AM_SOFTMAX: &str = "name = \"am-softmax\"\nscale = 30.0\nmargin = 0.35";

/// A trained network.
pub(super) struct Learned {
    pub(super) recipe: Recipe,
    module: Module,
    input: InputSpec,
    /// RGB bytes of unseen pictures of the people trained on, and whose they are.
    pub(super) faces: Vec<Vec<u8>>,
    pub(super) people: Vec<usize>,
}

/// A loss as recipes write it.
pub(super) fn loss(toml: &str) -> LossConfig {
    toml::from_str(toml).expect("a constant that a test parses")
}

/// The recipe of every network here; all have the same budget, people and seed.
fn recipe(seed: u64, loss_toml: &str) -> Recipe {
    let recipe = toml::from_str(include_str!("recipe.toml"));
    let recipe: Recipe = recipe.expect("a constant that a test parses");
    let loss = loss(loss_toml);
    Recipe {
        seed,
        loss,
        ..recipe
    }
}

/// Trains with that loss.
pub(super) fn learn(seed: u64, loss_toml: &str) -> Result<Learned, IllustrateError> {
    let recipe = recipe(seed, loss_toml);
    let dir = tempfile::tempdir()?;
    let graph = recipe
        .backbone
        .graph()
        .expect("a constant that a test lays out");
    let input = recipe.input_spec(&graph);
    let set = Arc::new(prepare(
        &recipe.data,
        None,
        graph.template(),
        seed,
        dir.path(),
    )?);
    let everybody = Arc::new(TrainingSet::new(set.clone(), |_| true));
    let trained = train(&Job {
        recipe: &recipe,
        set: everybody,
        data_digest: &set.digest(),
        teacher: None,
        validator: None,
        start: None,
        out: dir.path(),
    })?;
    let (people, pictures) = drawn(&recipe);
    let fresh: Vec<_> = (0..people * FRESH)
        .map(|i| (i / FRESH, pictures + i % FRESH))
        .collect();
    let face = |&(person, number): &(u64, u64)| {
        synthetic_face(seed, person, number, graph.template())
            .pixels()
            .to_vec()
    };
    Ok(Learned {
        recipe,
        module: trained.module,
        input,
        faces: fresh.par_iter().map(face).collect(),
        people: fresh.iter().map(|(person, _)| *person as usize).collect(),
    })
}

/// People, and pictures of each.
pub(super) fn drawn(recipe: &Recipe) -> (u64, u64) {
    match recipe.data {
        DataConfig::Synthetic {
            people, pictures, ..
        } => (people, pictures),
        _ => unreachable!("the recipe's people are drawn"),
    }
}

impl Learned {
    /// Raw embeddings of crops, each of three numbers.
    pub(super) fn features(&self, faces: &[Vec<u8>]) -> Vec<[f64; 3]> {
        let raw = raw_embeddings(&self.module, &self.input, native::device(), faces);
        let three = |row: &Vec<f32>| [0, 1, 2].map(|i| f64::from(row[i]));
        raw.iter().map(three).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_is_usable() {
        let recipe = recipe(5, AM_SOFTMAX);
        assert_eq!(
            (
                recipe.seed,
                recipe.backbone.graph().unwrap().embedding_len()
            ),
            (5, 3)
        );
        assert!(recipe.loss.to_string().contains("m=0.35"));
        assert!(drawn(&recipe).0 >= 8);
    }
}
