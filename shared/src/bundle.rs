//! The bundle: a network, how to feed it, how well it does, and faces to prove it by. One file.

use crate::align::AlignedFace;
use crate::digest::Digest;
use crate::embedding::{Embedding, MAX_EMBEDDING_LEN};
use crate::envelope::{self, EnvelopeError, Kind};
use crate::preprocess::InputSpec;
use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What templates are comparable under: the network's bytes together with how faces are fed to
/// it, since the same weights behind another normalization are another model.
pub fn model_digest(input: &InputSpec, mirror_sum: bool, model: &[u8]) -> Digest {
    let feeding = postcard::to_allocvec(&(input, mirror_sum)).expect("plain numbers serialize");
    let parts = [feeding.as_slice(), model].map(Digest::of);
    Digest::of(parts.map(|part| part.0).as_flattened())
}

/// How the weights of the network are stored and computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 8-bit weights with a scale for each output channel, computed in 32-bit floats.
    Int8Weights,
}

/// A threshold, and what it was measured to do: the mean of up to three images of a person, as a
/// door enrolls them, against each other image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// A pair matches if its cosine score is at least this.
    pub threshold: f32,
    /// False-match rate that was asked for; the measured one is not above it.
    pub fmr: f64,
    /// False-non-match rate measured at this threshold.
    pub fnmr: f64,
    /// Impostor pairs behind the false-match rate.
    pub impostor_pairs: u64,
    /// Genuine pairs behind the false-non-match rate.
    pub genuine_pairs: u64,
}

/// A crop and the embedding that the network gave for it when the bundle was made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTestFace {
    #[serde(with = "serde_bytes")]
    pixels: Vec<u8>,
    embedding: Embedding,
}

impl SelfTestFace {
    /// Records what `face` gave.
    pub fn new(face: &AlignedFace, embedding: Embedding) -> Self {
        Self {
            pixels: face.pixels().into(),
            embedding,
        }
    }

    /// The crop, if it fits that input.
    pub fn face(&self, input: &InputSpec) -> Option<AlignedFace> {
        AlignedFace::from_pixels(input.template, self.pixels.clone())
    }

    /// What the network must give again.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }
}

/// Where a model comes from, recorded beside its figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The recipe's name.
    pub recipe: String,
    /// The whole recipe, as TOML.
    pub recipe_toml: String,
    /// Seed of the run.
    pub seed: u64,
    /// Digest of the training data, in hexadecimal.
    pub data_digest: String,
    /// Revision of this program, as git names it.
    pub git_revision: String,
}

/// Everything about the network but its bytes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The backbone's name and width, for people.
    pub backbone: String,
    /// How the weights are stored.
    pub precision: Precision,
    /// What the network takes.
    pub input: InputSpec,
    /// Numbers in an embedding.
    pub embedding_len: u32,
    /// Whether a face and its mirror image are embedded and summed.
    pub mirror_sum: bool,
    /// [`model_digest`] of the model.
    pub model_digest: Digest,
    /// Measured thresholds, in any order.
    pub operating_points: Vec<OperatingPoint>,
    /// What `selftest` embeds again.
    pub self_test: Vec<SelfTestFace>,
    /// What made it.
    pub provenance: Provenance,
}

impl fmt::Debug for Manifest {
    /// Leaves out faces and recipe.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Manifest({} {:?}, model {:?})",
            self.backbone, self.precision, self.model_digest
        )
    }
}

/// A network with its manifest, checked against each other.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    manifest: Manifest,
    #[serde(with = "serde_bytes")]
    model: Vec<u8>,
}

impl fmt::Debug for Bundle {
    /// Leaves out the model's bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({:?}, {} bytes)", self.manifest, self.model.len())
    }
}

/// Why a file is no usable bundle.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// Not a bundle's envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The model is not the one that was measured.
    #[error(
        "the model's digest is {found:?}, the manifest says {expected:?}; the bundle was put together from two"
    )]
    WrongModel {
        /// Of the bytes.
        found: Digest,
        /// Of the manifest.
        expected: Digest,
    },
    /// A field of the manifest has no meaning.
    #[error("the manifest's {0} is impossible; the bundle was made by a faulty program")]
    Manifest(&'static str),
}

