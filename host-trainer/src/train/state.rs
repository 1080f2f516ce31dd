//! Where a run goes on from: the checkpoint, which the first rank keeps for all.

use super::run::Run;
use super::{Job, Start, TrainError};
use crate::checkpoint::{self, CheckpointError, Progress};
use crate::config::{OnNotFinite, Recipe};
use crate::distill::Teacher;
use crate::distributed;
use crate::export::Weights;
use crate::optimize::RateSchedule;
use std::path::Path;

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The most processes that a finished run is taken to have had: its record does not count them.
const MOST_RANKS: usize = 1024;

/// All tensors that a finished run left in its folder, by name.
///
/// - `data_digest`: of the packed set
/// - `teacher`: of the run. Where the recipe has one and none is given, only the step is compared.
///
/// # Errors
/// [`CheckpointError`]: of the file, or it is of another run or not of the recipe's last step.
pub fn finished(
    run: &Path,
    recipe: &Recipe,
    data_digest: &str,
    teacher: Option<&Teacher>,
) -> Result<Weights, CheckpointError> {
    let path = run.join(CHECKPOINT);
    let (progress, tensors) = checkpoint::read(&path)?;
    let of_ranks = |n| run_digest(recipe, n, data_digest, teacher, None) == progress.run_digest;
    let comparable = teacher.is_some() || recipe.distillation.is_none();
    if comparable && !(1..=MOST_RANKS).any(of_ranks) {
        return Err(CheckpointError::NotOfTheRun { path });
    }
    let (done, steps) = (progress.step, recipe.training.steps);
    match done == steps {
        true => Ok(tensors),
        false => Err(CheckpointError::NotTheEnd { path, done, steps }),
    }
}

/// What stays the same while a run may go on.
fn run_digest(
    recipe: &Recipe,
    ranks: usize,
    data_digest: &str,
    teacher: Option<&Teacher>,
    start: Option<&Start>,
) -> String {
    // A run may be made longer, saved and measured more often; all else must be as it was.
    let mut same = recipe.clone();
    same.training.checkpoint_every = 0;
    same.training.validate_every = 0;
    same.quantization = None;
    if let RateSchedule::Multistep { .. } = same.optimizer.schedule {
        same.training.steps = 0;
    }
    // Of one batch, it does not matter how many processes share it.
    same.training.batch_size *= ranks;
    let teacher = teacher.map_or("", |teacher| &teacher.digest);
    let start = start.map_or(String::new(), Start::digest);
    let text = format!("{}{data_digest}{teacher}{start}", same.to_toml());
    shared::digest::Digest::of(text.as_bytes()).to_string()
}

impl Start {
    fn digest(&self) -> String {
        let tensors = self.weights.iter().chain(&self.head);
        let numbers = tensors.flat_map(|(_, numbers)| numbers);
        let bytes: Vec<u8> = numbers.flat_map(|x| x.to_le_bytes()).collect();
        let digest = shared::digest::Digest::of(&bytes);
        format!("{digest}{:?}", self.scheme)
    }
}

impl Job<'_> {
    /// Fills the run from the checkpoint if there is one; gives the steps done.
    pub(super) fn load(&self, run: &Run<'_>) -> Result<u64, TrainError> {
        let digest = self.digest();
        if !distributed::agree(digest.as_bytes()) {
            return Err(TrainError::OtherJob);
        }
        let mut done = 0;
        if distributed::is_first() {
            let path = self.out.join(CHECKPOINT);
            let found = checkpoint::load(&path, &digest, &run.state())?;
            done = found.unwrap_or(0);
            // What a run goes back to before its first checkpoint is due.
            if found.is_none() && self.recipe.training.on_not_finite == OnNotFinite::RollBack {
                self.write(run, 0)?;
            }
        }
        distributed::take_first(run.state().iter().map(|(_, tensor)| tensor));
        Ok(distributed::gather(&[done as i64])[0] as u64)
    }

    /// Saves the run after `step` steps.
    pub(super) fn save(&self, run: &Run<'_>, step: u64) -> Result<(), TrainError> {
        if distributed::ranks() > 1 {
            let state = run.state();
            let numbers = state
                .iter()
                .flat_map(|(_, tensor)| checkpoint::floats(tensor));
            let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
            if !distributed::agree(&bytes) {
                return Err(TrainError::Apart { step });
            }
        }
        match distributed::is_first() {
            true => self.write(run, step),
            false => Ok(()),
        }
    }

    fn write(&self, run: &Run<'_>, step: u64) -> Result<(), TrainError> {
        let run_digest = self.digest();
        let progress = Progress { step, run_digest };
        let path = self.out.join(CHECKPOINT);
        Ok(checkpoint::save(&path, &progress, &run.state())?)
    }

    fn digest(&self) -> String {
        let ranks = distributed::ranks();
        let (recipe, start) = (self.recipe, self.start);
        run_digest(recipe, ranks, self.data_digest, self.teacher, start)
    }
}
