//! The training loop.

mod batch;
mod error;
mod memory;
mod run;
pub mod speed;
mod state;
#[cfg(test)]
mod tests;

pub use batch::images;
pub(crate) use batch::normalized;
pub use error::TrainError;
pub use state::{CHECKPOINT, finished};

use crate::backbone::Module;
use crate::backbone::graph::Graph;
use crate::config::{OnNotFinite, Recipe};
use crate::dataset::loader::{self, Batch, Order, TrainingSet};
use crate::distill::Teacher;
use crate::distributed;
use crate::export::Weights;
use crate::metrics::Metrics;
use crate::optimize::Average;
use crate::progress::bar;
use crate::quantize::Scheme;
use crate::report;
use crate::validate::Validator;
use edge_runtime::atomic_file;
use indicatif::ProgressBar;
use run::Run;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Steps from one line of metrics to the next.
const METRICS_EVERY: u64 = 10;
/// Steps from one line to the next where no progress bar can be shown; a multiple of the above.
const LOG_EVERY: u64 = 50;
/// Times that a training goes back for a loss that is not finite, before it gives up.
const ROLL_BACKS: usize = 10;
/// Names the images of a batch whose loss is not finite.
const NOT_FINITE: &str = "not-finite.json";

/// A network at the end of its training.
pub struct Trained {
    /// With its weights, or the moving average of them where the recipe wants one.
    pub module: Module,
    /// Wall-clock seconds of the training, earlier invocations included; 0 on all ranks but the first.
    pub wall_s: f64,
    /// Images a second in that time, likewise.
    pub images_per_s: f64,
    /// What its log comes to, in a sentence; likewise empty.
    pub log: String,
}

/// What a training needs.
pub struct Job<'a> {
    /// How.
    pub recipe: &'a Recipe,
    /// On whom.
    pub set: Arc<TrainingSet>,
    /// Of the packed set: a checkpoint goes on with the same faces alone.
    pub data_digest: &'a str,
    /// Whom to learn from beside the labels.
    pub teacher: Option<&'a Teacher>,
    /// What to measure meanwhile.
    pub validator: Option<&'a Validator>,
    /// What to begin with, in the place of a drawn network.
    pub start: Option<&'a Start>,
    /// The run's folder.
    pub out: &'a Path,
}

/// A network to begin with.
pub struct Start {
    /// Its embeddings are as long as those of the recipe's backbone, for which it stands.
    pub graph: Graph,
    /// Of that graph.
    pub weights: Weights,
    /// The rounding to train with.
    pub scheme: Scheme,
    /// Class weights by name; those that are missing are drawn.
    pub head: Weights,
}

/// How one pass over the steps ended.
enum Pass {
    /// The first rank alone has metrics.
    Done(Option<Metrics>),
    NotFinite {
        step: u64,
    },
}

/// Trains to the recipe's last step, from the checkpoint in the run's folder if there is one.
///
/// # Errors
/// [`TrainError`]; the checkpoint is whole.
pub fn train(job: &Job<'_>) -> Result<Trained, TrainError> {
    let training = &job.recipe.training;
    let mut run = Run::new(job.recipe, job.set.classes(), job.teacher, job.start);
    if let Some(start) = job.start {
        run.fill_head(&start.head)?;
    }
    let mut left_out = BTreeSet::new();
    let metrics = loop {
        let done = job.load(&run)?;
        if done > training.steps {
            let (out, steps) = (job.out.into(), training.steps);
            return Err(TrainError::PastTheEnd { out, done, steps });
        }
        match job.pass(&mut run, done, &left_out)? {
            Pass::Done(metrics) => break metrics,
            Pass::NotFinite { step } => {
                let again = training.on_not_finite == OnNotFinite::RollBack;
                if !again || left_out.len() == ROLL_BACKS {
                    let named = job.out.join(NOT_FINITE);
                    let step = step + 1;
                    return Err(TrainError::NotFinite { step, named });
                }
                if distributed::is_first() {
                    eprintln!(
                        "the loss is not finite at step {}: back to the last checkpoint, without that batch",
                        step + 1
                    );
                }
                left_out.insert(step);
            }
        }
    };
    run.average.iter_mut().for_each(Average::exchange);
    Ok(Trained {
        module: run.module,
        wall_s: metrics.as_ref().map_or(0.0, Metrics::wall_s),
        images_per_s: metrics.as_ref().map_or(0.0, Metrics::images_per_s),
        log: metrics.as_ref().map_or(String::new(), Metrics::summary),
    })
}

