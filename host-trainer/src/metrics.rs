//! The lines of `metrics.jsonl`: how a training goes. TensorBoard's events are written with them.

use crate::report;
use crate::tensorboard::EventFile;
use edge_runtime::atomic_file::{self, WriteError};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
}

/// The lines of `metrics.jsonl`.
pub(crate) struct Metrics {
    path: PathBuf,
    file: File,
    events: EventFile,
    started: Instant,
    elapsed_before: f64,
    last: (u64, Instant),
    /// Of the next line.
    validation_eer: Option<f64>,
    latest_eer: Option<f64>,
    trained: Trained,
}

/// How long the lines took and what they trained on, those of earlier invocations included.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Trained {
    step: u64,
    loss: f64,
    images: f64,
    seconds: f64,
}

impl Trained {
    fn add(&mut self, line: &report::Progress) {
        // By its speed: a resumed run repeats steps, so that the step alone does not tell.
        self.images += line.images_per_s * (line.elapsed_s - self.seconds);
        self.seconds = line.elapsed_s;
        (self.step, self.loss) = (line.step, line.loss);
    }
}

impl Metrics {
    /// Keeps the lines up to step `done`, of the run that is resumed.
    pub(crate) fn open(path: &Path, done: u64) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Write {
            path: path.into(),
            source,
        };
        let mut kept = Vec::new();
        let mut trained = Trained::default();
        let mut latest_eer = None;
        if let Ok(old) = File::open(path) {
            for line in BufReader::new(old).lines().map_while(Result::ok) {
                let Ok(parsed) = serde_json::from_str::<report::Progress>(&line) else {
                    break;
                };
                if parsed.step > done {
                    break;
                }
                trained.add(&parsed);
                latest_eer = parsed.validation_eer.or(latest_eer);
                kept.extend(line.bytes().chain([b'\n']));
            }
        }
        atomic_file::write(path, &kept, None)?;
        let file = File::options().append(true).open(path).map_err(failed)?;
        let now = Instant::now();
        Ok(Self {
            path: path.into(),
            file,
            events: EventFile::new(path.parent().unwrap_or(Path::new("")), done),
            started: now,
            elapsed_before: trained.seconds,
            last: (done, now),
            validation_eer: None,
            latest_eer,
            trained,
        })
    }

    pub(crate) fn line(
        &mut self,
        step: u64,
        epoch: u64,
        learning_rate: f64,
        loss: f64,
        images_per_step: u64,
    ) -> Result<report::Progress, MetricsError> {
        let (steps, seconds) = (step - self.last.0, self.last.1.elapsed().as_secs_f64());
        let images = steps * images_per_step;
        self.last = (step, Instant::now());
        let line = report::Progress {
            step,
            epoch,
            loss,
            learning_rate,
            images_per_s: images as f64 / seconds,
            elapsed_s: self.elapsed_before + self.started.elapsed().as_secs_f64(),
            validation_eer: self.validation_eer.take(),
        };
        let json = serde_json::to_string(&line).expect("plain numbers");
        writeln!(self.file, "{json}").map_err(|source| MetricsError::Write {
            path: self.path.clone(),
            source,
        })?;
        self.events.add(&line);
        self.trained.add(&line);
        Ok(line)
    }

    /// Takes an equal error rate for the next line. The time that it took is no training.
    pub(crate) fn validated(&mut self, eer: Option<f64>, took: Duration) {
        self.validation_eer = eer;
        self.latest_eer = eer.or(self.latest_eer);
        self.started += took;
        self.last.1 += took;
    }

    /// The newest equal error rate on held-out people, as a progress bar shows it.
    pub(crate) fn told_eer(&self) -> String {
        let told = |eer| format!("  EER {:.1} %", 100.0 * eer);
        self.latest_eer.map(told).unwrap_or_default()
    }

    /// Wall-clock seconds of the training so far.
    pub(crate) fn wall_s(&self) -> f64 {
        self.trained.seconds
    }

    /// Mean speed so far; 0 without a line.
    pub(crate) fn images_per_s(&self) -> f64 {
        let Trained {
            images, seconds, ..
        } = self.trained;
        if seconds > 0.0 { images / seconds } else { 0.0 }
    }

    /// What the lines come to, in a sentence.
    pub(crate) fn summary(&self) -> String {
        let Trained {
            step,
            loss,
            images,
            seconds,
        } = self.trained;
        let eer = self.latest_eer.map_or(String::new(), |eer| {
            let percent = 100.0 * eer;
            format!("; last EER of some of the people held out {percent:.2} %")
        });
        format!(
            "{step} steps with {images:.0} images in {seconds:.0} s; loss {loss:.3} at the end{eer}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_speed_are_of_the_whole_training() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let line = |step, images_per_s, elapsed_s| {
            let (epoch, loss, learning_rate) = (1, 1.0, 0.1);
            let line = report::Progress {
                step,
                epoch,
                loss,
                learning_rate,
                images_per_s,
                elapsed_s,
                validation_eer: None,
            };
            serde_json::to_string(&line).unwrap() + "\n"
        };
        // The last line is of steps that the checkpoint does not have.
        let lines = [line(10, 50.0, 2.0), line(20, 20.0, 4.0), line(30, 9.0, 9.0)];
        std::fs::write(&path, lines.concat()).unwrap();
        let mut metrics = Metrics::open(&path, 20).unwrap();
        assert_eq!((metrics.wall_s(), metrics.images_per_s()), (4.0, 35.0));
        metrics.validated(Some(0.25), Duration::ZERO);
        let next = metrics.line(30, 1, 0.1, 1.0, 8).unwrap();
        assert_eq!(next.validation_eer, Some(0.25));
        let summary = metrics.summary();
        assert!(
            summary.starts_with("30 steps with ") && summary.contains(" images in 4 s; "),
            "{summary}"
        );
        let end = "loss 1.000 at the end; last EER of some of the people held out 25.00 %";
        assert!(summary.ends_with(end), "{summary}");
        assert_eq!(metrics.told_eer(), "  EER 25.0 %");
        assert_eq!(metrics.wall_s(), next.elapsed_s);
        assert!(next.elapsed_s > 4.0);
        // 140 images before, and at least those of the next ten steps.
        let images = metrics.images_per_s() * metrics.wall_s();
        assert!((220.0..=300.0).contains(&images), "{images}");
    }
}
