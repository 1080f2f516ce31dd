//! From a trained network to a scheme: which layers need a scale for each channel is measured.

use super::calibrate::{BATCH, images};
use super::scheme::weighted;
use super::{Calibration, Kind, Layout, Method, QuantizeError, Scheme};
use crate::backbone::Module;
use crate::backbone::graph::Graph;
use crate::export::Weights;
use serde::Serialize;
use shared::align::AlignedFace;
use shared::preprocess::InputSpec;
use tch::{Device, Kind as Numbers, Tensor};

/// Faces that a layer's share of the error is measured on.
const FACES: usize = 32;
/// A layer whose weights, rounded alone and with one scale, take more than this from the mean
/// cosine gets a scale for each channel, which tract does not fuse, if that halves the loss.
const MOST_LOST: f64 = 2e-3;

/// Embeddings of two forms of one network for the same faces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Mean cosine.
    pub mean: f64,
    /// One in a hundred is below.
    pub first_percentile: f64,
}

impl Agreement {
    /// Of cosines.
    ///
    /// # Panics
    /// Without any.
    pub fn of(mut cosines: Vec<f64>) -> Self {
        cosines.sort_by(f64::total_cmp);
        Self {
            mean: cosines.iter().sum::<f64>() / cosines.len() as f64,
            first_percentile: cosines[cosines.len() / 100],
        }
    }
}

/// A scheme by each method for a graph without norms; `faces` are those it was calibrated with.
///
/// # Errors
/// [`QuantizeError`], which names the node.
pub fn fit(
    (graph, weights): (&Graph, &Weights),
    input: &InputSpec,
    layout: &Layout,
    calibration: &Calibration,
    faces: &[AlignedFace],
) -> Result<[(Method, Scheme); 2], QuantizeError> {
    let scheme =
        |method, needy: &[usize]| Scheme::new(graph, weights, layout, calibration, method, needy);
    let [first, second] = Method::ALL;
    // Weights that are no numbers are found before they are computed with.
    scheme(first, &[])?;
    let needy = needy((graph, weights), input, layout, faces);
    Ok([
        (first, scheme(first, &needy)?),
        (second, scheme(second, &needy)?),
    ])
}

/// Layers that get a scale for each channel, by measurement; no matter how activations are rounded.
fn needy(
    (graph, weights): (&Graph, &Weights),
    input: &InputSpec,
    layout: &Layout,
    faces: &[AlignedFace],
) -> Vec<usize> {
    let faces = &faces[..faces.len().min(FACES)];
    let module = || Module::with_weights(graph.clone(), weights, Device::Cpu);
    let float = embeddings(&module(), input, faces);
    let candidates = weighted(graph).filter(|(i, _)| layout.kinds[*i] != Kind::Float);
    let lost = |i: usize, each_channel: bool| {
        let scheme = Scheme::of_one_layer(graph, weights, i, each_channel);
        let rounded = module().quantized(scheme);
        1.0 - agreement(&float, &embeddings(&rounded, input, faces)).mean
    };
    let is_needy = |i: &usize| is_needy(lost(*i, false), || lost(*i, true));
    candidates.map(|(i, _)| i).filter(is_needy).collect()
}

/// Whether so much lost with one scale is worth one for each channel, with which so much is lost.
pub(super) fn is_needy(with_one: f64, with_each: impl FnOnce() -> f64) -> bool {
    with_one > MOST_LOST && with_each() < with_one / 2.0
}

/// Raw embeddings of faces, `[N, D]`, on the CPU.
pub(super) fn embeddings(module: &Module, input: &InputSpec, faces: &[AlignedFace]) -> Tensor {
    let _guard = tch::no_grad_guard();
    let rows = faces.chunks(BATCH).map(|faces| {
        let rows = module.forward(&images(faces, input, module), false);
        rows.to_device(Device::Cpu).flatten(1, -1)
    });
    Tensor::cat(&rows.collect::<Vec<_>>(), 0)
}

/// How near the embeddings of two modules are.
pub(super) fn agreement(a: &Tensor, b: &Tensor) -> Agreement {
    let [a, b] = [a, b].map(|rows| rows.to_kind(Numbers::Double));
    let cosines = Tensor::cosine_similarity(&a, &b, 1, 1e-12);
    Agreement::of(Vec::try_from(cosines).expect("a row of numbers"))
}
