//! Training on with the rounding in place: the same loop, loss and optimizer, at a small rate.

use super::Scheme;
use crate::backbone::graph::Graph;
use crate::checkpoint::CheckpointError;
use crate::config::{ComputePrecision, Recipe};
use crate::dataset::loader::TrainingSet;
use crate::distill::Teacher;
use crate::export::Weights;
use crate::optimize::RateSchedule;
use crate::train::{Job, Start, TrainError, train};
use std::path::Path;
use std::sync::Arc;

/// The recipe of the fine-tuning after a recipe's training.
pub fn tuning(recipe: &Recipe) -> Recipe {
    let mut tuning = recipe.clone();
    let config = tuning.quantization.take().unwrap_or_default();
    tuning.name = format!("{}-int8", recipe.name);
    tuning.loss = recipe.loss.at_its_end();
    let training = &mut tuning.training;
    training.steps = config.fine_tune_steps;
    // The rounding takes all of what bfloat16 has.
    training.precision = ComputePrecision::F32;
    training.validate_every = 0;
    let optimizer = &mut tuning.optimizer;
    optimizer.learning_rate = config.learning_rate;
    optimizer.warmup_steps = 0;
    optimizer.average_decay = None;
    optimizer.schedule = RateSchedule::Polynomial { power: 1.0 };
    tuning
}

/// What a fine-tuning needs.
pub struct Tuning<'a> {
    /// One that [`tuning`] made.
    pub recipe: &'a Recipe,
    /// On whom.
    pub set: Arc<TrainingSet>,
    /// Of the packed set.
    pub data_digest: &'a str,
    /// Whom to learn from beside the labels.
    pub teacher: Option<&'a Teacher>,
    /// Class weights to go on from, by name, and whatever else; those that are missing are drawn.
    pub head: &'a Weights,
    /// A folder of its own, where a fine-tuning that was stopped goes on. The checkpoint of another
    /// one there makes way for this one.
    pub out: &'a Path,
}

/// Trains a graph without norms on from `weights`, rounded as `scheme` says, and gives the weights;
/// the scales stay.
///
/// # Errors
/// [`TrainError`].
pub fn tune(
    tuning: &Tuning<'_>,
    (graph, weights): (&Graph, &Weights),
    scheme: &Scheme,
) -> Result<Weights, TrainError> {
    let start = Start {
        graph: graph.clone(),
        weights: weights.clone(),
        scheme: scheme.clone(),
        head: tuning.head.clone(),
    };
    let job = Job {
        recipe: tuning.recipe,
        set: tuning.set.clone(),
        data_digest: tuning.data_digest,
        teacher: tuning.teacher,
        validator: None,
        start: Some(&start),
        out: tuning.out,
    };
    let trained = match train(&job) {
        Err(TrainError::Checkpoint(CheckpointError::OtherRun { path })) => {
            let failed = |source| CheckpointError::Read {
                path: path.clone(),
                source,
            };
            std::fs::remove_file(&path).map_err(failed)?;
            train(&job)
        }
        trained => trained,
    };
    Ok(crate::export::weights(&trained?.module))
}

#[cfg(test)]
mod tests;
