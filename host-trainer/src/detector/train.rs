//! The detector's training loop.

use super::config::DetectorRecipe;
use super::frame::compose;
use super::loss::{Cells, loss};
use super::photos::Photos;
use super::target::{Targets, len};
use crate::augment::augment;
use crate::backbone::Module;
use crate::backbone::detector::{output_names, strides};
use crate::checkpoint::{self, Progress};
use crate::config::ComputePrecision;
use crate::generator::Generator;
use crate::native;
use crate::optimize::{Average, Optimizer};
use crate::progress::bar;
use crate::train::{TrainError, normalized};
use rayon::prelude::*;
use shared::digest::Digest;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use tch::{Device, Kind, Tensor};

const CHECKPOINT: &str = "checkpoint.safetensors";
/// Batches ready before they are asked for.
const AHEAD: usize = 2;
/// Steps from one line to the next where no progress bar can be shown.
const LOG_EVERY: u64 = 50;

/// Logarithm of the odds of a face, before anything is learned.
const FEW_FACES: f64 = -4.0;

/// What a training needs.
pub struct DetectorJob<'a> {
    /// How.
    pub recipe: &'a DetectorRecipe,
    /// From whom.
    pub photos: Arc<Photos>,
    /// The run's folder.
    pub out: &'a Path,
}

/// Frames of a step and what there is to find in them.
struct Batch {
    /// `[B, H, W, 3]`.
    pixels: Vec<u8>,
    targets: Vec<Targets>,
}

/// Trains to the recipe's last step, from the checkpoint in the run's folder if there is one; gives
/// the network with its weights, or their moving average where the recipe wants one.
///
/// # Errors
/// [`TrainError`]; the checkpoint is whole.
pub fn train(job: &DetectorJob<'_>) -> Result<Module, TrainError> {
    train_until(job, job.recipe.training.steps)
}

/// The same, ended after `end` of the recipe's steps.
pub(super) fn train_until(job: &DetectorJob<'_>, end: u64) -> Result<Module, TrainError> {
    let (recipe, training) = (job.recipe, &job.recipe.training);
    let device = native::device();
    let module = Module::new(recipe.graph(), device, &Generator::seeded(recipe.seed));
    expect_few_faces(&module);
    let named = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.shallow_clone());
    let mut optimizer = Optimizer::new(recipe.optimizer.clone(), module.trainable().map(named));
    let mut average = recipe
        .optimizer
        .average_decay
        .map(|decay| Average::new(decay, module.tensors().iter().map(named)));
    let state = |optimizer: &Optimizer, average: &Option<Average>| {
        let prefixed = |prefix: &'static str| {
            move |(name, t): (&String, &Tensor)| (format!("{prefix}/{name}"), t.shallow_clone())
        };
        let averages = average.iter().flat_map(Average::averages);
        let weights = module.tensors().iter().map(named);
        let all = weights
            .chain(optimizer.state())
            .chain(averages.map(prefixed("average")));
        all.collect::<Vec<_>>()
    };
    let path = job.out.join(CHECKPOINT);
    let run_digest = job.digest();
    let done = checkpoint::load(&path, &run_digest, &state(&optimizer, &average))?.unwrap_or(0);
    if done > training.steps {
        let (out, steps) = (job.out.into(), training.steps);
        return Err(TrainError::PastTheEnd { out, done, steps });
    }
    let progress = bar(training.steps, "training");
    progress.set_position(done);
    progress.reset_eta();
    let batches = start(job.photos.clone(), recipe.clone(), done);
    let mut sums = [0.0; 2];
    for step in done..end {
        let batch = batches.recv().map_err(|_| TrainError::NoBatch { step })?;
        let (total, scores) = loss(&cells(&module, &batch, recipe, step, device));
        total.backward();
        let rate = recipe.optimizer.learning_rate_at(step, training.steps);
        let changed = optimizer.step(step, rate, None);
        changed.map_err(|_| TrainError::DetectorNotFinite { step: step + 1 })?;
        module.clamp_slopes();
        if let Some(average) = &mut average {
            average.step(step);
        }
        let number = |t: &Tensor| t.detach().double_value(&[]);
        sums = [sums[0] + number(&total), sums[1] + number(&scores)];
        progress.inc(1);
        let now = step + 1;
        if now % LOG_EVERY == 0 {
            let [total, scores] = sums.map(|sum| sum / LOG_EVERY as f64);
            let message = format!("loss {total:.4} (scores {scores:.4})  rate {rate:.4}");
            if progress.is_hidden() {
                eprintln!("step {now} of {}  {message}", training.steps);
            }
            progress.set_message(message);
            sums = [0.0; 2];
        }
        if now % training.checkpoint_every == 0 || now == end {
            let progress = Progress {
                step: now,
                run_digest: run_digest.clone(),
            };
            checkpoint::save(&path, &progress, &state(&optimizer, &average))?;
        }
    }
    progress.finish_and_clear();
    average.iter_mut().for_each(Average::exchange);
    Ok(module)
}

