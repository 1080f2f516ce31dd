//! A list of pairs, scored: from image files to the figures that are reported.

use super::confidence::ErrorRates;
use super::folds::{FoldScore, best_threshold, fold_accuracy};
use super::pairs::Pairs;
use super::verification::Scores;
use crate::memory;
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::align::AlignedFace;
use shared::embedding::Embedding;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// Stands for the score of a pair with an unusable image: beyond every cosine on the wrong side, so
/// that a missing image makes no figure better.
fn wrong_score(same: bool) -> f32 {
    if same { -2.0 } else { 2.0 }
}

/// Figures of a protocol; what `evaluate --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Which pairs, in words.
    pub protocol: String,
    /// All pairs.
    pub pairs: usize,
    /// Pairs of one person.
    pub genuine: usize,
    /// Pairs of two people.
    pub impostor: usize,
    /// Share of pairs judged rightly, 0 to 1: the mean over folds, or at the best threshold where
    /// there are none.
    pub accuracy: f64,
    /// Standard error of the mean over folds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_se: Option<f64>,
    /// Equal error rate, 0 to 1.
    pub eer: f64,
    /// True-accept rate by false-accept rate, where the impostor pairs suffice.
    pub tar: BTreeMap<String, f64>,
    /// Both error rates at each false-match rate that the impostor pairs carry.
    pub fnmr_at_fmr: Vec<ErrorRates>,
    /// Threshold of the accuracy; the mean over folds.
    pub threshold: f32,
    /// Images without a usable face.
    pub unusable_images: usize,
    /// Pairs with such an image; they count as judged wrongly, whichever kind they are.
    pub pairs_without_score: usize,
    /// Images read, aligned and embedded a second, on all cores.
    pub images_per_s: f64,
    /// Whether image and mirror image were summed.
    pub mirror_sum: bool,
    /// See [`memory::peak_mb`].
    pub peak_memory_mb: Option<f64>,
}

/// Embeddings by path.
pub struct Embedded {
    embeddings: BTreeMap<String, Embedding>,
    /// Path and reason.
    pub unusable: Vec<(String, String)>,
    /// Images read, aligned and embedded a second, on all cores.
    pub images_per_s: f64,
    /// Whether image and mirror image were summed.
    pub mirror_sum: bool,
}

impl Embedded {
    /// Of an image with a usable face.
    pub fn get(&self, path: &str) -> Option<&Embedding> {
        self.embeddings.get(path)
    }

    /// Images by path, without an embedding where they are unusable.
    #[cfg(test)]
    pub(super) fn from_parts(images: Vec<(String, Option<Embedding>)>) -> Self {
        let mut embedded = Self {
            embeddings: BTreeMap::new(),
            unusable: Vec::new(),
            images_per_s: 1.0,
            mirror_sum: false,
        };
        for (path, embedding) in images {
            match embedding {
                Some(embedding) => drop(embedded.embeddings.insert(path, embedding)),
                None => embedded.unusable.push((path, "absent".into())),
            }
        }
        embedded
    }
}

/// No figure can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFigures {
    /// Not one image could be used.
    #[error("none of the images has a usable face: check --images and --landmarks, or --bin")]
    NoImages,
    /// One kind is missing.
    #[error("the list needs pairs of one person and pairs of two people")]
    OneKind,
}