impl Job<'_> {
    /// The steps after `done`, those `left_out` without their update.
    fn pass(
        &self,
        run: &mut Run<'_>,
        done: u64,
        left_out: &BTreeSet<u64>,
    ) -> Result<Pass, TrainError> {
        let training = &self.recipe.training;
        let open = || Metrics::open(&self.out.join(report::METRICS_FILE), done);
        let mut metrics = distributed::is_first().then(open).transpose()?;
        let progress = bar(training.steps, "training");
        progress.set_position(done);
        progress.reset_eta();
        let batches = loader::start(self.set.clone(), self.order(done));
        let (mut loss_sum, mut summed) = (0.0, 0);
        for step in done..training.steps {
            let batches = self.batches(&batches, step)?;
            if !left_out.contains(&step) {
                match memory::watched(training, || run.step(&batches, step))? {
                    Ok(loss) => (loss_sum, summed) = (loss_sum + loss, summed + 1),
                    Err(_) => {
                        self.name_images(&batches, step)?;
                        return Ok(Pass::NotFinite { step });
                    }
                }
            }
            progress.inc(1);
            let (now, last) = (step + 1, step + 1 == training.steps);
            if let Some(metrics) = &mut metrics {
                let validate = |v: &Validator| v.after(now, &run.module, &mut run.average, metrics);
                let validated = self.validator.is_some_and(validate);
                if (now % METRICS_EVERY == 0 || last || validated) && summed > 0 {
                    self.tell(metrics, &progress, now, loss_sum / f64::from(summed))?;
                    (loss_sum, summed) = (0.0, 0);
                }
            }
            if now % training.checkpoint_every == 0 || last {
                self.save(run, now)?;
            }
        }
        progress.finish_and_clear();
        Ok(Pass::Done(metrics))
    }

    fn order(&self, done: u64) -> Order {
        let training = &self.recipe.training;
        Order {
            seed: self.recipe.seed,
            batch_size: training.batch_size,
            part: (distributed::rank(), distributed::ranks()),
            first_step: done * training.accumulate,
            end_step: training.steps * training.accumulate,
        }
    }

    fn batches(&self, reader: &loader::Batches, step: u64) -> Result<Vec<Batch>, TrainError> {
        let batches = (0..self.recipe.training.accumulate).map(|_| match reader.recv() {
            Ok(batch) => Ok(batch?),
            Err(_) => Err(TrainError::NoBatch { step }),
        });
        batches.collect()
    }

    fn tell(
        &self,
        metrics: &mut Metrics,
        progress: &ProgressBar,
        now: u64,
        loss: f64,
    ) -> Result<(), TrainError> {
        let training = &self.recipe.training;
        let images = (training.batch_size * distributed::ranks()) as u64 * training.accumulate;
        let per_epoch = self.set.steps_per_epoch(images as usize);
        let rate = self
            .recipe
            .optimizer
            .learning_rate_at(now - 1, training.steps);
        let epoch = (now - 1) / per_epoch + 1;
        let line = metrics.line(now, epoch, rate, loss, images)?;
        let message = format!(
            "epoch {epoch}  loss {loss:.3}  rate {rate:.4}  {:.0} images/s{}",
            line.images_per_s,
            metrics.told_eer()
        );
        // A log gets a line now and then where a terminal gets a bar.
        if progress.is_hidden() && now.is_multiple_of(LOG_EVERY) {
            eprintln!("step {now} of {}  {message}", training.steps);
        }
        progress.set_message(message);
        Ok(())
    }

    /// Those of all ranks, which wait until it is done: one that stops now would stop the others.
    fn name_images(&self, batches: &[Batch], step: u64) -> Result<(), TrainError> {
        let images = batches.iter().flat_map(|batch| &batch.images);
        let images: Vec<i64> = images.map(|i| *i as i64).collect();
        let images = distributed::gather(&images);
        if distributed::is_first() {
            self.write_names(&images, step)?;
        }
        distributed::wait();
        Ok(())
    }

    fn write_names(&self, images: &[i64], step: u64) -> Result<(), TrainError> {
        let names: Vec<&str> = images.iter().map(|i| self.set.name(*i as usize)).collect();
        let json = serde_json::json!({ "step": step + 1, "images": names });
        let bytes = serde_json::to_vec_pretty(&json).expect("names are text");
        Ok(atomic_file::write(
            &self.out.join(NOT_FINITE),
            &bytes,
            None,
        )?)
    }
}
