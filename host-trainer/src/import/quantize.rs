//! Eight-bit weights for a network that was trained elsewhere.

use crate::quantize::per_channel;
use prost::Message;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{
    AttributeProto, ModelProto, NodeProto, TensorProto,
    attribute_proto::AttributeType,
    tensor_proto::{DataLocation, DataType},
};

/// DequantizeLinear along an axis came with this one.
const OPSET: i64 = 13;
/// Fewer weights are not worth a scale; biases stay floats.
const FEWEST: usize = 256;

/// Why a network's weights are not quantized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// No protobuf of ONNX, or no network in it.
    #[error("it is not ONNX: {0}")]
    NotOnnx(String),
    /// Weights in a file of their own.
    #[error(
        "the numbers of {tensor:?} lie in another file; save the network with its weights inside (onnx.save with save_as_external_data=False)"
    )]
    External {
        /// The initializer.
        tensor: String,
    },
    /// Made for operators of before.
    #[error(
        "node {node:?}: 8-bit weights need opset {OPSET} or later, the network has {found}; convert it (onnx.version_converter), or import it with --precision f32"
    )]
    Opset {
        /// The first node with weights.
        node: String,
        /// What the file says.
        found: String,
    },
    /// A weight that no byte and scale can stand for.
    #[error(
        "node {node:?}: weight {index} of {tensor:?} is {value}; no 8-bit weight can stand for it, the training went wrong"
    )]
    Weight {
        /// Whose weights.
        node: String,
        /// The initializer.
        tensor: String,
        /// Counted from 0.
        index: usize,
        /// Infinite, or not a number.
        value: f32,
    },
    /// Sizes and numbers that do not agree.
    #[error(
        "node {node:?}: {tensor:?} has {found} numbers, its shape {shape:?} says otherwise; export it again"
    )]
    Shape {
        /// Whose weights.
        node: String,
        /// The initializer.
        tensor: String,
        /// How many there are.
        found: usize,
        /// What it says.
        shape: Vec<i64>,
    },
    /// Nothing to quantize.
    #[error(
        "it has no convolution, Gemm or MatMul with float weights of {FEWEST} numbers or more: import it with --precision f32"
    )]
    NoWeights,
}

/// The same network with the weights of its convolutions and linear layers as symmetric signed
/// bytes, a scale for each output channel; activations and biases stay floats.
///
/// # Errors
/// [`QuantizeError`], which names the node.
pub fn quantize(model: &[u8]) -> Result<Vec<u8>, QuantizeError> {
    let mut model =
        ModelProto::decode(model).map_err(|error| QuantizeError::NotOnnx(error.to_string()))?;
    let opset = opset(&model);
    let graph = model.graph.as_mut();
    let graph = graph.ok_or_else(|| QuantizeError::NotOnnx("it holds no graph".into()))?;
    constants_to_initializers(&mut graph.node, &mut graph.initializer);
    if let Some(tensor) = graph.initializer.iter().find(|t| is_external(t)) {
        let tensor = tensor.name.clone();
        return Err(QuantizeError::External { tensor });
    }
    let floats = |t: &&TensorProto| t.data_type == DataType::Float as i32;
    let tensors: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .filter(floats)
        .map(|t| (t.name.as_str(), t))
        .collect();
    let (mut nodes, mut made) = (Vec::new(), Vec::new());
    let mut done: HashMap<(String, usize), String> = HashMap::new();
    for mut node in std::mem::take(&mut graph.node) {
        let weights = channel_axis(&node)
            .and_then(|axis| Some((axis, tensors.get(node.input.get(1)?.as_str())?)));
        let Some((axis, tensor)) = weights.filter(|(_, t)| is_large(t)) else {
            nodes.push(node);
            continue;
        };
        if opset.is_none_or(|found| found < OPSET) {
            let found = opset.map_or("none".into(), |n| n.to_string());
            return Err(QuantizeError::Opset {
                node: name(&node),
                found,
            });
        }
        // Several layers may share their weights.
        let key = (tensor.name.clone(), axis);
        if !done.contains_key(&key) {
            let floats = format!("{}/int8.{axis}", tensor.name);
            let [bytes, scale, zero] = packed(&node, tensor, axis, &floats)?;
            nodes.push(dequantize([&bytes, &scale, &zero], &floats, axis));
            made.extend([bytes, scale, zero]);
            done.insert(key.clone(), floats);
        }
        node.input[1] = done[&key].clone();
        nodes.push(node);
    }
    if done.is_empty() {
        return Err(QuantizeError::NoWeights);
    }
    graph.node = nodes;
    let outputs = graph.output.iter().map(|o| o.name.as_str());
    let used: HashSet<&str> = graph
        .node
        .iter()
        .flat_map(|n| &n.input)
        .map(String::as_str)
        .chain(outputs)
        .collect();
    let unused = |t: &TensorProto| !used.contains(t.name.as_str());
    let gone: HashSet<String> = graph
        .initializer
        .iter()
        .filter(|t| unused(t))
        .map(|t| t.name.clone())
        .collect();
    graph.initializer.retain(|t| !gone.contains(&t.name));
    graph.input.retain(|i| !gone.contains(&i.name));
    graph.initializer.extend(made);
    Ok(model.encode_to_vec())
}

