//! With what scales a network computes in integers, and the same rounding in tensors.

use super::{Affine, Calibration, Kind, Layout, Method, QuantizeError, bytes, largest, steps};
use crate::backbone::graph::{Graph, Node, Op};
use crate::export::Weights;
use std::collections::BTreeMap;
use tch::{Kind as Numbers, Tensor};

/// What a step of a layer's sums may be in steps of its output. Below, the multiplier's shift is
/// longer than the sum; above, one step of the sum jumps over most of the output's bytes.
const REQUANTIZATION: [f64; 2] = [1.0 / (1_u64 << 30) as f64, 64.0];
/// Ends of a layer's weights that are tried, each two hundredths shorter than the one before.
const WEIGHT_ENDS: usize = 25;

/// What becomes of a node's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// It goes through bytes.
    Bytes(Affine),
    /// The bytes of its input.
    Reshaped,
    /// Not rounded, as [`Kind::Inner`].
    Inner,
    /// Floats, as [`Kind::Float`].
    Float,
}

/// The weights of a convolution or linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// One for all weights, or one for each output channel.
    pub scales: Vec<f32>,
}

impl Layer {
    /// - `least`: of the scale of each output channel. It is that of weights that are all 0, and
    ///   where each channel has a scale of its own, none is below.
    fn new(weights: &[f32], each_channel: bool, least: &[f32]) -> Self {
        let count = if each_channel { least.len() } else { 1 };
        let rows = weights.chunks_exact(weights.len() / count);
        let scale = |(row, least): (&[f32], &[f32])| {
            let least = least.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
            match weight_scale(row) {
                None => least,
                Some(scale) if each_channel => scale.max(least),
                Some(scale) => scale,
            }
        };
        let rows = rows.zip(least.chunks_exact(least.len() / count));
        Self {
            scales: rows.map(scale).collect(),
        }
    }
}

/// Of a graph without norms.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// As many as the graph has nodes.
    pub values: Vec<Value>,
    /// By the index of the node.
    pub layers: BTreeMap<usize, Layer>,
}

/// Weights as integers compute with them.
pub(crate) struct IntegerLayer {
    /// Of the weights, in their order.
    pub(crate) bytes: Vec<i8>,
    /// One or one for each channel.
    pub(crate) scales: Vec<f32>,
    /// One for each channel, in steps of the sums.
    pub(crate) bias: Vec<i32>,
}

impl Scheme {
    /// One scale for the weights of each layer, but one for each channel of those whose sums leave
    /// the network and of the nodes `per_channel`.
    ///
    /// # Errors
    /// [`QuantizeError`], which names the node.
    pub fn new(
        graph: &Graph,
        weights: &Weights,
        layout: &Layout,
        calibration: &Calibration,
        method: Method,
        per_channel: &[usize],
    ) -> Result<Self, QuantizeError> {
        let mut values = Vec::with_capacity(graph.nodes.len());
        for (i, kind) in layout.kinds.iter().enumerate() {
            values.push(match *kind {
                Kind::Bytes { symmetric } => {
                    Value::Bytes(calibration.affine(i, method, symmetric)?)
                }
                Kind::Reshaped => Value::Reshaped,
                Kind::Inner => Value::Inner,
                Kind::Float => Value::Float,
            });
        }
        let layers = BTreeMap::new();
        let mut scheme = Self { values, layers };
        for (i, node) in weighted(graph) {
            let own = finite(node, weights)?;
            // A scale for each channel costs nothing where sums become floats.
            let each = layout.kinds[i] == Kind::Float || per_channel.contains(&i);
            let least = scheme.least_scales(graph, weights, i);
            scheme.layers.insert(i, Layer::new(own, each, &least));
        }
        scheme.check(graph, weights)?;
        Ok(scheme)
    }

    /// Nothing rounded but the weights of one node, with one scale or one for each channel.
    pub(super) fn of_one_layer(graph: &Graph, weights: &Weights, node: usize, each: bool) -> Self {
        let own = |suffix| &weights[&format!("{}.{suffix}", graph.nodes[node].name)];
        let least = vec![f32::MIN_POSITIVE; own("bias").len()];
        let layer = Layer::new(own("weight"), each, &least);
        Self {
            values: vec![Value::Inner; graph.nodes.len()],
            layers: BTreeMap::from([(node, layer)]),
        }
    }

    /// The least scale of each output channel's weights. Below, the channel's bias or a step of its
    /// output would be more steps of the sums than integers compute with, though what the weights
    /// add is lost beside them: such a channel is dead, or all but.
    fn least_scales(&self, graph: &Graph, weights: &Weights, node: usize) -> Vec<f32> {
        let own = &graph.nodes[node];
        let input = self.affine(graph, own.inputs[0]);
        let input = f64::from(input.expect("layers take bytes").scale);
        let output = self.requantized(graph, node);
        let output = output.map_or(0.0, |output| f64::from(output.scale));
        let least = |bias: &f32| {
            let step = f64::from(bias.abs()).max(output) * REQUANTIZATION[0];
            // Twice as much, so that no rounding falls below, and a bias leaves room for the sums.
            (2.0 * step.max(f64::from(f32::MIN_POSITIVE)) / input) as f32
        };
        weights[&format!("{}.bias", own.name)]
            .iter()
            .map(least)
            .collect()
    }

    /// Names of the layers that have a scale for each channel though their sums become bytes.
    pub(super) fn needy(&self, graph: &Graph) -> Vec<String> {
        let needy = |(i, layer): (&usize, &Layer)| {
            let each = layer.scales.len() > 1 && self.values[*i] != Value::Float;
            each.then(|| graph.nodes[*i].name.clone())
        };
        self.layers.iter().filter_map(needy).collect()
    }

