//! Precisions of one network, put together: all thresholds, and what it costs to compare across
//! them, measured on the same people.

use crate::evaluate::enrolled_pairs_across;
use crate::measure::{HeldOut, MeasureError, embed, thresholds};
use crate::operating_point::operating_points;
use edge_runtime::bundle::{SelfTestError, self_test};
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
    /// A network that is not what it was.
    #[error("{}: {source}", path.display())]
    SelfTest {
        /// The bundle.
        path: PathBuf,
        /// How it failed.
        source: SelfTestError,
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
    for (path, part) in &parts {
        let network = Network::load(part).map_err(MeasureError::from)?;
        self_test(&network, part.manifest()).map_err(|source| CombineError::SelfTest {
            path: path.to_path_buf(),
            source,
        })?;
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
mod tests;
