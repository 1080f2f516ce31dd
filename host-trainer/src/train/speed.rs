//! How fast a recipe trains here, data loading included.

use super::memory::{OutOfMemory, watched};
use super::run::Run;
use crate::config::{ComputePrecision, Recipe};
use crate::dataset::loader::{self, Batches, Order, TrainingSet};
use crate::dataset::packed::PackError;
use crate::memory;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// Steps that are timed together: a reader that hands out batches in bursts gains nothing by it.
const BLOCK: u64 = 2;
/// Blocks that are timed at least.
const BLOCKS: usize = 3;
/// Steps before the clock starts.
const WARM_UP: u64 = 2;
/// Losses that are told.
const LOSSES: usize = 8;

/// Why a speed cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum SpeedError {
    /// Reading a crop.
    #[error(transparent)]
    Data(#[from] PackError),
    /// Too little memory.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// The training does not work, so its speed says nothing.
    #[error("the loss is not finite at step {0}: lower [optimizer] learning_rate in the recipe")]
    NotFinite(u64),
    /// A fault of this program: the batches ended before the steps did.
    #[error(
        "the reader of batches failed at step {0}; run the same command again, and report this"
    )]
    NoBatch(u64),
}

/// A measured training.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// Median over blocks of steps.
    pub images_per_s: f64,
    /// Steps before the clock started.
    pub warm_up: u64,
    /// Steps, those among them.
    pub steps: u64,
    /// Where.
    pub device: String,
    /// Threads of libtorch on the CPU.
    pub threads: i32,
    /// Learned numbers of the backbone.
    pub parameters: i64,
    /// Floating-point operations a second in the backbone, by those of a large matrix product in
    /// the recipe's number format on the same device.
    pub share_of_matmul_peak: f64,
    /// Of the process, in megabytes (10^6 bytes), without what a GPU holds.
    pub peak_memory_mb: Option<f64>,
    /// Of the first steps.
    pub losses: Vec<f64>,
}

/// Trains from the beginning for that long after a few steps of warm-up, and throws the network
/// away.
///
/// # Errors
/// [`SpeedError`].
pub fn measure(recipe: &Recipe, set: &Arc<TrainingSet>, seconds: f64) -> Result<Speed, SpeedError> {
    let mut run = Run::new(recipe, set.classes(), None, None);
    let batch_size = recipe.training.batch_size;
    let order = Order {
        seed: recipe.seed,
        batch_size,
        part: (0, 1),
        first_step: 0,
        end_step: u64::MAX,
    };
    let batches = loader::start(set.clone(), order);
    let mut losses = Vec::new();
    let mut train = |steps: u64| {
        for _ in 0..steps {
            // A step gives its loss as a number, so that a GPU has done its work by then.
            losses.push(one_step(recipe, &mut run, &batches, losses.len() as u64)?);
        }
        Ok::<_, SpeedError>(())
    };
    train(WARM_UP)?;
    let (start, mut rates) = (Instant::now(), Vec::new());
    while rates.len() < BLOCKS || start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        train(BLOCK)?;
        let images = BLOCK * recipe.training.accumulate * batch_size as u64;
        rates.push(images as f64 / start.elapsed().as_secs_f64());
    }
    let steps = losses.len() as u64;
    losses.truncate(LOSSES);
    let graph = run.module.graph();
    let (parameters, multiply_adds) = (graph.parameter_count(), graph.multiply_adds());
    let (images_per_s, device) = (median(&mut rates), run.device);
    // Before the large matrices.
    let peak_memory_mb = memory::peak_mb();
    drop(run);
    // The gradients by the weights and by the values cost as much as the forward pass, each; a
    // multiplication with its addition is two operations.
    let per_s = images_per_s * 3.0 * 2.0 * multiply_adds as f64;
    Ok(Speed {
        images_per_s,
        warm_up: WARM_UP,
        steps,
        device: format!("{device:?}"),
        threads: tch::get_num_threads(),
        parameters,
        share_of_matmul_peak: per_s / matmul_per_s(recipe.training.precision, device),
        peak_memory_mb,
        losses,
    })
}

fn one_step(
    recipe: &Recipe,
    run: &mut Run<'_>,
    reader: &Batches,
    step: u64,
) -> Result<f64, SpeedError> {
    let batches = (0..recipe.training.accumulate).map(|_| match reader.recv() {
        Ok(batch) => Ok(batch?),
        Err(_) => Err(SpeedError::NoBatch(step + 1)),
    });
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    watched(&recipe.training, || run.step(&batches, step))?
        .map_err(|_| SpeedError::NotFinite(step + 1))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    (values[low] + values[high]) / 2.0
}

/// Floating-point operations a second in the product of two large matrices, the best of some.
fn matmul_per_s(precision: ComputePrecision, device: Device) -> f64 {
    let kind = match precision {
        ComputePrecision::F32 => Kind::Float,
        ComputePrecision::Bf16 => Kind::BFloat16,
    };
    // Large enough for the device to be busy, small enough for a second.
    let side: i64 = if device.is_cuda() { 8192 } else { 2048 };
    let matrix = Tensor::ones([side, side], (kind, device));
    let seconds = |times: u32| {
        let start = Instant::now();
        let mut product = matrix.matmul(&matrix);
        for _ in 1..times {
            product = matrix.matmul(&matrix);
        }
        // A number on this side: a GPU has done its work by then.
        let _ = product.double_value(&[0, 0]);
        start.elapsed().as_secs_f64() / f64::from(times)
    };
    seconds(1);
    let times = (0.1 / seconds(1)).ceil().clamp(1.0, 100.0) as u32;
    let fastest = (0..5).map(|_| seconds(times)).fold(f64::MAX, f64::min);
    2.0 * (side as f64).powi(3) / fastest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 10.0]), 3.0);
        assert_eq!(median(&mut [7.0]), 7.0);
    }
}
