//! Unit-length embeddings and their cosine.

use crate::digest::Digest;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest embedding that is accepted from a file.
pub const MAX_EMBEDDING_LEN: usize = 4096;

/// A sum of unit vectors that is shorter has no direction.
const MIN_SUM_NORM: f32 = 1e-3;

/// Unit-length face embedding; comparable only within one model (see [`Template`]).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>")]
pub struct Embedding(Vec<f32>);

/// The network's output has no direction: its norm is zero, subnormal or not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the embedding has no direction (norm zero or not finite, or length out of range): the network is dead or the file is damaged"
)]
pub struct DegenerateEmbedding;

impl Embedding {
    /// Scales a raw network output to unit length.
    ///
    /// # Errors
    /// [`DegenerateEmbedding`] if the norm is zero, subnormal or not finite: a dead network must
    /// match nobody. Likewise if there are no numbers, or more than [`MAX_EMBEDDING_LEN`].
    pub fn from_raw(mut raw: Vec<f32>) -> Result<Self, DegenerateEmbedding> {
        // In f64 no sum of squares of finite f32 overflows.
        let square: f64 = raw.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        let norm = libm::sqrt(square);
        let usable = norm.is_finite() && norm >= f64::from(f32::MIN_POSITIVE);
        if !usable || raw.len() > MAX_EMBEDDING_LEN {
            return Err(DegenerateEmbedding);
        }
        raw.iter_mut()
            .for_each(|x| *x = (f64::from(*x) / norm) as f32);
        Ok(Self(raw))
    }

    /// The unit vector along the sum of several.
    ///
    /// # Errors
    /// [`DegenerateEmbedding`] if there are none, they differ in length, or they cancel.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Result<Self, DegenerateEmbedding> {
        let mut parts = parts.into_iter();
        let mut sum = parts.next().ok_or(DegenerateEmbedding)?.0.clone();
        for part in parts {
            if part.0.len() != sum.len() {
                return Err(DegenerateEmbedding);
            }
            sum.iter_mut().zip(&part.0).for_each(|(s, x)| *s += x);
        }
        // What is left of vectors that cancel is rounding, not a direction.
        let usable = dot(&sum, &sum) > MIN_SUM_NORM * MIN_SUM_NORM;
        usable
            .then_some(sum)
            .ok_or(DegenerateEmbedding)
            .and_then(Self::from_raw)
    }

    /// The unit vector.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine of the angle between the two, in -1 to 1; `None` if their lengths differ.
    pub fn cosine(&self, other: &Self) -> Option<f32> {
        (self.0.len() == other.0.len()).then(|| dot(&self.0, &other.0))
    }
}

/// Inner product of two slices of one length, in eight partial sums that a compiler vectorizes;
/// the order of the additions is fixed, so every machine rounds alike.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a8.zip(b8) {
        (0..8).for_each(|lane| lanes[lane] += x[lane] * y[lane]);
    }
    lanes.iter().sum::<f32>() + rest
}

impl TryFrom<Vec<f32>> for Embedding {
    type Error = DegenerateEmbedding;

    /// Reads one back: it must have unit length already (to 1e-3).
    fn try_from(raw: Vec<f32>) -> Result<Self, DegenerateEmbedding> {
        let square = dot(&raw, &raw);
        let unit = (0.998..1.002).contains(&square) && raw.len() <= MAX_EMBEDDING_LEN;
        unit.then_some(Self(raw)).ok_or(DegenerateEmbedding)
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({} numbers withheld)", self.0.len())
    }
}

/// An embedding and the digest of the model that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Of the model file.
    pub model: Digest,
    /// What it made of a face.
    pub embedding: Embedding,
}

/// Two templates, or a template and a gallery, come from different models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a template of model {found:?} cannot be compared under model {expected:?}; enroll again with the model in use"
)]
pub struct ForeignModel {
    /// Of the template.
    pub found: Digest,
    /// Of the gallery or the other template.
    pub expected: Digest,
}

