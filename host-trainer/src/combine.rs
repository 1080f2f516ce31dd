//! Precisions of one network, put together: all thresholds, and what it costs to compare across
//! them, measured on the same people.

use crate::evaluate::enrolled_pairs_across;
use crate::measure::{HeldOut, MeasureError, embed, thresholds};
use crate::operating_point::operating_points;
use edge_runtime::network::Network;
use shared::bundle::{Bundle, BundleError, Comparable, Manifest, Precision};
use shared::digest::Digest;
use shared::embedding::Embedding;
use std::path::PathBuf;

/// Why bundles do not go together.
#[derive(Debug, thiserror::Error)]
pub enum CombineError {
    /// One alone.
    #[error("one bundle of one precision: name at least two")]
    Alone,
    /// Not of one network.
    #[error("{} does not go with {}: {source}", other.display(), first.display())]
    Apart {
        /// The first of the bundles.
        first: PathBuf,
        /// The one that does not fit it.
        other: PathBuf,
        /// Why not.
        source: BundleError,
    },
    /// Two detectors.
    #[error(
        "{} has another detector than {}: put one into both, or leave it out of one", other.display(), first.display()
    )]
    Detectors {
        /// A bundle.
        first: PathBuf,
        /// One with another detector.
        other: PathBuf,
    },
    /// A network that does not run, or people who are too few.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The parts do not fit together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// What one precision makes of all faces.
pub(crate) struct Seen<'a> {
    pub(crate) precision: Precision,
    pub(crate) model: Digest,
    pub(crate) embeddings: &'a [Embedding],
}

/// How `under` does with people who were enrolled under `other`; `people` says whose each face is.
///
/// # Errors
/// [`MeasureError::NoPairs`].
pub(crate) fn comparable(
    other: &Seen<'_>,
    under: &Seen<'_>,
    people: &[u32],
) -> Result<Comparable, MeasureError> {
    let scores = enrolled_pairs_across(other.embeddings, under.embeddings, people);
    let scores = scores.sorted().ok_or(MeasureError::NoPairs)?;
    let pairs = other.embeddings.iter().zip(under.embeddings);
    let mut cosines: Vec<f32> = pairs.filter_map(|(a, b)| a.cosine(b)).collect();
    cosines.sort_unstable_by(f32::total_cmp);
    let sum: f64 = cosines.iter().copied().map(f64::from).sum();
    Ok(Comparable {
        model: other.model,
        precision: other.precision,
        operating_points: operating_points(&scores),
        cosine_mean: (sum / cosines.len() as f64) as f32,
        cosine_p1: cosines[cosines.len() / 100],
    })
}

/// The same for each of several: how it does with those of all others.
///
/// # Errors
/// As [`comparable`].
pub(crate) fn comparables(
    seen: &[Seen<'_>],
    people: &[u32],
) -> Result<Vec<Vec<Comparable>>, MeasureError> {
    let with_others = |under: &Seen<'_>| {
        let others = seen.iter().filter(|other| other.model != under.model);
        others.map(|o| comparable(o, under, people)).collect()
    };
    seen.iter().map(with_others).collect()
}

/// One bundle of several, the first of which is preferred. Thresholds are measured anew on
/// `held_out`, so that all of them are of the same pairs.
///
/// # Errors
/// [`CombineError`].
pub fn combine(
    bundles: &[(PathBuf, Bundle)],
    held_out: &HeldOut<'_>,
) -> Result<Bundle, CombineError> {
    let alone = |bundle: &Bundle| -> Vec<Bundle> {
        let precisions = bundle.precisions();
        precisions.filter_map(|p| bundle.select(p)).collect()
    };
    let parts: Vec<(&PathBuf, Bundle)> = bundles
        .iter()
        .flat_map(|(path, bundle)| alone(bundle).into_iter().map(move |part| (path, part)))
        .collect();
    // Before it is measured, which takes minutes.
    together(&parts)?;
    let mut embeddings = Vec::new();
    for (_, part) in &parts {
        let network = Network::load(part).map_err(MeasureError::from)?;
        embeddings.push(embed(&network, held_out)?);
    }
    let people = held_out.people();
    let seen = parts
        .iter()
        .zip(&embeddings)
        .map(|((_, part), embeddings)| {
            let Manifest {
                precision,
                model_digest: model,
                ..
            } = *part.manifest();
            Seen {
                precision,
                model,
                embeddings,
            }
        });
    let comparables = comparables(&seen.collect::<Vec<_>>(), &people)?;
    let mut measured = Vec::new();
    for (((path, part), embeddings), comparable) in parts.iter().zip(&embeddings).zip(comparables) {
        let manifest = Manifest {
            operating_points: thresholds(embeddings, &people)?,
            comparable,
            ..part.manifest().clone()
        };
        measured.push((*path, Bundle::new(manifest, part.model().into())?));
    }
    let bundle = together(&measured)?;
    let detector = bundles.iter().find_map(|(_, bundle)| bundle.detector());
    Ok(match detector {
        Some((manifest, model)) => bundle.with_detector(manifest.clone(), model.into())?,
        None => bundle,
    })
}