/// Almost every cell shows no face: scores begin there, as the focal loss's authors do, for they
/// would else drown all else in the first hundred steps.
fn expect_few_faces(module: &Module) {
    let _guard = tch::no_grad_guard();
    for stride in strides() {
        let [score, _] = output_names(stride);
        let bias = &module.tensors()[&format!("{score}.conv.bias")];
        let _ = bias.shallow_clone().fill_(FEW_FACES);
    }
}

impl DetectorJob<'_> {
    /// A run goes on under the same recipe, but for how often it is saved, and the same pictures.
    fn digest(&self) -> String {
        let mut same = self.recipe.clone();
        same.training.checkpoint_every = 1;
        let faces = self.photos.faces().iter().flat_map(|photo| {
            let points = photo.landmarks().0;
            points.into_iter().flat_map(|p| [p.x, p.y])
        });
        let faces: Vec<u8> = faces.flat_map(f32::to_le_bytes).collect();
        let text = format!("{}{}", same.to_toml(), Digest::of(&faces));
        Digest::of(text.as_bytes()).to_string()
    }
}

/// Puts frames together ahead of the training, in its order.
fn start(photos: Arc<Photos>, recipe: DetectorRecipe, done: u64) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let size = recipe.training.batch_size as u64;
        for step in done..recipe.training.steps {
            let make = |i: u64| {
                let number = step * size + i;
                compose(&photos, recipe.data.faceless, recipe.seed, number)
            };
            let frames: Vec<_> = (0..size).into_par_iter().map(make).collect();
            let batch = Batch {
                targets: frames.iter().map(|f| Targets::of(&f.faces)).collect(),
                pixels: frames
                    .into_iter()
                    .flat_map(|f| f.image.into_raw())
                    .collect(),
            };
            // The trainer stopped listening: it has failed, and says why.
            if sender.send(batch).is_err() {
                return;
            }
        }
    });
    receiver
}

fn cells(
    module: &Module,
    batch: &Batch,
    recipe: &DetectorRecipe,
    step: u64,
    device: Device,
) -> Cells {
    let size = batch.targets.len() as i64;
    let [height, width] = module.graph().size;
    let frames = Tensor::from_slice(&batch.pixels)
        .view([size, height, width, 3])
        .to_device(device)
        .permute([0, 3, 1, 2]);
    let first = step * size as u64;
    let frames = augment(&frames, &recipe.augmentation, recipe.seed, first);
    let spec = recipe.frame_spec();
    let frames = normalized(&frames, spec.pixel_order, spec.mean, spec.std);
    let run = || module.outputs(&frames, true);
    let outputs = match recipe.training.precision {
        ComputePrecision::F32 => run(),
        ComputePrecision::Bf16 => native::autocast_bf16(device, run),
    };
    let flat = |output: &Tensor| output.to_kind(Kind::Float).flatten(2, -1).transpose(1, 2);
    let every_other = |from: usize| {
        let level = outputs.iter().skip(from).step_by(2).map(flat);
        Tensor::cat(&level.collect::<Vec<_>>(), 1)
    };
    let cells = len() as i64;
    let target = |part: fn(&Targets) -> &Vec<f32>| {
        let numbers: Vec<f32> = batch.targets.iter().flat_map(|t| part(t).clone()).collect();
        Tensor::from_slice(&numbers).to_device(device)
    };
    Cells {
        scores: every_other(0).squeeze_dim(-1),
        landmarks: every_other(1),
        kinds: target(|t| &t.kinds).view([size, cells]),
        offsets: target(|t| &t.offsets).view([size, cells, 10]),
        sides: target(|t| &t.sides).view([size, cells]),
    }
}
