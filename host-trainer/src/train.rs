//! The training loop.

use crate::backbone::Module;
use crate::checkpoint::{self, CheckpointError, Progress};
use crate::config::{ComputePrecision, Recipe};
use crate::dataset::loader::{self, Batch, Order, TrainingSet};
use crate::dataset::packed::PackError;
use crate::loss::Head;
use crate::metrics::{Metrics, MetricsError};
use crate::native;
use crate::optimize::Sgd;
use crate::progress::bar;
use crate::report;
use crate::validate::Validator;
use shared::preprocess::{InputSpec, PixelOrder};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Steps from one line of metrics to the next; the loss is looked at as often.
const METRICS_EVERY: u64 = 10;
/// Steps from one line to the next where no progress bar can be shown; a multiple of the above.
const LOG_EVERY: u64 = 50;
/// Name of the checkpoint in a run's folder.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Why a training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Reading or saving a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Reading a crop.
    #[error(transparent)]
    Data(#[from] PackError),
    /// Writing the metrics, or a loss that is not finite.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
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
    /// A fault of this program: the batches ended before the steps did.
    #[error(
        "the reader of batches failed at step {step}; run the same command again, and report this"
    )]
    NoBatch {
        /// Steps done.
        step: u64,
    },
}

/// A network at the end of its training.
pub struct Trained {
    /// With its weights.
    pub module: Module,
    /// Wall-clock seconds of the training, earlier invocations included.
    pub wall_s: f64,
    /// Images a second in that time.
    pub images_per_s: f64,
}

struct Run<'a> {
    recipe: &'a Recipe,
    input: InputSpec,
    device: Device,
    module: Module,
    head: Head,
    sgd: Sgd,
}

/// Trains to the recipe's last step, from the checkpoint in `out` if there is one.
///
/// # Errors
/// [`TrainError`]; the checkpoint in `out` is whole.
pub fn train(
    recipe: &Recipe,
    set: Arc<TrainingSet>,
    data_digest: &str,
    validator: Option<&Validator>,
    out: &Path,
) -> Result<Trained, TrainError> {
    let mut run = Run::new(recipe, set.classes());
    let run_digest = run_digest(recipe, data_digest);
    let checkpoint = out.join(CHECKPOINT);
    let done = checkpoint::load(&checkpoint, &run_digest, &run.state())?.unwrap_or(0);
    let mut metrics = Metrics::open(&out.join(report::METRICS_FILE), done)?;
    let training = &recipe.training;
    if done > training.steps {
        let (out, steps) = (out.into(), training.steps);
        return Err(TrainError::PastTheEnd { out, done, steps });
    }
    let order = Order {
        seed: recipe.seed,
        batch_size: training.batch_size,
        mirror: training.mirror,
        first_step: done,
        end_step: training.steps,
    };
    let per_epoch = set.steps_per_epoch(training.batch_size);
    let progress = bar(training.steps, "training");
    progress.set_position(done);
    progress.reset_eta();
    let mut trained_to = done;
    let mut loss_sum = Tensor::zeros([], (Kind::Float, run.device));
    for (step, batch) in (done..).zip(loader::start(set, order)) {
        loss_sum += run.step(&batch?, step);
        progress.inc(1);
        trained_to = step + 1;
        let (now, last) = (step + 1, step + 1 == training.steps);
        let measured = validator.is_some_and(|v| v.after(now, &run.module, &mut metrics));
        if now % METRICS_EVERY == 0 || last || measured {
            let epoch = step / per_epoch + 1;
            let rate = recipe.optimizer.learning_rate_at(step);
            let line = metrics.line(
                now,
                epoch,
                rate,
                f64::try_from(&loss_sum).unwrap_or(f64::NAN),
                training.batch_size,
            )?;
            loss_sum = loss_sum.zeros_like();
            let message = format!(
                "epoch {epoch}  loss {:.3}  rate {rate:.4}  {:.0} images/s{}",
                line.loss,
                line.images_per_s,
                metrics.told_eer()
            );
            // A log gets a line now and then where a terminal gets a bar.
            if progress.is_hidden() && now % LOG_EVERY == 0 {
                eprintln!("step {now} of {}  {message}", training.steps);
            }
            progress.set_message(message);
        }
        if now % training.checkpoint_every == 0 || last {
            let done = Progress {
                step: now,
                run_digest: run_digest.clone(),
            };
            checkpoint::save(&checkpoint, &done, &run.state())?;
        }
    }
    progress.finish_and_clear();
    if trained_to != training.steps {
        return Err(TrainError::NoBatch { step: trained_to });
    }
    Ok(Trained {
        module: run.module,
        wall_s: metrics.wall_s(),
        images_per_s: metrics.images_per_s(),
    })
}

