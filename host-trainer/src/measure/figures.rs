//! The figures of a run's report.

use super::{HeldOut, MeasureError, Measured};
use crate::config::Recipe;
use crate::evaluate::verification::Sorted;
use crate::evaluate::worst::{ScoredPair, worst_pairs};
use crate::evaluate::{all_pairs, raw_pixels};
use crate::quantize;
use crate::report::{Accuracy, Agreement, Evaluation, Histogram, Worst, WorstPair};
use shared::bundle::OperatingPoint;
use shared::embedding::Embedding;
use std::collections::HashSet;

/// Bins of the score histogram over -1 to 1.
const HISTOGRAM_BINS: usize = 100;
/// Points of the ROC curve.
const ROC_POINTS: usize = 100;

pub(super) fn evaluation(
    recipe: &Recipe,
    held_out: &HeldOut<'_>,
    quantized: &Measured,
    float: &Measured,
) -> Result<Evaluation, MeasureError> {
    let people = held_out.people();
    let pixels: Result<Vec<_>, _> = (0..people.len()).map(|i| held_out.face(i)).collect();
    let pixels: Option<Vec<_>> = pixels?.iter().map(raw_pixels).collect();
    let raw_pixels_eer = pixels.and_then(|p| Some(all_pairs(&p, &people).sorted()?.eer()));
    let cosines = quantized.cosines(float);
    let cosine_min = cosines.iter().copied().fold(1.0, f64::min);
    let agreement = quantize::Agreement::of(cosines);
    Ok(Evaluation {
        protocol: "all pairs of held-out people".into(),
        people: people.iter().collect::<HashSet<_>>().len() as u64,
        images: people.len() as u64,
        genuine: quantized.scores.genuine().len() as u64,
        impostor: quantized.scores.impostor().len() as u64,
        mirror_sum: recipe.training.mirror_sum,
        quantized: accuracy(&quantized.scores),
        float: accuracy(&float.scores),
        float_vs_quantized: Agreement {
            cosine_mean: agreement.mean,
            cosine_first_percentile: agreement.first_percentile,
            cosine_min,
        },
        raw_pixels_eer,
        operating_points: quantized
            .manifest
            .operating_points
            .iter()
            .map(reported)
            .collect(),
        worst: Some(worst(held_out, &quantized.embeddings)),
    })
}

fn worst(held_out: &HeldOut<'_>, embeddings: &[Embedding]) -> Worst {
    let reported = |pairs: Vec<ScoredPair>| {
        let pair = |pair: ScoredPair| WorstPair {
            score: f64::from(pair.score),
            images: pair.images.map(|i| held_out.images[i] as u64),
        };
        pairs.into_iter().map(pair).collect()
    };
    let worst = worst_pairs(embeddings, &held_out.people());
    Worst {
        impostor: reported(worst.impostor),
        genuine: reported(worst.genuine),
    }
}

/// As reports show it.
pub fn reported(point: &OperatingPoint) -> crate::report::OperatingPoint {
    crate::report::OperatingPoint {
        threshold: f64::from(point.threshold),
        fmr: point.fmr,
        fnmr: point.fnmr,
        impostor_pairs: point.impostor_pairs,
        genuine_pairs: point.genuine_pairs,
    }
}

fn accuracy(scores: &Sorted) -> Accuracy {
    let bins = |scores: &[f32]| {
        let mut counts = vec![0; HISTOGRAM_BINS];
        for score in scores {
            let bin = ((score + 1.0) / 2.0 * HISTOGRAM_BINS as f32) as usize;
            counts[bin.min(HISTOGRAM_BINS - 1)] += 1;
        }
        counts
    };
    let (genuine, impostor) = (bins(scores.genuine()), bins(scores.impostor()));
    let histogram = Histogram {
        from: -1.0,
        to: 1.0,
        genuine,
        impostor,
    };
    Accuracy {
        eer: scores.eer(),
        tar: scores.tars(),
        roc: scores.roc(ROC_POINTS),
        histogram,
    }
}