fn together(parts: &[(&PathBuf, Bundle)]) -> Result<Bundle, CombineError> {
    let [(first, main), others @ ..] = parts else {
        return Err(CombineError::Alone);
    };
    if others.is_empty() {
        return Err(CombineError::Alone);
    }
    let mut all = main.clone();
    let mut detector = (first, main.detector());
    for (path, other) in others {
        match (detector.1, other.detector()) {
            (Some(one), Some(another)) if one != another => {
                let (first, other) = (detector.0.to_path_buf(), path.to_path_buf());
                return Err(CombineError::Detectors { first, other });
            }
            (None, Some(_)) => detector = (path, other.detector()),
            _ => {}
        }
        all = all
            .with_alternative(other.clone())
            .map_err(|source| CombineError::Apart {
                first: first.to_path_buf(),
                other: path.to_path_buf(),
                source,
            })?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::enrolled_counts;

    /// Twenty people with six images each, under a network and under one whose numbers differ by
    /// `noise`.
    fn seen(noise: f32) -> (Vec<u32>, [Vec<Embedding>; 2]) {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let (mut people, mut own, mut other) = (vec![], vec![], vec![]);
        for person in 0..20 {
            let center: Vec<f32> = (0..16).map(|_| next()).collect();
            for _ in 0..6 {
                let image: Vec<f32> = center.iter().map(|x| x + 0.8 * next()).collect();
                let twin = image.iter().map(|x| x + noise * next()).collect();
                people.push(person);
                own.push(Embedding::from_raw(image).unwrap());
                other.push(Embedding::from_raw(twin).unwrap());
            }
        }
        (people, [own, other])
    }

    fn across(noise: f32) -> Comparable {
        let (people, [own, other]) = seen(noise);
        let side = |name: &[u8], embeddings| Seen {
            precision: Precision::F32,
            model: Digest::of(name),
            embeddings,
        };
        let (under, other) = (side(b"own", &own), side(b"other", &other));
        let measured = comparables(&[under, other], &people).unwrap();
        assert_eq!(measured.len(), 2);
        assert_eq!(measured[1][0].model, Digest::of(b"own"));
        measured[0][0].clone()
    }

    #[test]
    fn enrolled_under_one_and_looked_at_under_the_other() {
        let found = across(0.3);
        assert_eq!(found.model, Digest::of(b"other"));
        let (_, [own, other]) = seen(0.3);
        let (genuine, impostor) = enrolled_counts(&[6; 20]);
        // From the definition: a person's first three and last three images under the other
        // network, each image of the rest under the own one.
        let (mut same, mut different) = (vec![], vec![]);
        for chunk in 0..40 {
            let images = 3 * chunk..3 * chunk + 3;
            let reference = Embedding::sum(&other[images.clone()]).unwrap();
            for probe in (0..120).filter(|probe| !images.contains(probe)) {
                let score = reference.cosine(&own[probe]).unwrap();
                let list = if probe / 6 == chunk / 2 {
                    &mut same
                } else {
                    &mut different
                };
                list.push(score);
            }
        }
        assert_eq!(
            (same.len() as u64, different.len() as u64),
            (genuine, impostor)
        );
        assert!(!found.operating_points.is_empty());
        for point in &found.operating_points {
            let share = |scores: &[f32]| {
                let from = scores.iter().filter(|s| **s >= point.threshold).count();
                from as f64 / scores.len() as f64
            };
            assert!((point.fnmr - (1.0 - share(&same))).abs() < 1e-9);
            assert!(share(&different) <= point.fmr && share(&different) > 0.5 * point.fmr);
        }
    }

    #[test]
    fn the_further_apart_two_networks_are_the_more_it_costs() {
        let (people, [own, _]) = seen(0.0);
        let own = thresholds(&own, &people).unwrap();
        let loss = |noise: f32| across(noise).fnmr_loss(&own).unwrap();
        assert_eq!(loss(0.0), 0.0);
        assert!(loss(3.0) > loss(0.8) && loss(0.8) > 0.0);
        let (same, near, far) = (across(0.0), across(0.3), across(3.0));
        assert!(same.cosine_p1 > 0.99999 && far.cosine_p1 < near.cosine_p1);
        assert!(near.cosine_p1 < near.cosine_mean && near.cosine_mean < 1.0);
    }
}
