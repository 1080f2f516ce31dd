//! How well a detector does, in the door's runtime.

use super::config::DetectorRecipe;
use super::file::{DetectorFile, DetectorFileError};
use super::frame::compose;
use super::photos::Photos;
use super::place::Pose;
use super::target::ANCHOR;
use crate::backbone::Module;
use crate::backbone::detector::{output_names, strides};
use crate::export;
use edge_runtime::atomic_file::{self, WriteError};
use edge_runtime::detect::{Detection, Detector};
use edge_runtime::network::NetworkError;
use rayon::prelude::*;
use serde::Serialize;
use shared::align::Landmarks;
use shared::bundle::Precision;
use shared::detector::{CellOrder, DetectorLayout, DetectorLevel, DetectorManifest, ScoreKind};
use shared::digest::Digest;
use std::path::Path;

/// Frames without a face that the threshold is measured on.
const FACELESS_FRAMES: u64 = 4000;
/// Of them, so many may be taken for a face: one in a thousand.
const FALSE_FACES: usize = 4;
/// Landmarks were nearest to the true ones from so near, of 0.4 to 0.93.
const CLOSE_LOOK: f32 = 0.8;
/// Lowest and highest threshold that is set.
const THRESHOLDS: [f32; 2] = [0.3, 0.9];

/// A detector that cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// It does not run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The file beside it.
    #[error(transparent)]
    File(#[from] DetectorFileError),
    /// The network's own.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What the detector says of one image of one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Of the largest face, which is the one that a door compares, if any.
    pub score: Option<f32>,
    /// Whether that is the face that was looked for: the middle of its crop lies within half a
    /// side of the true one's, and its side is between half and twice that.
    pub right: bool,
    /// Mean distance of its landmarks from the true ones, in distances between the eyes of the
    /// alignment template at that size; meaningful where `right`.
    pub error: f32,
}

/// The face that a door compares.
pub fn largest(found: &[Detection]) -> Option<&Detection> {
    found.iter().max_by(|a, b| a.side.total_cmp(&b.side))
}

/// Compares the largest face with the true one.
pub fn compare(found: &[Detection], truth: &Landmarks) -> Found {
    let nobody = Found {
        score: None,
        right: false,
        error: f32::NAN,
    };
    let (Some(best), Some(pose)) = (largest(found), Pose::of(truth)) else {
        return nobody;
    };
    let Some(own) = Pose::of(&best.landmarks) else {
        return nobody;
    };
    let apart = (own.center.x - pose.center.x).hypot(own.center.y - pose.center.y);
    let pairs = best.landmarks.0.iter().zip(&truth.0);
    let mean = pairs
        .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y))
        .sum::<f32>()
        / 5.0;
    Found {
        score: Some(best.score),
        right: apart < 0.5 * pose.side && (0.5..2.0).contains(&(own.side / pose.side)),
        // Of the crop's side, for the eyes of a profile are close together.
        error: mean / (pose.side * 35.24 / 112.0),
    }
}

/// Sums over many images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorFigures {
    /// Images of one face each.
    pub images: usize,
    /// Share of them in which a face was found.
    pub found: f64,
    /// Share in which the largest was the right one.
    pub right: f64,
    /// Mean distance of landmarks from the true ones where right, in distances between the eyes.
    pub mean_error: f64,
    /// A tenth of the right ones are worse.
    pub error_90: f64,
}

impl DetectorFigures {
    /// Sums up; NaN errors where nothing was right.
    pub fn of(found: &[Found]) -> Self {
        let share = |n: usize| n as f64 / found.len().max(1) as f64;
        let right: Vec<&Found> = found.iter().filter(|f| f.right).collect();
        let mut errors: Vec<f64> = right.iter().map(|f| f64::from(f.error)).collect();
        errors.sort_by(f64::total_cmp);
        Self {
            images: found.len(),
            found: share(found.iter().filter(|f| f.score.is_some()).count()),
            right: share(right.len()),
            mean_error: errors.iter().sum::<f64>() / errors.len() as f64,
            error_90: errors
                .get(errors.len() * 9 / 10)
                .copied()
                .unwrap_or(f64::NAN),
        }
    }
}