fn run_digest(recipe: &Recipe, data_digest: &str) -> String {
    // A run may be made longer, saved and measured more often; all else must be as it was.
    let mut same = recipe.clone();
    (same.training.steps, same.training.checkpoint_every) = (0, 0);
    same.training.validate_every = 0;
    shared::digest::Digest::of(format!("{}{data_digest}", same.to_toml()).as_bytes()).to_string()
}

impl<'a> Run<'a> {
    fn new(recipe: &'a Recipe, classes: i64) -> Self {
        let device = native::device();
        tch::manual_seed(recipe.seed as i64);
        let graph = recipe.backbone.graph().expect("checked with the recipe");
        let input = recipe.input_spec(&graph);
        let head = Head::new(&recipe.loss, classes, graph.embedding_len, device);
        let module = Module::new(graph, device);
        let own = module
            .trainable()
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let sgd = Sgd::new(recipe.optimizer.clone(), own.chain(head.trainable()));
        Self {
            recipe,
            input,
            device,
            module,
            head,
            sgd,
        }
    }

    /// All tensors that a resumed run needs.
    fn state(&self) -> Vec<(String, Tensor)> {
        let own = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.shallow_clone());
        let velocity = |(name, tensor): (&String, &Tensor)| {
            (format!("velocity/{name}"), tensor.shallow_clone())
        };
        let weights = self
            .module
            .tensors()
            .iter()
            .map(own)
            .chain(self.head.trainable());
        weights.chain(self.sgd.velocities().map(velocity)).collect()
    }

    /// One step; gives the loss, still on the device.
    fn step(&mut self, batch: &Batch, step: u64) -> Tensor {
        let images = images(batch, &self.input, self.device);
        let labels = Tensor::from_slice(&batch.labels).to_device(self.device);
        let embed = || self.module.forward(&images, true);
        let embeddings = match self.recipe.training.precision {
            ComputePrecision::F32 => embed(),
            ComputePrecision::Bf16 => native::autocast_bf16(self.device, embed),
        };
        // The loss is computed in f32 always: bfloat16 has three digits, and the scale is 30.
        let loss = self
            .head
            .loss(&embeddings.to_kind(Kind::Float), &labels, step);
        loss.backward();
        self.sgd.step(step);
        self.module.clamp_slopes();
        loss.detach()
    }
}

/// `[B, 3, H, W]` floats with the channels innermost, normalized as [`InputSpec::prepare`] does.
pub fn images(batch: &Batch, input: &InputSpec, device: Device) -> Tensor {
    let (height, width) = (
        input.template.height() as i64,
        input.template.width() as i64,
    );
    let bytes = Tensor::from_slice(&batch.pixels)
        .view([-1, height, width, 3])
        .to_device(device);
    let planes = bytes.permute([0, 3, 1, 2]);
    let planes = match input.pixel_order {
        PixelOrder::Rgb => planes,
        PixelOrder::Bgr => planes.flip([1]),
    };
    let row = |values: [f32; 3]| {
        Tensor::from_slice(&values)
            .view([1, 3, 1, 1])
            .to_device(device)
    };
    native::channels_last(&((planes.to_kind(Kind::Float) - row(input.mean)) / row(input.std)))
}
