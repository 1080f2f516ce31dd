//! Measurement, always of the exported network in the door's own runtime.

pub mod bin_file;
pub mod blufr;
pub mod breakdown;
pub mod confidence;
pub mod folds;
pub mod highest;
pub mod identification;
pub mod pairs;
pub mod protocol;
pub mod search;
pub mod verification;
pub mod worst;

use edge_runtime::network::{Network, NetworkError};
use indicatif::ProgressBar;
use rayon::prelude::*;
use shared::align::AlignedFace;
use shared::embedding::{Embedding, dot};
use std::collections::BTreeMap;
use verification::Scores;

/// Embeds many faces on all cores, in order.
///
/// # Errors
/// What `face` says, or [`NetworkError`], of the first that fails.
pub fn embed_all<E, F>(
    network: &Network,
    len: usize,
    bar: &ProgressBar,
    face: F,
) -> Result<Vec<Embedding>, E>
where
    E: From<NetworkError> + Send,
    F: Fn(usize) -> Result<AlignedFace, E> + Sync,
{
    let embed = |i: usize| {
        let template = network.embed(&face(i)?)?;
        bar.inc(1);
        Ok(template.embedding)
    };
    (0..len).into_par_iter().map(embed).collect()
}

/// Scores of every pair of images: genuine where the person is the same.
pub fn all_pairs(embeddings: &[Embedding], people: &[u32]) -> Scores {
    let rows: Vec<&[f32]> = embeddings.iter().map(Embedding::as_slice).collect();
    let of_row = |i: usize| {
        let mut scores = Scores::default();
        for j in 0..i {
            scores.push(dot(rows[i], rows[j]), people[i] == people[j]);
        }
        scores
    };
    joined((0..rows.len()).into_par_iter().map(of_row).collect())
}

/// Templates of a person that the reference of [`enrolled_pairs`] is made of, at most.
const TEMPLATES: usize = 3;

/// What [`enrolled_pairs`] are, in words.
pub const ENROLLED_PAIRS: &str = "a person's mean of up to three images against each other image";

/// How many of a person's `images` are enrolled together: three, or fewer where half of them must
/// be left to compare with.
fn enrolled_together(images: usize) -> usize {
    (images / 2).clamp(1, TEMPLATES)
}

/// How many genuine and impostor [`enrolled_pairs`] people with so many images have.
pub fn enrolled_counts(images: &[usize]) -> (u64, u64) {
    let all: usize = images.iter().sum();
    let pairs = images.iter().map(|own| {
        let references = own.div_ceil(enrolled_together(*own));
        // An image is compared with every reference but the one that it is part of.
        (own * references.saturating_sub(1), references * (all - own))
    });
    pairs.fold((0, 0), |sum, (genuine, impostor)| {
        (sum.0 + genuine as u64, sum.1 + impostor as u64)
    })
}

/// Scores as the door tells them: the mean direction of a few images of a person against each
/// other image.
pub fn enrolled_pairs(embeddings: &[Embedding], people: &[u32]) -> Scores {
    enrolled_pairs_across(embeddings, embeddings, people)
}

/// The same of people who are enrolled under one network and looked at under another: what either
/// makes of the same images, in the same order.
pub fn enrolled_pairs_across(
    references: &[Embedding],
    probes: &[Embedding],
    people: &[u32],
) -> Scores {
    let mut images: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    people
        .iter()
        .enumerate()
        .for_each(|(i, person)| images.entry(*person).or_default().push(i));
    let enrolled: Vec<&[usize]> = images
        .values()
        .flat_map(|own| own.chunks(enrolled_together(own.len())))
        .collect();
    let of_reference = |chunk: &&[usize]| {
        let mut scores = Scores::default();
        // Images that cancel could not be enrolled either.
        if let Ok(reference) = Embedding::sum(chunk.iter().map(|i| &references[*i])) {
            for j in (0..probes.len()).filter(|j| !chunk.contains(j)) {
                let score = dot(reference.as_slice(), probes[j].as_slice());
                scores.push(score, people[j] == people[chunk[0]]);
            }
        }
        scores
    };
    joined(enrolled.par_iter().map(of_reference).collect())
}

/// Tens of millions of scores may be at hand: each part is freed once it is copied.
fn joined(parts: Vec<Scores>) -> Scores {
    let len = |of: fn(&Scores) -> usize| parts.iter().map(of).sum();
    let mut all = Scores {
        genuine: Vec::with_capacity(len(|s| s.genuine.len())),
        impostor: Vec::with_capacity(len(|s| s.impostor.len())),
    };
    for part in parts {
        all.genuine.extend(part.genuine);
        all.impostor.extend(part.impostor);
    }
    all
}

/// The floor that a network must beat: the crop as 28x28 grey pixels, mean removed.
pub fn raw_pixels(face: &AlignedFace) -> Option<Embedding> {
    const SIDE: usize = 28;
    let (width, height) = (face.template().width(), face.template().height());
    let mut sums = vec![0.0_f32; SIDE * SIDE];
    for (i, pixel) in face.pixels().chunks_exact(3).enumerate() {
        let (x, y) = (i % width * SIDE / width, i / width * SIDE / height);
        sums[y * SIDE + x] += pixel.iter().map(|c| f32::from(*c)).sum::<f32>();
    }
    let mean = sums.iter().sum::<f32>() / sums.len() as f32;
    Embedding::from_raw(sums.iter().map(|s| s - mean).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_enrolled_in_threes_and_compared_with_all_other_images() {
        let unit = |x: f32| Embedding::from_raw(vec![x, 1.0]).expect("not zero");
        // Seven images of person 0, four of person 1, one of person 2.
        let people = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2];
        let embeddings: Vec<_> = (0..12).map(|i| unit(i as f32)).collect();
        let scores = enrolled_pairs(&embeddings, &people);
        // Person 0: threes, threes and a single; person 1: twos; person 2: a single.
        assert_eq!(scores.genuine.len(), 4 + 4 + 6 + 2 + 2);
        assert_eq!(scores.impostor.len(), 3 * 5 + 2 * 8 + 11);
        let counted = (scores.genuine.len() as u64, scores.impostor.len() as u64);
        assert_eq!(enrolled_counts(&[7, 4, 1]), counted);
        assert_eq!(enrolled_counts(&[]), (0, 0));
        let reference = Embedding::sum(&embeddings[..3]).expect("they do not cancel");
        let expected = reference.cosine(&embeddings[3]).expect("of one length");
        assert!((scores.genuine[0] - expected).abs() < 1e-6);

        // The references of one network, the probes of another, which turns everything by 90 degrees.
        let turned = |i| Embedding::from_raw(vec![-1.0, i as f32]).expect("not zero");
        let turned: Vec<_> = (0..12).map(turned).collect();
        let across = enrolled_pairs_across(&embeddings, &turned, &people);
        assert_eq!(across.genuine.len(), scores.genuine.len());
        let expected = reference.cosine(&turned[3]).expect("of one length");
        assert!((across.genuine[0] - expected).abs() < 1e-6);
        assert!((across.genuine[0] - scores.genuine[0]).abs() > 0.1);
    }
}
