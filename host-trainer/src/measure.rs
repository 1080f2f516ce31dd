//! After the training: quantize, export, measure in the door's runtime, make the bundles.

mod figures;

pub use figures::reported;

use crate::backbone::graph::Graph;
use crate::combine::{Seen, comparable};
use crate::config::Recipe;
use crate::dataset::packed::{PackError, PackedSet};
use crate::dataset::synthetic_face;
use crate::evaluate::verification::Sorted;
use crate::evaluate::{ENROLLED_PAIRS, all_pairs, embed_all, enrolled_pairs};
use crate::export;
use crate::operating_point::{IMPOSTOR_PAIRS_NEEDED, operating_points};
use crate::progress::bar;
use crate::report::Evaluation;
use edge_runtime::atomic_file::{self, WriteError};
use edge_runtime::bundle::BundleFileError;
use edge_runtime::network::{Network, NetworkError};
use shared::align::AlignedFace;
use shared::bundle::{
    Bundle, BundleError, Manifest, OperatingPoint, Precision, Provenance, SelfTestFace,
};
use shared::embedding::Embedding;
use std::collections::HashSet;
use std::path::Path;

/// Faces recorded in a bundle for its self-test.
const SELF_TEST_FACES: u64 = 4;

/// Why a trained network became no bundle.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The door's runtime refused the network.
    #[error("the exported network does not run on the door: {0}")]
    Network(#[from] NetworkError),
    /// Reading a held-out face.
    #[error(transparent)]
    Data(#[from] PackError),
    /// The parts do not fit together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Writing the model.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Writing the bundle.
    #[error(transparent)]
    BundleFile(#[from] BundleFileError),
    /// Nothing to measure on.
    #[error(
        "the held-out people have no pair of images of one person: add images, or raise [data] held_out"
    )]
    NoPairs,
    /// Thresholds would mean nothing.
    #[error(
        "the held-out people have {0} impostor pairs ({ENROLLED_PAIRS}), at least {IMPOSTOR_PAIRS_NEEDED} are needed to measure a threshold: add images, or raise [data] held_out"
    )]
    NoThreshold(usize),
}

/// The faces to measure on, none of a person that was trained on.
pub struct HeldOut<'a> {
    set: &'a PackedSet,
    images: Vec<usize>,
}

impl<'a> HeldOut<'a> {
    /// All images of those people.
    pub fn new(set: &'a PackedSet, people: &HashSet<u32>) -> Self {
        let images = (0..set.len())
            .filter(|i| people.contains(&set.person(*i)))
            .collect();
        Self { set, images }
    }

    /// All images of everybody, for a network that was trained elsewhere.
    pub fn all(set: &'a PackedSet) -> Self {
        let images = (0..set.len()).collect();
        Self { set, images }
    }

    pub(crate) fn face(&self, i: usize) -> Result<AlignedFace, PackError> {
        self.set.face(self.images[i])
    }

    pub(crate) fn people(&self) -> Vec<u32> {
        self.images.iter().map(|i| self.set.person(*i)).collect()
    }
}

/// One precision of a network, measured.
pub(crate) struct Measured {
    pub(crate) manifest: Manifest,
    model: Vec<u8>,
    pub(crate) embeddings: Vec<Embedding>,
    pub(crate) scores: Sorted,
}

/// What all precisions of a run's network have in common.
pub(crate) struct Measuring<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) held_out: &'a HeldOut<'a>,
    pub(crate) provenance: &'a Provenance,
}

impl Measuring<'_> {
    /// Runs a model over the held-out people.
    pub(crate) fn measure(
        &self,
        graph: &Graph,
        model: Vec<u8>,
        precision: Precision,
    ) -> Result<Measured, MeasureError> {
        let input = self.recipe.input_spec(graph);
        let mirror_sum = self.recipe.training.mirror_sum;
        let len = graph.embedding_len() as usize;
        let network = Network::from_onnx(&model, &input, len, mirror_sum)?;
        let (embeddings, scores, points) = measure(&network, self.held_out)?;
        let manifest = Manifest {
            backbone: graph.name.clone(),
            precision,
            input,
            embedding_len: len as u32,
            mirror_sum,
            model_digest: network.model(),
            operating_points: points,
            self_test: self_test(&network)?,
            provenance: self.provenance.clone(),
            comparable: Vec::new(),
        };
        Ok(Measured {
            manifest,
            model,
            embeddings,
            scores,
        })
    }
}

