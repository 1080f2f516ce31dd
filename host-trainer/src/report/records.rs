//! The files of a run that the trainer writes and the report reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// JSON lines in the run folder: a [`Progress`] every few steps.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// JSON in the run folder: the [`RunInfo`].
pub const RUN_FILE: &str = "run.json";
/// JSON in the run folder: the [`Evaluation`].
pub const EVALUATION_FILE: &str = "evaluation.json";

/// One line of [`METRICS_FILE`].
///
/// Steps rise. Where a run was resumed they fall back once, and the later line holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Optimizer steps done.
    pub step: u64,
    /// The epoch of this step, from 1.
    pub epoch: u64,
    /// Mean loss since the line before.
    pub loss: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Training speed since the line before.
    pub images_per_s: f64,
    /// Wall-clock seconds of training since the run began; validation is not in it.
    pub elapsed_s: f64,
    /// Equal error rate on some of the held-out people after this step, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_eer: Option<f64>,
}

/// What a run was, so that it can be repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Name of the recipe.
    pub recipe: String,
    /// The recipe itself, as it was read.
    pub recipe_toml: String,
    /// The network in words, for example `mobilefacenet x0.5, 128-d`.
    pub backbone: String,
    /// Weights that were learned, the classifier left out.
    pub parameters: u64,
    /// The loss in words, for example `AM-Softmax s=30 m=0.35`.
    pub loss: String,
    /// People trained on.
    pub people: u64,
    /// Images trained on.
    pub images: u64,
    /// People kept out of the training.
    pub held_out_people: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// SHA-256 of the training data, in hex.
    pub data_digest: String,
    /// Revision of the source.
    pub git_revision: String,
    /// What the training's log comes to, in a sentence; runs of before have none.
    #[serde(default)]
    pub training_log: String,
    /// What it ran on, for example `CPU, 2 threads`.
    pub device: String,
    /// Wall-clock seconds of the training.
    pub wall_s: f64,
    /// Mean training speed.
    pub images_per_s: f64,
}

/// How well the network tells held-out people apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Which pairs were scored, in words.
    pub protocol: String,
    /// People scored, none of them trained on.
    pub people: u64,
    /// Images of them.
    pub images: u64,
    /// Pairs of one person.
    pub genuine: u64,
    /// Pairs of two people.
    pub impostor: u64,
    /// Whether an embedding is the sum over the image and its mirror image.
    pub mirror_sum: bool,
    /// The exported network as the door runs it.
    pub quantized: Accuracy,
    /// The network as it was trained.
    pub float: Accuracy,
    /// How near the embeddings of the two networks are.
    pub float_vs_quantized: Agreement,
    /// Equal error rate of comparing pixels without a network; none was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_pixels_eer: Option<f64>,
    /// Thresholds of the quantized network that the bundle carries.
    pub operating_points: Vec<OperatingPoint>,
    /// What the quantized network judged worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Worst>,
}

/// The pairs that were judged worst, worst first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// Impostor pairs with the highest scores.
    pub impostor: Vec<WorstPair>,
    /// Genuine pairs with the lowest scores.
    pub genuine: Vec<WorstPair>,
}

/// A pair of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstPair {
    /// Cosine.
    pub score: f64,
    /// Their places in the packed set that [`RunInfo::data_digest`] names.
    pub images: [u64; 2],
}

/// Verification figures of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Equal error rate, in `0..=1`.
    pub eer: f64,
    /// True accept rate by the false accept rate it was taken at, which is a decimal number.
    pub tar: BTreeMap<String, f64>,
    /// Curve of (false accept rate, true accept rate), both in `0..=1` and rising.
    pub roc: Vec<(f64, f64)>,
    /// Scores of the pairs.
    pub histogram: Histogram,
}

/// Cosine between the float and the quantized embedding of the same image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Mean over the images.
    pub cosine_mean: f64,
    /// One image in a hundred is below.
    pub cosine_first_percentile: f64,
    /// Worst image.
    pub cosine_min: f64,
}

/// A threshold and what it costs, measured on the quantized network with
/// [`crate::evaluate::enrolled_pairs`], not with the pairs of the other figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Cosine from which on a pair is a match.
    pub threshold: f64,
    /// Share of impostor pairs that match.
    pub fmr: f64,
    /// Share of genuine pairs that do not.
    pub fnmr: f64,
    /// Impostor pairs behind `fmr`.
    pub impostor_pairs: u64,
    /// Genuine pairs behind `fnmr`.
    pub genuine_pairs: u64,
}

/// Scores counted in bins of equal width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub from: f64,
    /// Upper edge of the last bin.
    pub to: f64,
    /// Genuine pairs in each bin.
    pub genuine: Vec<u64>,
    /// Impostor pairs in each bin, as many bins.
    pub impostor: Vec<u64>,
}

impl Histogram {
    /// Width of a bin.
    pub fn bin_width(&self) -> f64 {
        (self.to - self.from) / self.genuine.len() as f64
    }

    /// Scales `counts` so that their area is 1: a few genuine pairs and many impostor pairs then
    /// compare. All zero where nothing was counted.
    pub fn density(&self, counts: &[u64]) -> Vec<f64> {
        let total = counts.iter().sum::<u64>().max(1) as f64;
        let area = total * self.bin_width();
        counts.iter().map(|&count| count as f64 / area).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_density_has_an_area_of_one() {
        let histogram = Histogram {
            from: -1.0,
            to: 1.0,
            genuine: vec![0, 0, 1, 3],
            impostor: vec![0; 4],
        };
        let density = histogram.density(&histogram.genuine);
        assert_eq!(density, [0.0, 0.0, 0.5, 1.5]);
        assert_eq!(density.iter().sum::<f64>() * histogram.bin_width(), 1.0);
        assert_eq!(histogram.density(&histogram.impostor), [0.0; 4]);
    }
}
