//! Why a training stops.

use super::memory::OutOfMemory;
use crate::checkpoint::CheckpointError;
use crate::dataset::packed::PackError;
use crate::metrics::MetricsError;
use edge_runtime::atomic_file::WriteError;
use std::path::PathBuf;

/// Why a training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Reading or saving a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Reading a crop.
    #[error(transparent)]
    Data(#[from] PackError),
    /// Writing the metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Naming the images of a bad batch.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Too little memory.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// The loss, or a gradient, is infinite or no number.
    #[error(
        "the loss is not finite at step {step}; the images of that batch are named in {named}. \
         Lower [optimizer] learning_rate, or set max_gradient_norm or [training] on_not_finite = \"roll-back\", \
         and start with a new --out; the last checkpoint in this one is from before"
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// The file.
        named: PathBuf,
    },
    /// The same of a detector.
    #[error(
        "the loss is not finite at step {step}: lower [optimizer] learning_rate, or set max_gradient_norm, and start with \
         a new --out; the last checkpoint in this one is from before"
    )]
    DetectorNotFinite {
        /// The step, from 1.
        step: u64,
    },
    /// The checkpoint is of a longer run.
    #[error(
        "the checkpoint in {out} is of step {done}, the recipe ends at {steps}: raise [training] steps, or give another --out"
    )]
    PastTheEnd {
        /// The run's folder.
        out: PathBuf,
        /// Steps done.
        done: u64,
        /// Steps wanted.
        steps: u64,
    },
    /// The ranks would train on different things.
    #[error(
        "the processes of this job have not the same recipe, data and teacher: give the same files to all of them"
    )]
    OtherJob,
    /// The ranks no longer hold the same network.
    #[error(
        "the processes of this job have different weights at step {step}: run them on machines of one kind, with the same \
         libtorch and OMP_NUM_THREADS; the last checkpoint is as it was, and the same command goes on from it"
    )]
    Apart {
        /// Steps done.
        step: u64,
    },
    /// Class weights to begin with that are not of these people.
    #[error(
        "{name} to begin with has {found} numbers, expected {expected} for the people trained on: it is of a training on other people, or of another network"
    )]
    Head {
        /// Which.
        name: String,
        /// Its numbers.
        found: usize,
        /// Those of the people trained on.
        expected: usize,
    },
    /// A fault of this program: the batches ended before the steps did.
    #[error(
        "the reader of batches failed at step {step}; run the same command again, and report this"
    )]
    NoBatch {
        /// Steps done.
        step: u64,
    },
}
