//! Training on with the rounding in place: the same loop, loss and optimizer, at a small rate.

use super::Scheme;
use crate::backbone::graph::Graph;
use crate::config::{ComputePrecision, Recipe};
use crate::export::Weights;
use crate::optimize::RateSchedule;
use crate::train::{Job, Start, TrainError, train};

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

/// Trains a graph without norms on from `weights`, rounded as `scheme` says, and gives the weights;
/// the scales stay. `job` is of a recipe that [`tuning`] made; what it starts from is overwritten.
///
/// - `head`: class weights to go on from, by name; empty to begin anew
///
/// # Errors
/// [`TrainError`].
pub fn tune(
    job: &Job<'_>,
    (graph, weights): (&Graph, &Weights),
    scheme: &Scheme,
    head: &Weights,
) -> Result<Weights, TrainError> {
    let start = Start {
        graph: graph.clone(),
        weights: weights.clone(),
        scheme: Some(scheme.clone()),
        head: head.clone(),
    };
    let trained = train(&Job {
        start: Some(&start),
        set: job.set.clone(),
        ..*job
    })?;
    Ok(crate::export::weights(&trained.module))
}
