//! The lines of `metrics.jsonl`: how a training goes.

use crate::report;
use edge_runtime::atomic_file::{self, WriteError};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The lines of an earlier run could not be kept.
    #[error(transparent)]
    Keep(#[from] WriteError),
    /// The disk refused.
    #[error(
        "{path}: {source}; free some space and run the same command again, it goes on from the last checkpoint"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The weights are lost to infinity; the last checkpoint is not.
    #[error(
        "the loss is not finite at step {step}: lower [optimizer] learning_rate and start with a new --out; the last checkpoint in this one is from before"
    )]
    NotFinite {
        /// Of the line; one of the steps since the line before is to blame.
        step: u64,
    },
}

/// The lines of `metrics.jsonl`.
pub(crate) struct Metrics {
    path: PathBuf,
    file: File,
    started: Instant,
    elapsed_before: f64,
    last: (u64, Instant),
    trained: (u64, f64),
}

impl Metrics {
    /// Keeps the lines up to step `done`, of the run that is resumed.
    pub(crate) fn open(path: &Path, done: u64) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Write {
            path: path.into(),
            source,
        };
        let mut kept = Vec::new();
        let mut elapsed_before = 0.0;
        if let Ok(old) = File::open(path) {
            for line in BufReader::new(old).lines().map_while(Result::ok) {
                let Ok(parsed) = serde_json::from_str::<report::Progress>(&line) else {
                    break;
                };
                if parsed.step > done {
                    break;
                }
                elapsed_before = parsed.elapsed_s;
                kept.extend(line.bytes().chain([b'\n']));
            }
        }
        atomic_file::write(path, &kept, None)?;
        let file = File::options().append(true).open(path).map_err(failed)?;
        let now = Instant::now();
        Ok(Self {
            path: path.into(),
            file,
            started: now,
            elapsed_before,
            last: (done, now),
            trained: (0, 0.0),
        })
    }

    pub(crate) fn line(
        &mut self,
        step: u64,
        epoch: u64,
        learning_rate: f64,
        loss_sum: f64,
        batch_size: usize,
    ) -> Result<report::Progress, MetricsError> {
        if !loss_sum.is_finite() {
            return Err(MetricsError::NotFinite { step });
        }
        let (steps, seconds) = (step - self.last.0, self.last.1.elapsed().as_secs_f64());
        let images = steps * batch_size as u64;
        self.last = (step, Instant::now());
        self.trained = (self.trained.0 + images, self.trained.1 + seconds);
        let line = report::Progress {
            step,
            epoch,
            loss: loss_sum / steps as f64,
            learning_rate,
            images_per_s: images as f64 / seconds,
            elapsed_s: self.elapsed_before + self.started.elapsed().as_secs_f64(),
        };
        let json = serde_json::to_string(&line).expect("plain numbers");
        writeln!(self.file, "{json}").map_err(|source| MetricsError::Write {
            path: self.path.clone(),
            source,
        })?;
        Ok(line)
    }

    pub(crate) fn images_per_s(&self) -> f64 {
        if self.trained.1 > 0.0 {
            self.trained.0 as f64 / self.trained.1
        } else {
            0.0
        }
    }
}
