//! Where a run goes on from: the checkpoint, which the first rank keeps for all.

use super::run::Run;
use super::{Job, Start, TrainError};
use crate::checkpoint::{self, Progress};
use crate::config::OnNotFinite;
use crate::distributed;
use crate::optimize::RateSchedule;

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

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
        // A run may be made longer, saved and measured more often; all else must be as it was.
        let mut same = self.recipe.clone();
        same.training.checkpoint_every = 0;
        same.training.validate_every = 0;
        same.quantization = None;
        if let RateSchedule::Multistep { .. } = same.optimizer.schedule {
            same.training.steps = 0;
        }
        // Of one batch, it does not matter how many processes share it.
        same.training.batch_size *= distributed::ranks();
        let teacher = self.teacher.map_or("", |teacher| &teacher.digest);
        let start = self.start.map_or(String::new(), Start::digest);
        let text = format!("{}{}{teacher}{start}", same.to_toml(), self.data_digest);
        shared::digest::Digest::of(text.as_bytes()).to_string()
    }
}