/// Of ONNX's own operators.
fn opset(model: &ModelProto) -> Option<i64> {
    let own = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let found = model.opset_import.iter().find(|o| own(&o.domain));
    found.map(|o| o.version)
}

fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External as i32)
}

/// Floats that a Constant node holds are weights as good as others.
fn constants_to_initializers(nodes: &mut Vec<NodeProto>, initializers: &mut Vec<TensorProto>) {
    nodes.retain_mut(|node| {
        let [output] = node.output.as_slice() else {
            return true;
        };
        let value = node.attribute.iter_mut().find(|a| a.name == "value");
        let tensor = value.and_then(|a| a.t.as_mut());
        let floats =
            tensor.filter(|t| node.op_type == "Constant" && t.data_type == DataType::Float as i32);
        let Some(tensor) = floats.filter(|t| is_large(t)) else {
            return true;
        };
        tensor.name = output.clone();
        initializers.push(std::mem::take(tensor));
        false
    });
}

fn is_large(tensor: &TensorProto) -> bool {
    let len = |dims: &[i64]| dims.iter().try_fold(1, |len: i64, n| len.checked_mul(*n));
    // What overflows is refused where it is read.
    tensor.dims.len() > 1 && len(&tensor.dims).is_none_or(|len| len >= FEWEST as i64)
}

/// Which dimension of its weights counts a node's output channels.
fn channel_axis(node: &NodeProto) -> Option<usize> {
    let transposed = || {
        node.attribute
            .iter()
            .any(|a| a.name == "transB" && a.i != 0)
    };
    match node.op_type.as_str() {
        "Conv" => Some(0),
        "Gemm" => Some(usize::from(!transposed())),
        "MatMul" => Some(1),
        _ => None,
    }
}

fn name(node: &NodeProto) -> String {
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => output.clone(),
        (name, _) => name.into(),
    }
}

/// Bytes, scales and zero points.
fn packed(
    node: &NodeProto,
    tensor: &TensorProto,
    axis: usize,
    floats: &str,
) -> Result<[TensorProto; 3], QuantizeError> {
    let values = numbers(tensor);
    let dims = &tensor.dims;
    let size = |dim: &i64| usize::try_from(*dim).ok().filter(|n| *n > 0);
    let sizes: Option<Vec<usize>> = dims.iter().map(size).collect();
    let fits = sizes.filter(|sizes| {
        let len = sizes.iter().try_fold(1_usize, |len, n| len.checked_mul(*n));
        len == Some(values.len()) && axis < sizes.len()
    });
    let sizes = fits.ok_or_else(|| QuantizeError::Shape {
        node: name(node),
        tensor: tensor.name.clone(),
        found: values.len(),
        shape: dims.clone(),
    })?;
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(QuantizeError::Weight {
            node: name(node),
            tensor: tensor.name.clone(),
            index,
            value: values[index],
        });
    }
    let (channels, inner) = (sizes[axis], sizes[axis + 1..].iter().product::<usize>());
    let channel_of = |i: usize| i / inner % channels;
    // Channel by channel for the quantizer, and back.
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|i| channel_of(*i));
    let sorted: Vec<f32> = order.iter().map(|i| values[*i]).collect();
    let quantized = per_channel(&sorted, channels);
    let mut bytes = vec![0; values.len()];
    for (i, byte) in order.into_iter().zip(&quantized.bytes) {
        bytes[i] = *byte as u8;
    }
    let scales = quantized.scales.iter().flat_map(|s| s.to_le_bytes());
    let part = |suffix: &str, kind: DataType, dims: &[i64], raw_data| TensorProto {
        dims: dims.into(),
        data_type: kind as i32,
        name: format!("{floats}.{suffix}"),
        raw_data,
        ..TensorProto::default()
    };
    let each = [channels as i64];
    Ok([
        part("bytes", DataType::Int8, dims, bytes),
        part("scale", DataType::Float, &each, scales.collect()),
        part("zero", DataType::Int8, &each, vec![0; channels]),
    ])
}

/// The numbers of a tensor of floats.
pub(crate) fn numbers(tensor: &TensorProto) -> Vec<f32> {
    if tensor.raw_data.is_empty() {
        return tensor.float_data.clone();
    }
    let (numbers, _) = tensor.raw_data.as_chunks::<4>();
    numbers.iter().map(|n| f32::from_le_bytes(*n)).collect()
}

fn dequantize(inputs: [&TensorProto; 3], output: &str, axis: usize) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|t| t.name.clone()).collect(),
        output: vec![output.into()],
        name: format!("{output}.dequantize"),
        op_type: "DequantizeLinear".into(),
        attribute: vec![AttributeProto {
            name: "axis".into(),
            r#type: AttributeType::Int as i32,
            i: axis as i64,
            ..AttributeProto::default()
        }],
        ..NodeProto::default()
    }
}

#[cfg(test)]
mod tests;