impl Bundle {
    /// Puts a bundle together.
    ///
    /// # Errors
    /// [`BundleError::WrongModel`] or [`BundleError::Manifest`].
    pub fn new(manifest: Manifest, model: Vec<u8>) -> Result<Self, BundleError> {
        let bundle = Self { manifest, model };
        bundle.check()?;
        Ok(bundle)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`BundleError`], the first check that fails.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let bundle: Self = envelope::decode(Kind::Bundle, bytes)?;
        bundle.check()?;
        Ok(bundle)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] with a model over the limit.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        envelope::encode(Kind::Bundle, self)
    }

    fn check(&self) -> Result<(), BundleError> {
        let manifest = &self.manifest;
        let found = model_digest(&manifest.input, manifest.mirror_sum, &self.model);
        if found != manifest.model_digest {
            return Err(BundleError::WrongModel {
                found,
                expected: manifest.model_digest,
            });
        }
        let len = manifest.embedding_len as usize;
        let fits = |face: &SelfTestFace| {
            face.face(&manifest.input).is_some() && face.embedding.as_slice().len() == len
        };
        let checks = [
            ("embedding length", (1..=MAX_EMBEDDING_LEN).contains(&len)),
            ("normalization", manifest.input.is_usable()),
            (
                "operating point",
                manifest
                    .operating_points
                    .iter()
                    .all(OperatingPoint::is_possible),
            ),
            ("self-test face", manifest.self_test.iter().all(fits)),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some((field, _)) => Err(BundleError::Manifest(field)),
            None => Ok(()),
        }
    }

    /// Everything but the model.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The network, ONNX.
    pub fn model(&self) -> &[u8] {
        &self.model
    }
}

impl OperatingPoint {
    fn is_possible(&self) -> bool {
        let rate = |r: f64| (0.0..=1.0).contains(&r);
        (-1.0..=1.1).contains(&self.threshold)
            && rate(self.fmr)
            && rate(self.fnmr)
            // A rate that less than one false match would exceed was not measured.
            && self.fmr * self.impostor_pairs as f64 >= 1.0 - 1e-9
            && self.genuine_pairs > 0
    }
}

/// No measured threshold is strict enough.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a false-accept rate of {far} over {gallery} people needs a threshold measured at a false-match rate of \
     {needed:.1e} or less; this bundle's strictest is {}: enroll fewer people, allow a higher rate, or measure \
     the model on more impostor pairs", strictest.map_or("none".into(), |s| alloc::format!("{s:.1e}"))
)]
pub struct NoOperatingPoint {
    /// False-accept rate asked for.
    pub far: f64,
    /// People that each probe is compared with.
    pub gallery: usize,
    /// False-match rate that would be needed.
    pub needed: f64,
    /// The lowest there is.
    pub strictest: Option<f64>,
}

impl Manifest {
    /// The most permissive operating point that keeps false accepts at `far` or below when each
    /// probe is compared with `gallery` people (1 in 1:1): by the union bound its false-match
    /// rate must be at most `far / gallery`.
    ///
    /// # Errors
    /// [`NoOperatingPoint`] if none was measured that low: a promise that was not measured is not made.
    pub fn operating_point(
        &self,
        far: f64,
        gallery: usize,
    ) -> Result<OperatingPoint, NoOperatingPoint> {
        let needed = far / gallery.max(1) as f64;
        let points = || self.operating_points.iter();
        let strictest = points().map(|p| p.fmr).min_by(f64::total_cmp);
        let low_enough = points().filter(|p| p.fmr <= needed * (1.0 + 1e-9));
        let best = low_enough.min_by(|a, b| a.threshold.total_cmp(&b.threshold));
        best.copied().ok_or(NoOperatingPoint {
            far,
            gallery,
            needed,
            strictest,
        })
    }
}

#[cfg(test)]
mod tests;
