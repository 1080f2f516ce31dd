//! The numbers that each layer gives for some faces.

use super::histogram::Histogram;
use super::{Affine, Kind, Layout, Method, QuantizeError};
use crate::backbone::Module;
use crate::dataset::loader::Batch;
use crate::train;
use shared::align::AlignedFace;
use shared::digest::Digest;
use shared::preprocess::InputSpec;
use std::collections::{BTreeMap, BTreeSet};
use tch::Tensor;

/// Different faces that calibration needs; a few hundred are better.
pub const LEAST_FACES: usize = 32;
/// Faces that the network sees at once: all values of all nodes are held.
pub(super) const BATCH: usize = 16;

/// What each node's value ranged over.
pub struct Calibration {
    /// By node; of those that become bytes.
    histograms: BTreeMap<usize, Histogram>,
    /// What the input may range over, whatever was seen.
    input: Affine,
    names: Vec<String>,
}

/// Runs the faces through a module without norms, twice: for the ends, then for what lies between.
///
/// # Errors
/// [`QuantizeError::TooFewFaces`], [`QuantizeError::SameFace`]; [`QuantizeError::NotFinite`] and
/// [`QuantizeError::Constant`], which name the layer.
pub fn calibrate(
    module: &Module,
    input: &InputSpec,
    layout: &Layout,
    faces: &[AlignedFace],
) -> Result<Calibration, QuantizeError> {
    check(faces)?;
    let _guard = tch::no_grad_guard();
    let names: Vec<String> = module
        .graph()
        .nodes
        .iter()
        .map(|n| n.name.clone())
        .collect();
    let mut ends: BTreeMap<usize, [f32; 2]> = BTreeMap::new();
    for (first, values) in batches(module, input, faces) {
        for (i, value) in values.iter().enumerate() {
            let seen = ends_of(value);
            if !seen.iter().all(|x| x.is_finite()) {
                return Err(not_finite(&names[i], value, first));
            }
            let end = ends.entry(i).or_insert(seen);
            *end = [end[0].min(seen[0]), end[1].max(seen[1])];
        }
    }
    let bytes = |(i, kind): (usize, &Kind)| matches!(kind, Kind::Bytes { .. }).then_some(i);
    let nodes = layout.kinds.iter().enumerate().filter_map(bytes);
    let mut histograms = BTreeMap::new();
    for i in nodes {
        let [least, most] = ends[&i];
        if least == most {
            let (layer, value) = (names[i].clone(), least);
            return Err(QuantizeError::Constant { layer, value });
        }
        histograms.insert(i, Histogram::new(least, most));
    }
    for (_, values) in batches(module, input, faces) {
        for (i, histogram) in &mut histograms {
            histogram.add(&crate::checkpoint::floats(&values[*i]));
        }
    }
    let input = input_range(input);
    Ok(Calibration {
        histograms,
        input,
        names,
    })
}

impl Calibration {
    /// What the bytes of a node should stand for.
    ///
    /// # Errors
    /// [`QuantizeError::Constant`] if the numbers are too small for a scale.
    pub(super) fn affine(
        &self,
        node: usize,
        method: Method,
        symmetric: bool,
    ) -> Result<Affine, QuantizeError> {
        if node == 0 && !symmetric {
            return Ok(self.input);
        }
        let affine = self.histograms[&node].affine(method, symmetric);
        affine.ok_or_else(|| QuantizeError::Constant {
            layer: self.names[node].clone(),
            value: 0.0,
        })
    }
}

fn check(faces: &[AlignedFace]) -> Result<(), QuantizeError> {
    let different: BTreeSet<[u8; 32]> = faces.iter().map(|f| Digest::of(f.pixels()).0).collect();
    match different.len() {
        1 if faces.len() > 1 => Err(QuantizeError::SameFace(faces.len())),
        found if found < LEAST_FACES => Err(QuantizeError::TooFewFaces {
            found,
            least: LEAST_FACES,
        }),
        _ => Ok(()),
    }
}

/// Index of the first face of each batch, and the values of all nodes.
fn batches<'a>(
    module: &'a Module,
    input: &'a InputSpec,
    faces: &'a [AlignedFace],
) -> impl Iterator<Item = (usize, Vec<Tensor>)> + 'a {
    faces.chunks(BATCH).enumerate().map(move |(i, faces)| {
        let images = images(faces, input, module);
        (i * BATCH, module.values(&images, false))
    })
}

/// Faces as a module takes them, on its device.
pub(super) fn images(faces: &[AlignedFace], input: &InputSpec, module: &Module) -> Tensor {
    let batch = Batch {
        pixels: faces.iter().flat_map(|f| f.pixels().to_vec()).collect(),
        labels: vec![0; faces.len()],
        images: vec![0; faces.len()],
    };
    let device = module.tensors().values().next().map(Tensor::device);
    train::images(&batch, input, device.unwrap_or(tch::Device::Cpu))
}

fn not_finite(layer: &str, value: &Tensor, first: usize) -> QuantizeError {
    let of_face = value.numel() / value.size()[0] as usize;
    let numbers = crate::checkpoint::floats(value);
    let at = numbers.iter().position(|x| !x.is_finite());
    let at = at.expect("the ends were not finite");
    QuantizeError::NotFinite {
        layer: layer.into(),
        value: numbers[at],
        face: first + at / of_face,
    }
}

/// Pixels are whole numbers of 0 to 255, so that planes which are prepared alike lose nothing.
fn input_range(input: &InputSpec) -> Affine {
    let plane = |pixel: f32, i: usize| f64::from((pixel - input.mean[i]) / input.std[i]);
    let least = (0..3).map(|i| plane(0.0, i)).fold(f64::INFINITY, f64::min);
    let most = (0..3)
        .map(|i| plane(255.0, i))
        .fold(f64::NEG_INFINITY, f64::max);
    Affine::covering(least, most).expect("the input is usable")
}

/// The least and the most number; no numbers if any is none.
fn ends_of(value: &Tensor) -> [f32; 2] {
    [value.min(), value.max()].map(|end| end.double_value(&[]) as f32)
}
