//! A list of pairs, scored: from image files to the figures that are reported.

use super::pairs::Pairs;
use super::verification::{FoldScore, Scores, best_threshold, fold_accuracy};
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::embedding::Embedding;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// Score of a pair with an unusable image: below every cosine, so that the pair never matches.
const NO_SCORE: f32 = -2.0;

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
    /// Threshold of the accuracy; the mean over folds.
    pub threshold: f32,
    /// Images without a usable face; their pairs count as no match.
    pub unusable_images: usize,
    /// Images read, aligned and embedded a second, on all cores.
    pub images_per_s: f64,
    /// Whether image and mirror image were summed.
    pub mirror_sum: bool,
}

/// Embeddings by path.
pub struct Embedded {
    embeddings: BTreeMap<String, Embedding>,
    /// Path and reason.
    pub unusable: Vec<(String, String)>,
    images_per_s: f64,
    mirror_sum: bool,
}

/// No figure can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFigures {
    /// Not one image could be used.
    #[error("none of the images has a usable face: check --images and --landmarks")]
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
    let started = Instant::now();
    let embed = |image: &str| -> Result<Embedding, String> {
        let landmarks = landmarks.get(image).ok_or("no row in landmarks.csv")?;
        let photo = edge_runtime::photo::read(&folder.join(image)).map_err(|e| e.to_string())?;
        let template = network.input().template;
        let face =
            edge_runtime::face::align(&photo, landmarks, template).map_err(|e| e.to_string())?;
        Ok(network.embed(&face).map_err(|e| e.to_string())?.embedding)
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
            score: score(&p.images).unwrap_or(NO_SCORE),
            same: p.same,
        })
        .collect();
    let mut scores = Scores::default();
    scored.iter().for_each(|s| scores.push(s.score, s.same));
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
        threshold,
        unusable_images: embedded.unusable.len(),
        images_per_s: embedded.images_per_s,
        mirror_sum: embedded.mirror_sum,
    })
}
