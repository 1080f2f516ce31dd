//! The bundle: a network, how to feed it, how well it does, and faces to prove it by; and the
//! detector that finds the faces, if there is one. One file.

mod comparable;
mod operating_point;
mod precisions;

pub use comparable::{Comparable, HIGHEST_FNMR_LOSS};
pub use operating_point::{NoOperatingPoint, OperatingPoint};

use crate::align::AlignedFace;
use crate::detector::DetectorManifest;
use crate::digest::Digest;
use crate::embedding::{Embedding, MAX_EMBEDDING_LEN};
use crate::envelope::{self, EnvelopeError, Kind};
use crate::preprocess::InputSpec;
use alloc::{string::String, vec::Vec};
use core::fmt;
use precisions::Alternative;
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
    /// 8-bit weights and activations, computed in integers.
    Int8,
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
    /// What the training's log comes to, in a sentence; empty for a network trained elsewhere.
    pub training_log: String,
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
    /// How it does with templates of other precisions, where that was measured.
    pub comparable: Vec<Comparable>,
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

/// A network with its manifest, checked against each other; and perhaps other precisions of it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    manifest: Manifest,
    #[serde(with = "serde_bytes")]
    model: Vec<u8>,
    detector: Option<Detector>,
    alternatives: Vec<Alternative>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Detector {
    manifest: DetectorManifest,
    #[serde(with = "serde_bytes")]
    model: Vec<u8>,
}

impl fmt::Debug for Bundle {
    /// Leaves out the model's bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Bundle({:?}, {} bytes, {} alternatives)",
            self.manifest,
            self.model.len(),
            self.alternatives.len()
        )
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
    /// Two bundles that are not of one network.
    #[error(
        "the two differ in {0}, so they are not precisions of one network; take bundles of one training, or of one import"
    )]
    OtherNetwork(&'static str),
    /// A precision twice.
    #[error("the precision {0} is there twice; a bundle holds each once")]
    SamePrecision(Precision),
}

impl Bundle {
    /// Puts a bundle together.
    ///
    /// # Errors
    /// [`BundleError::WrongModel`] or [`BundleError::Manifest`].
    pub fn new(manifest: Manifest, model: Vec<u8>) -> Result<Self, BundleError> {
        let bundle = Self {
            manifest,
            model,
            detector: None,
            alternatives: Vec::new(),
        };
        bundle.check()?;
        Ok(bundle)
    }

    /// The same with that detector in the place of the one it has, if any.
    ///
    /// # Errors
    /// [`BundleError::WrongModel`] or [`BundleError::Manifest`].
    pub fn with_detector(
        mut self,
        manifest: DetectorManifest,
        model: Vec<u8>,
    ) -> Result<Self, BundleError> {
        self.detector = Some(Detector { manifest, model });
        self.check()?;
        Ok(self)
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
        check_network(&self.manifest, &self.model)?;
        self.check_alternatives()?;
        self.detector.as_ref().map_or(Ok(()), Detector::check)
    }

    /// Everything but the model.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The network, ONNX.
    pub fn model(&self) -> &[u8] {
        &self.model
    }

    /// The detector and its network, ONNX, if there is one.
    pub fn detector(&self) -> Option<(&DetectorManifest, &[u8])> {
        let detector = self.detector.as_ref()?;
        Some((&detector.manifest, &detector.model))
    }
}

fn check_network(manifest: &Manifest, model: &[u8]) -> Result<(), BundleError> {
    let found = model_digest(&manifest.input, manifest.mirror_sum, model);
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
        ("comparison with another model", is_comparable(manifest)),
    ];
    match checks.iter().find(|(_, good)| !good) {
        Some((field, _)) => Err(BundleError::Manifest(field)),
        None => Ok(()),
    }
}

/// More than the precisions that there are, for networks of earlier trainings.
const MAX_COMPARABLE: usize = 64;

/// Whether each model that it says something of is another, and is there once.
fn is_comparable(manifest: &Manifest) -> bool {
    let others = &manifest.comparable;
    // Before each is compared with each.
    others.len() <= MAX_COMPARABLE
        && others.iter().enumerate().all(|(i, other)| {
            let before = others[..i].iter().map(|earlier| earlier.model);
            let mut taken = before.chain([manifest.model_digest]);
            other.is_possible() && taken.all(|model| model != other.model)
        })
}

impl Detector {
    fn check(&self) -> Result<(), BundleError> {
        let (found, expected) = (Digest::of(&self.model), self.manifest.digest);
        if found != expected {
            return Err(BundleError::WrongModel { found, expected });
        }
        let fault = self.manifest.fault();
        fault.map_or(Ok(()), |field| Err(BundleError::Manifest(field)))
    }
}

#[cfg(test)]
mod tests;
