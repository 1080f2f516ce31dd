//! Several precisions of one network in one bundle.

use super::{Bundle, BundleError, Comparable, Manifest, OperatingPoint, Precision, SelfTestFace};
use crate::digest::Digest;
use crate::embedding::Embedding;
use alloc::vec::Vec;
use core::fmt;
use core::iter;
use serde::{Deserialize, Serialize};

impl Precision {
    /// As it is written in files and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8Weights => "int8-weights",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Another precision of a bundle's network: all that differs.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Alternative {
    pub(super) precision: Precision,
    pub(super) model_digest: Digest,
    pub(super) operating_points: Vec<OperatingPoint>,
    /// Of the manifest's self-test faces, in their order.
    pub(super) embeddings: Vec<Embedding>,
    pub(super) comparable: Vec<Comparable>,
    #[serde(with = "serde_bytes")]
    pub(super) model: Vec<u8>,
}

impl Bundle {
    /// The same with the network of `other` beside its own; the detector and the alternatives of
    /// `other` are not taken.
    ///
    /// # Errors
    /// [`BundleError::OtherNetwork`] unless the two are precisions of one network,
    /// [`BundleError::SamePrecision`] if it has that precision.
    pub fn with_alternative(mut self, other: Self) -> Result<Self, BundleError> {
        if let Some(field) = differs(&self.manifest, &other.manifest) {
            return Err(BundleError::OtherNetwork(field));
        }
        let Manifest {
            precision,
            model_digest,
            operating_points,
            self_test,
            comparable,
            ..
        } = other.manifest;
        let embeddings = self_test.into_iter().map(|face| face.embedding).collect();
        self.alternatives.push(Alternative {
            precision,
            model_digest,
            operating_points,
            embeddings,
            comparable,
            model: other.model,
        });
        self.check()?;
        Ok(self)
    }

    /// The precisions that it holds, the one that its maker prefers first.
    pub fn precisions(&self) -> impl Iterator<Item = Precision> {
        let others = self.alternatives.iter().map(|other| other.precision);
        iter::once(self.manifest.precision).chain(others)
    }

    /// The bundle of one of its precisions alone, as a door has it. It still knows which of the
    /// others' templates it may be compared with. `None` if it does not hold that precision.
    pub fn select(&self, precision: Precision) -> Option<Self> {
        if precision == self.manifest.precision {
            let (manifest, model) = (self.manifest.clone(), self.model.clone());
            return Some(self.alone(manifest, model));
        }
        let mut others = self.alternatives.iter();
        let other = others.find(|other| other.precision == precision)?;
        Some(self.alone(other.manifest(&self.manifest), other.model.clone()))
    }

    fn alone(&self, manifest: Manifest, model: Vec<u8>) -> Self {
        Self {
            manifest,
            model,
            detector: self.detector.clone(),
            alternatives: Vec::new(),
        }
    }

    /// What is wrong with the alternatives, each as if it were alone.
    pub(super) fn check_alternatives(&self) -> Result<(), BundleError> {
        let mut seen = Vec::new();
        for precision in self.precisions() {
            if seen.contains(&precision) {
                return Err(BundleError::SamePrecision(precision));
            }
            seen.push(precision);
        }
        for other in &self.alternatives {
            if other.embeddings.len() != self.manifest.self_test.len() {
                return Err(BundleError::Manifest("self-test of another precision"));
            }
            let manifest = other.manifest(&self.manifest);
            super::check_network(&manifest, &other.model)?;
        }
        Ok(())
    }
}

impl Alternative {
    fn manifest(&self, main: &Manifest) -> Manifest {
        let faces = main.self_test.iter().zip(&self.embeddings);
        Manifest {
            precision: self.precision,
            model_digest: self.model_digest,
            operating_points: self.operating_points.clone(),
            self_test: faces
                .map(|(face, embedding)| SelfTestFace {
                    pixels: face.pixels.clone(),
                    embedding: embedding.clone(),
                })
                .collect(),
            comparable: self.comparable.clone(),
            ..main.clone()
        }
    }
}

/// In what two networks differ that is not their precision.
fn differs(a: &Manifest, b: &Manifest) -> Option<&'static str> {
    let pixels =
        |m: &Manifest| -> Vec<Vec<u8>> { m.self_test.iter().map(|f| f.pixels.clone()).collect() };
    // A precision may be made later, by another revision of the program.
    let origin = |m: &Manifest| {
        let p = m.provenance.clone();
        (p.recipe, p.recipe_toml, p.seed, p.data_digest)
    };
    let checks = [
        ("backbone", a.backbone == b.backbone),
        ("input", a.input == b.input),
        ("embedding length", a.embedding_len == b.embedding_len),
        ("mirror_sum", a.mirror_sum == b.mirror_sum),
        ("provenance", origin(a) == origin(b)),
        ("self-test faces", pixels(a) == pixels(b)),
    ];
    let differing = checks.iter().find(|(_, same)| !same);
    differing.map(|(field, _)| *field)
}
