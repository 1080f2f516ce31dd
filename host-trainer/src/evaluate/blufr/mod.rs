//! LFW BLUFR (Liao, Lei, Yi, Li: "A Benchmark Study of Large-scale Unconstrained Face
//! Recognition", IJCB 2014): ten trials, each with all pairs of some 9,700 images and with a search
//! of a gallery of 1,000 people.
//!
//! As in the authors' toolkit (`EvalROC.m`, `OpenSetROC.m`, `demo_pca.m`): the threshold at a
//! false-accept rate is the impostor score whose place from the top is the rate times the number of
//! impostor scores, rounded; what scores at least as much is accepted; the standard deviation is
//! that of a sample (n - 1), and systems are ranked by mean minus standard deviation.

mod file;
mod trial;

pub use file::{BlufrError, Protocol, Trial, read};
pub use trial::Identified;

use super::confidence::ErrorRates;
use super::protocol::{Embedded, NoFigures};
use crate::memory;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use trial::Faces;

/// False-accept rates that verification is reported at; the toolkit's is the last.
const VERIFICATION_FARS: [f64; 2] = [1e-4, 1e-3];
/// Share of the impostor probes that may find somebody, where identification is reported.
const IDENTIFICATION_FAR: f64 = 1e-2;

/// Figures of the protocol; what `evaluate --blufr --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// In words.
    pub protocol: String,
    /// All pairs of a trial's test images, by false-accept rate.
    pub verification: Vec<Verification>,
    /// Search of a trial's gallery.
    pub identification: Identification,
    /// Images of the protocol.
    pub images: usize,
    /// Images without a usable face. In verification all their pairs count as judged wrongly; in
    /// identification such a probe counts as missed or falsely accepted, and whose gallery image
    /// is such a one is never found.
    pub unusable_images: usize,
    /// Images read, aligned and embedded a second, on all cores.
    pub images_per_s: f64,
    /// Seconds of scoring all trials.
    pub scoring_s: f64,
    /// Whether image and mirror image were summed.
    pub mirror_sum: bool,
    /// See [`memory::peak_mb`].
    pub peak_memory_mb: Option<f64>,
}

/// Verification rate (VR: share of the genuine pairs that match) at a false-accept rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// False-accept rate asked for.
    pub far: f64,
    /// Of the rate.
    #[serde(flatten)]
    pub vr: OverTrials,
    /// Each trial; its rate is 1 - `fnmr`.
    pub trials: Vec<ErrorRates>,
}

/// Detection and identification rate (DIR: share of the genuine probes whose person is found first,
/// at or above the threshold) at a false-accept rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identification {
    /// Share of the impostor probes asked for, that score at least the threshold with somebody.
    pub far: f64,
    /// The person is among so many first.
    pub rank: u32,
    /// Of the rate.
    #[serde(flatten)]
    pub dir: OverTrials,
    /// Each trial.
    pub trials: Vec<Identified>,
}

/// A rate over the trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OverTrials {
    /// What the protocol reports.
    pub mean_minus_std: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation of a sample.
    pub std: f64,
}

impl OverTrials {
    /// Of two rates or more.
    fn of(rates: &[f64]) -> Self {
        let n = rates.len() as f64;
        let mean = rates.iter().sum::<f64>() / n;
        let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        let std = (squares / (n - 1.0)).sqrt();
        Self {
            mean_minus_std: mean - std,
            mean,
            std,
        }
    }
}

/// Scores every trial and tells the figures.
///
/// # Errors
/// [`NoFigures::NoImages`] if not one image has a usable face.
pub fn figures(
    protocol: &Protocol,
    embedded: &Embedded,
    bar: &ProgressBar,
) -> Result<Figures, NoFigures> {
    let started = Instant::now();
    let faces = Faces::new(protocol, embedded);
    if faces.is_empty() {
        return Err(NoFigures::NoImages);
    }
    let scored = protocol.trials().iter().map(|trial| {
        let rates = trial::verification(&faces, &trial.test, &VERIFICATION_FARS);
        let found = trial::identification(&faces, trial, IDENTIFICATION_FAR);
        bar.inc(1);
        (rates, found)
    });
    let scored: Vec<(Vec<ErrorRates>, Identified)> = scored.collect();
    let verification = VERIFICATION_FARS.iter().enumerate().map(|(i, far)| {
        let trials: Vec<_> = scored.iter().map(|(rates, _)| rates[i]).collect();
        let vr: Vec<f64> = trials.iter().map(|rates| 1.0 - rates.fnmr).collect();
        Verification {
            far: *far,
            vr: OverTrials::of(&vr),
            trials,
        }
    });
    let trials: Vec<_> = scored.iter().map(|(_, found)| *found).collect();
    let dir: Vec<f64> = trials.iter().map(|found| found.dir).collect();
    Ok(Figures {
        protocol: format!("BLUFR, {} trials", scored.len()),
        verification: verification.collect(),
        identification: Identification {
            far: IDENTIFICATION_FAR,
            rank: 1,
            dir: OverTrials::of(&dir),
            trials,
        },
        images: protocol.images().len(),
        unusable_images: embedded.unusable.len(),
        images_per_s: embedded.images_per_s,
        scoring_s: started.elapsed().as_secs_f64(),
        mirror_sum: embedded.mirror_sum,
        peak_memory_mb: memory::peak_mb(),
    })
}

#[cfg(test)]
mod tests;