impl Pairs {
    /// All images, each once, in order.
    pub fn images(&self) -> Vec<&str> {
        let images = self
            .pairs
            .iter()
            .flat_map(|p| &p.images)
            .map(String::as_str);
        images.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Reads, aligns and embeds images on all cores; what cannot be used is kept with its reason.
pub fn embed_images(
    network: &Network,
    folder: &Path,
    landmarks: &LandmarkTable,
    images: &[&str],
    bar: &ProgressBar,
) -> Embedded {
    let face = |image: &str| -> Result<AlignedFace, String> {
        let landmarks = landmarks.get(image).ok_or("no row in landmarks.csv")?;
        let photo = edge_runtime::photo::read(&folder.join(image)).map_err(|e| e.to_string())?;
        let template = network.input().template;
        edge_runtime::face::align(&photo, landmarks, template).map_err(|e| e.to_string())
    };
    embed_faces(network, images, bar, face)
}

/// The same of images that `face` finds by their names.
pub fn embed_faces(
    network: &Network,
    images: &[&str],
    bar: &ProgressBar,
    face: impl Fn(&str) -> Result<AlignedFace, String> + Sync,
) -> Embedded {
    let started = Instant::now();
    let embed = |image: &str| -> Result<Embedding, String> {
        let template = network.embed(&face(image)?).map_err(|e| e.to_string())?;
        Ok(template.embedding)
    };
    let all: Vec<_> = images
        .par_iter()
        .map(|image| (embed(image), bar.inc(1)).0)
        .collect();
    let mut embedded = Embedded {
        embeddings: BTreeMap::new(),
        unusable: Vec::new(),
        images_per_s: images.len() as f64 / started.elapsed().as_secs_f64(),
        mirror_sum: network.mirror_sum(),
    };
    for (image, result) in images.iter().zip(all) {
        match result {
            Ok(embedding) => drop(embedded.embeddings.insert((*image).into(), embedding)),
            Err(reason) => embedded.unusable.push(((*image).into(), reason)),
        }
    }
    embedded
}

/// Scores the pairs and tells the figures.
///
/// # Errors
/// [`NoFigures`].
pub fn figures(pairs: &Pairs, embedded: &Embedded) -> Result<Figures, NoFigures> {
    if embedded.embeddings.is_empty() {
        return Err(NoFigures::NoImages);
    }
    let score = |[a, b]: &[String; 2]| {
        let (a, b) = (embedded.embeddings.get(a)?, embedded.embeddings.get(b)?);
        a.cosine(b)
    };
    let scored: Vec<FoldScore> = pairs
        .pairs
        .iter()
        .map(|p| FoldScore {
            fold: p.fold,
            score: score(&p.images),
            same: p.same,
        })
        .collect();
    let mut scores = Scores::default();
    for pair in &scored {
        let score = pair.score.unwrap_or_else(|| wrong_score(pair.same));
        scores.push(score, pair.same);
    }
    let sorted = scores.sorted().ok_or(NoFigures::OneKind)?;
    let (accuracy, accuracy_se, threshold) = if pairs.folds > 1 {
        let folds = fold_accuracy(&scored, pairs.folds);
        (folds.mean, Some(folds.standard_error), folds.threshold)
    } else {
        let (accuracy, threshold) = best_threshold(&scored.iter().collect::<Vec<_>>());
        (accuracy, None, threshold)
    };
    Ok(Figures {
        protocol: pairs.protocol.clone(),
        pairs: scored.len(),
        genuine: sorted.genuine().len(),
        impostor: sorted.impostor().len(),
        accuracy,
        accuracy_se,
        eer: sorted.eer(),
        tar: sorted.tars(),
        fnmr_at_fmr: sorted.error_rates(),
        threshold,
        unusable_images: embedded.unusable.len(),
        pairs_without_score: scored.iter().filter(|s| s.score.is_none()).count(),
        images_per_s: embedded.images_per_s,
        mirror_sum: embedded.mirror_sum,
        peak_memory_mb: memory::peak_mb(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::pairs::Pair;
    use super::*;

    /// Figures of pairs (fold, image, image, same) of images whose names say their angle in degrees.
    fn check(folds: usize, pairs: &[(usize, &str, &str, bool)]) -> Figures {
        let pairs = Pairs {
            protocol: "test".into(),
            folds,
            pairs: pairs
                .iter()
                .map(|(fold, a, b, same)| Pair {
                    images: [a.to_string(), b.to_string()],
                    same: *same,
                    fold: *fold,
                })
                .collect(),
        };
        let embed = |image: &str| {
            let (sin, cos) = image.parse::<f32>().ok()?.to_radians().sin_cos();
            Embedding::from_raw(vec![cos, sin]).ok()
        };
        let images = pairs.images().into_iter();
        let embedded = Embedded::from_parts(images.map(|i| (i.to_string(), embed(i))).collect());
        figures(&pairs, &embedded).unwrap()
    }

    #[test]
    fn each_of_two_folds_is_judged_by_the_other() {
        // Cosines: 0.94 and 0.17 in fold 0, 0.5 and 0.34 in fold 1.
        let found = check(
            2,
            &[
                (0, "0", "20", true),
                (0, "0", "80", false),
                (1, "0", "60", true),
                (1, "0", "70", false),
            ],
        );
        // Fold 0's threshold is 0.56, so fold 1's genuine pair is refused; fold 1's is 0.42.
        assert_eq!((found.pairs, found.genuine, found.impostor), (4, 2, 2));
        assert_eq!((found.accuracy, found.accuracy_se), (0.75, Some(0.25)));
        assert!((found.threshold - 0.489).abs() < 1e-3, "{found:?}");
        assert_eq!((found.eer, found.pairs_without_score), (0.0, 0));
    }

    #[test]
    fn a_missing_image_makes_no_figure_better() {
        let (good, other) = ((0, "0", "20", true), (0, "0", "80", false));
        let whole = check(1, &[good, other]);
        assert_eq!((whole.accuracy, whole.eer), (1.0, 0.0));
        for (absent, accuracy) in [
            (vec![good, (0, "0", "absent", false)], 0.5),
            (vec![good, other, (0, "0", "absent", false)], 2.0 / 3.0),
            (vec![good, other, (0, "0", "absent", true)], 2.0 / 3.0),
        ] {
            let found = check(1, &absent);
            assert_eq!(found.accuracy, accuracy);
            assert!(found.eer > 0.0, "{found:?}");
            assert_eq!((found.unusable_images, found.pairs_without_score), (1, 1));
            assert!(found.threshold.abs() <= 1.0, "{found:?}");
        }
        // Were a fold of absent images judged by its own, it would have no threshold.
        let absent = [(1, "0", "absent", false), (1, "0", "absent", true)];
        let folds = check(2, &[&[good, other][..], &absent].concat());
        assert!(folds.accuracy <= 0.5, "{folds:?}");
    }
}