/// Writes `model.onnx` and `model.bundle` (8-bit weights), `model-f32.onnx` and
/// `model-f32.bundle` into `out`, and `model-all.bundle` of both: larger than the first by the
/// floats, and so a file of its own, from which a deployment takes one precision.
///
/// # Errors
/// [`MeasureError`].
pub fn finish(
    recipe: &Recipe,
    weights: &export::Weights,
    held_out: &HeldOut<'_>,
    provenance: &Provenance,
    out: &Path,
) -> Result<Evaluation, MeasureError> {
    let measuring = Measuring {
        recipe,
        held_out,
        provenance,
    };
    let graph = recipe.backbone.graph().expect("checked with the recipe");
    let make = |precision| {
        let model = export::onnx(&graph, weights, precision);
        measuring.measure(&graph, model, precision)
    };
    let (mut quantized, mut float) = (make(Precision::Int8Weights)?, make(Precision::F32)?);
    let people = held_out.people();
    let [for_quantized, for_float] = [(&float, &quantized), (&quantized, &float)]
        .map(|(other, under)| comparable(&other.seen(), &under.seen(), &people));
    quantized.manifest.comparable = vec![for_quantized?];
    float.manifest.comparable = vec![for_float?];
    let bundle = quantized.write(out, "model")?;
    let all = bundle.with_alternative(float.write(out, "model-f32")?)?;
    edge_runtime::bundle::write(&out.join("model-all.bundle"), &all)?;
    figures::evaluation(recipe, held_out, &quantized, &float)
}

impl Measured {
    /// Between its embeddings and another's, of the same images.
    pub(crate) fn cosines(&self, other: &Self) -> Vec<f64> {
        let pairs = self.embeddings.iter().zip(&other.embeddings);
        let cosines = pairs.filter_map(|(a, b)| a.cosine(b));
        cosines.map(f64::from).collect()
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            precision: self.manifest.precision,
            model: self.manifest.model_digest,
            embeddings: &self.embeddings,
        }
    }

    /// Writes `stem.onnx` and `stem.bundle`.
    pub(crate) fn write(&self, out: &Path, stem: &str) -> Result<Bundle, MeasureError> {
        let onnx = out.join(format!("{stem}.onnx"));
        atomic_file::write(&onnx, &self.model, None)?;
        let bundle = Bundle::new(self.manifest.clone(), self.model.clone())?;
        edge_runtime::bundle::write(&out.join(format!("{stem}.bundle")), &bundle)?;
        Ok(bundle)
    }
}

type Figures = (Vec<Embedding>, Sorted, Vec<OperatingPoint>);

fn measure(network: &Network, held_out: &HeldOut<'_>) -> Result<Figures, MeasureError> {
    let embeddings = embed(network, held_out)?;
    let scores = all_pairs(&embeddings, &held_out.people())
        .sorted()
        .ok_or(MeasureError::NoPairs)?;
    // The figures are of single images, as the field reports them; the thresholds are of what the
    // door compares.
    let points = thresholds(&embeddings, &held_out.people())?;
    Ok((embeddings, scores, points))
}

pub(crate) fn embed(
    network: &Network,
    held_out: &HeldOut<'_>,
) -> Result<Vec<Embedding>, MeasureError> {
    let len = held_out.images.len();
    let progress = bar(len as u64, "measuring");
    let face = |i: usize| held_out.face(i).map_err(MeasureError::from);
    let embeddings = embed_all(network, len, &progress, face)?;
    progress.finish_and_clear();
    Ok(embeddings)
}

/// Thresholds of what the door compares.
pub(crate) fn door_thresholds(
    network: &Network,
    held_out: &HeldOut<'_>,
) -> Result<Vec<OperatingPoint>, MeasureError> {
    thresholds(&embed(network, held_out)?, &held_out.people())
}

/// At least one, since no door starts without.
pub(crate) fn thresholds(
    embeddings: &[Embedding],
    people: &[u32],
) -> Result<Vec<OperatingPoint>, MeasureError> {
    let scores = enrolled_pairs(embeddings, people).sorted();
    let scores = scores.ok_or(MeasureError::NoPairs)?;
    let points = operating_points(&scores);
    match points.is_empty() {
        true => Err(MeasureError::NoThreshold(scores.impostor().len())),
        false => Ok(points),
    }
}

/// Drawn faces, since a bundle lies on every door and real ones are nobody's business there.
pub(crate) fn self_test(network: &Network) -> Result<Vec<SelfTestFace>, NetworkError> {
    let template = network.input().template;
    (0..SELF_TEST_FACES)
        .map(|person| {
            let face = synthetic_face(0, person, 0, template);
            let embedding = network.embed(&face)?.embedding;
            Ok(SelfTestFace::new(&face, embedding))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_too_few_for_a_threshold_are_refused() {
        let check = |images: u32| {
            let people: Vec<u32> = (0..2 * images).map(|i| i / images).collect();
            let unit = |i: u32| Embedding::from_raw(vec![i as f32, 1.0]).unwrap();
            let embeddings: Vec<_> = (0..2 * images).map(unit).collect();
            thresholds(&embeddings, &people)
        };
        assert!(matches!(check(1), Err(MeasureError::NoPairs)));
        assert!(matches!(check(10), Err(MeasureError::NoThreshold(80))));
        assert_eq!(check(13).unwrap().len(), 1);
    }
}