impl Template {
    /// Cosine score, in -1 to 1.
    ///
    /// # Errors
    /// [`ForeignModel`] unless both come from one model (which fixes the length, too).
    pub fn score(&self, other: &Self) -> Result<f32, ForeignModel> {
        let foreign = ForeignModel {
            found: other.model,
            expected: self.model,
        };
        let score = self.embedding.cosine(&other.embedding);
        score.filter(|_| self.model == other.model).ok_or(foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn raw_output_becomes_a_unit_vector() {
        for raw in [vec![3.0, 4.0], vec![3e38, 3e38, 3e38], vec![1e-30, 1e-30]] {
            let embedding = Embedding::from_raw(raw).unwrap();
            assert!((dot(embedding.as_slice(), embedding.as_slice()) - 1.0).abs() < 1e-5);
        }
        assert_eq!(
            Embedding::from_raw(vec![3.0, 4.0]).unwrap().as_slice(),
            [0.6, 0.8]
        );
    }

    #[test]
    fn a_dead_network_matches_nobody() {
        for raw in [
            vec![],
            vec![0.0; 8],
            vec![1e-40; 8],
            vec![f32::NAN, 1.0],
            vec![f32::INFINITY],
        ] {
            assert_eq!(Embedding::from_raw(raw), Err(DegenerateEmbedding));
        }
        let (a, b) = ([1.0, 0.0], [-1.0, 0.0]).map_embeddings();
        assert_eq!(Embedding::sum([&a, &b]), Err(DegenerateEmbedding));
        let nearly = Embedding::from_raw(vec![-1.0, 1e-5]).unwrap();
        assert_eq!(Embedding::sum([&a, &nearly]), Err(DegenerateEmbedding));
        assert_eq!(Embedding::sum([]), Err(DegenerateEmbedding));
    }

    trait MapEmbeddings {
        fn map_embeddings(self) -> (Embedding, Embedding);
    }

    impl MapEmbeddings for ([f32; 2], [f32; 2]) {
        fn map_embeddings(self) -> (Embedding, Embedding) {
            (
                Embedding::from_raw(self.0.into()).unwrap(),
                Embedding::from_raw(self.1.into()).unwrap(),
            )
        }
    }

    #[test]
    fn cosine_is_the_cosine() {
        for (a, b, cosine) in [
            ([1.0, 0.0], [1.0, 0.0], 1.0),
            ([1.0, 0.0], [0.0, 5.0], 0.0),
            ([1.0, 0.0], [-2.0, 0.0], -1.0),
            ([1.0, 1.0], [1.0, 0.0], core::f32::consts::FRAC_1_SQRT_2),
        ] {
            let (a, b) = (a, b).map_embeddings();
            assert!((a.cosine(&b).unwrap() - cosine).abs() < 1e-6);
        }
        let long = Embedding::from_raw(vec![1.0; 3]).unwrap();
        assert_eq!(
            long.cosine(&([1.0, 0.0], [1.0, 0.0]).map_embeddings().0),
            None
        );
    }

    #[test]
    fn templates_of_two_models_have_no_score() {
        let (a, b) = ([1.0, 0.0], [1.0, 0.0]).map_embeddings();
        let ours = Template {
            model: Digest::of(b"a"),
            embedding: a,
        };
        let theirs = Template {
            model: Digest::of(b"b"),
            embedding: b,
        };
        assert!(ours.score(&ours.clone()).is_ok());
        let error = ours.score(&theirs).unwrap_err();
        assert_eq!((error.found, error.expected), (theirs.model, ours.model));
    }

    #[test]
    fn a_stored_vector_must_have_unit_length() {
        assert!(Embedding::try_from(vec![0.6, 0.8]).is_ok());
        for raw in [vec![0.6, 0.9], vec![], vec![f32::NAN]] {
            assert_eq!(Embedding::try_from(raw), Err(DegenerateEmbedding));
        }
    }

    #[test]
    fn debug_shows_no_number() {
        let (a, _) = ([0.6, 0.8], [1.0, 0.0]).map_embeddings();
        assert_eq!(format!("{a:?}"), "Embedding(2 numbers withheld)");
    }
}