    /// What the bytes stand for that a node's value is held in.
    pub(crate) fn affine(&self, graph: &Graph, node: usize) -> Option<Affine> {
        match self.values[node] {
            Value::Bytes(affine) => Some(affine),
            Value::Reshaped => self.affine(graph, graph.nodes[node].inputs[0]),
            Value::Inner | Value::Float => None,
        }
    }

    /// The bytes that a layer's sums are rounded to, if they are: its own, or those of the Relu
    /// that is computed with it.
    pub(crate) fn requantized(&self, graph: &Graph, node: usize) -> Option<Affine> {
        match self.values[node] {
            Value::Inner => {
                let user = graph.nodes.iter().position(|n| n.inputs.contains(&node));
                self.affine(graph, user.expect("an activation takes it"))
            }
            _ => self.affine(graph, node),
        }
    }

    /// A convolution or linear layer in integers.
    ///
    /// # Errors
    /// [`QuantizeError::Weight`], [`QuantizeError::Overflow`].
    pub(crate) fn layer(
        &self,
        graph: &Graph,
        weights: &Weights,
        node: usize,
    ) -> Result<IntegerLayer, QuantizeError> {
        let (own, input) = (&graph.nodes[node], graph.nodes[node].inputs[0]);
        let input = self.affine(graph, input).expect("layers take bytes");
        let scales = self.layers[&node].scales.clone();
        let bytes = bytes(finite(own, weights)?, &scales);
        let biases = &weights[&format!("{}.bias", own.name)];
        let row = bytes.len() / biases.len();
        let mut bias = Vec::with_capacity(biases.len());
        for (channel, value) in biases.iter().enumerate() {
            let step = f64::from(input.scale) * f64::from(scales[channel % scales.len()]);
            let steps = (f64::from(*value) / step).round();
            let own_bytes = &bytes[channel * row..(channel + 1) * row];
            let most = own_bytes.iter().map(|b| f64::from(b.unsigned_abs()));
            let sum = steps.abs() + input.most_steps() * most.sum::<f64>();
            if sum.is_nan() || sum >= f64::from(i32::MAX) {
                let node = own.name.clone();
                return Err(QuantizeError::Overflow { node, channel, sum });
            }
            bias.push(steps as i32);
        }
        Ok(IntegerLayer {
            bytes,
            scales,
            bias,
        })
    }

    fn check(&self, graph: &Graph, weights: &Weights) -> Result<(), QuantizeError> {
        let [least, most] = REQUANTIZATION;
        for (i, node) in weighted(graph) {
            self.layer(graph, weights, i)?;
            let input = self.affine(graph, node.inputs[0]);
            let input = f64::from(input.expect("layers take bytes").scale);
            let Some(output) = self.requantized(graph, i) else {
                continue;
            };
            for scale in &self.layers[&i].scales {
                let found = input * f64::from(*scale) / f64::from(output.scale);
                if !(least..=most).contains(&found) {
                    return Err(QuantizeError::Requantization {
                        node: node.name.clone(),
                        found,
                        least,
                        most,
                    });
                }
            }
        }
        Ok(())
    }

    /// The value of a node as its bytes hold it.
    pub(crate) fn round_value(&self, node: usize, value: Tensor) -> Tensor {
        match self.values[node] {
            Value::Bytes(Affine { scale, zero_point }) => value.fake_quantize_per_tensor_affine(
                f64::from(scale),
                i64::from(zero_point),
                -128,
                127,
            ),
            Value::Reshaped | Value::Inner | Value::Float => value,
        }
    }

    /// The weight of a node as its bytes hold it.
    pub(crate) fn round_weight(&self, node: usize, weight: &Tensor) -> Tensor {
        match self.layers.get(&node).map(|layer| layer.scales.as_slice()) {
            None => weight.shallow_clone(),
            Some([scale]) => {
                weight.fake_quantize_per_tensor_affine(f64::from(*scale), 0, -127, 127)
            }
            Some(scales) => {
                let scale = Tensor::from_slice(scales).to_device(weight.device());
                let zeros = Tensor::zeros([scales.len() as i64], (Numbers::Int, weight.device()));
                weight.fake_quantize_per_channel_affine(&scale, &zeros, 0, -127, 127)
            }
        }
    }
}

/// Convolutions and linear layers.
pub(super) fn weighted(graph: &Graph) -> impl Iterator<Item = (usize, &Node)> {
    let has_weights = |node: &Node| matches!(node.op, Op::Conv { .. } | Op::Linear { .. });
    let nodes = graph.nodes.iter().enumerate();
    nodes.filter(move |(_, node)| has_weights(node))
}

fn finite<'a>(node: &Node, weights: &'a Weights) -> Result<&'a [f32], QuantizeError> {
    let own = &weights[&format!("{}.weight", node.name)];
    match own.iter().position(|w| !w.is_finite()) {
        None => Ok(own),
        Some(index) => Err(QuantizeError::Weight {
            node: node.name.clone(),
            index,
            value: own[index],
        }),
    }
}

/// Where the squared error of rounding and cutting off is least; `None` as [`largest`].
fn weight_scale(weights: &[f32]) -> Option<f32> {
    let most = largest(weights)?;
    let error = |scale: f32| -> f64 {
        let inverse = 1.0 / scale;
        let of = |w: &f32| f64::from(w - steps(*w, inverse) * scale).powi(2);
        weights.iter().map(of).sum()
    };
    let tried = (0..WEIGHT_ENDS).map(|i| most / 127.0 * (1.0 - i as f32 / 50.0));
    let errors = tried.map(|scale| (error(scale), scale));
    let least = errors.min_by(|a, b| a.0.total_cmp(&b.0));
    Some(least.expect("some are tried").1)
}