/// What came of a training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorEvaluation {
    /// On photographs and drawings of people who were held out.
    pub held_out: DetectorFigures,
    /// Frames without a face, put together from what was held out.
    pub faceless_frames: u64,
    /// Of them, how many are taken for a face.
    pub false_faces: usize,
    /// The score from which on it is a face.
    pub threshold: f32,
}

/// How the outputs of our own detector are read.
pub fn layout() -> DetectorLayout {
    let level = |stride: i64| {
        let [score, landmarks] = output_names(stride);
        DetectorLevel {
            stride: stride as u16,
            scores: vec![score],
            landmarks,
        }
    };
    DetectorLayout {
        order: CellOrder::NumbersFirst,
        score: ScoreKind::Logit,
        anchor: ANCHOR,
        levels: strides().map(level).collect(),
    }
}

/// Writes `detector.onnx` (8-bit weights) and `detector.toml` into `out`, with the threshold that
/// keeps false faces rare.
///
/// # Errors
/// [`MeasureError`].
pub fn finish(
    recipe: &DetectorRecipe,
    module: &Module,
    held_out: &Photos,
    provenance: &str,
    out: &Path,
) -> Result<DetectorEvaluation, MeasureError> {
    let precision = Precision::Int8Weights;
    let model = export::onnx(module.graph(), &export::weights(module), precision);
    atomic_file::write(&out.join("detector.onnx"), &model, None)?;
    let mut file = DetectorFile {
        name: module.graph().name.clone(),
        model: "detector.onnx".into(),
        precision,
        threshold: THRESHOLDS[0],
        close_look: Some(CLOSE_LOOK),
        provenance: provenance.into(),
        input: recipe.frame_spec(),
        layout: layout(),
    };
    let build = |file: &DetectorFile| {
        let manifest = DetectorManifest {
            name: file.name.clone(),
            precision,
            input: file.input.clone(),
            layout: file.layout.clone(),
            threshold: file.threshold,
            close_look: file.close_look,
            digest: Digest::of(&model),
            self_test: Vec::new(),
            provenance: String::new(),
        };
        Detector::from_onnx(&model, &manifest)
    };
    let lowest = build(&file)?;
    let score = |number: u64| -> Result<f32, NetworkError> {
        // Other frames than any that were trained on: they are put together from other pictures.
        let frame = compose(held_out, 1.0, recipe.seed, number);
        let found = lowest.detect(&frame.image)?;
        Ok(found.first().map_or(0.0, |d| d.score))
    };
    let scores: Result<Vec<f32>, _> = (0..FACELESS_FRAMES).into_par_iter().map(score).collect();
    let mut scores = scores?;
    scores.sort_by(|a, b| b.total_cmp(a));
    let above = scores[FALSE_FACES] + 0.001;
    file.threshold = threshold(above, recipe.detector.least_threshold);
    file.write(&out.join("detector.toml"))?;
    let detector = build(&file)?;
    let found: Result<Vec<Found>, NetworkError> = held_out
        .faces()
        .par_iter()
        .map(|photo| {
            Ok(compare(
                &detector.detect(photo.image())?,
                &photo.landmarks(),
            ))
        })
        .collect();
    Ok(DetectorEvaluation {
        held_out: DetectorFigures::of(&found?),
        faceless_frames: FACELESS_FRAMES,
        false_faces: scores.iter().filter(|s| **s >= file.threshold).count(),
        threshold: file.threshold,
    })
}

/// The score that leaves few enough false faces, but no lower than the recipe says, nor beyond what
/// is set at all.
fn threshold(above: f32, least: Option<f32>) -> f32 {
    let [lowest, highest] = THRESHOLDS;
    above.max(least.unwrap_or(lowest)).clamp(lowest, highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_not_below_what_the_recipe_says() {
        for (above, least, set) in [
            (0.52, None, 0.52),
            (0.52, Some(0.65), 0.65),
            (0.7, Some(0.65), 0.7),
            (0.1, None, 0.3),
            (0.1, Some(0.2), 0.3),
            (0.95, Some(0.65), 0.9),
        ] {
            assert_eq!(threshold(above, least), set);
        }
    }
}
