//! A teacher's ONNX network computed by libtorch, on the device that trains: it is asked about
//! every crop as it was changed, too often for the door's runtime.

use super::DistillError;
use crate::import::numbers;
use crate::native;
use prost::Message;
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType};

/// A network whose operators libtorch computes one by one.
pub(super) struct Looking {
    nodes: Vec<NodeProto>,
    weights: HashMap<String, Tensor>,
    input: String,
    output: String,
}

impl Looking {
    /// - `model`: an ONNX file that tract has run
    ///
    /// # Errors
    /// [`DistillError::Operator`] for the first operator that is not computed here.
    pub(super) fn new(model: &[u8], device: Device) -> Result<Self, DistillError> {
        let unknown = |node: &str, what: &str| DistillError::Operator {
            node: node.into(),
            what: what.into(),
        };
        let model = ModelProto::decode(model).ok().and_then(|m| m.graph);
        let graph = model.ok_or_else(|| unknown("", "a file without a graph"))?;
        let mut weights = HashMap::new();
        let mut keep = |name: &str, tensor| {
            let read = read(tensor).ok_or_else(|| unknown(name, "numbers of another kind"))?;
            // Sizes and bounds are asked for by the host; a number alone goes with any device.
            let device = match tensor.dims.is_empty() || read.kind() == Kind::Int64 {
                true => Device::Cpu,
                false => device,
            };
            weights.insert(name.to_owned(), read.to_device(device));
            Ok::<_, DistillError>(())
        };
        for tensor in &graph.initializer {
            keep(&tensor.name, tensor)?;
        }
        let mut nodes = Vec::new();
        for node in &graph.node {
            let constant = attribute(node, "value").and_then(|a| a.t.as_ref());
            match (node.op_type.as_str(), constant) {
                ("Constant", Some(tensor)) => keep(&node.output[0], tensor)?,
                (kind, _) if !OPERATORS.contains(&kind) => return Err(unknown(&node.name, kind)),
                _ => nodes.push(node.clone()),
            }
        }
        let given = |name: &String| !weights.contains_key(name);
        let input = graph.input.into_iter().map(|i| i.name).find(given);
        let output = graph.output.into_iter().next().map(|o| o.name);
        let (Some(input), Some(output)) = (input, output) else {
            return Err(unknown("", "a graph without input and output"));
        };
        Ok(Self {
            nodes,
            weights,
            input,
            output,
        })
    }

    /// Raw embeddings, `[B, D]` f32, of what the network takes, `[B, 3, H, W]` f32.
    ///
    /// # Errors
    /// [`DistillError::Operator`] for the first node with attributes that are not computed here.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor, DistillError> {
        let _no_grad = tch::no_grad_guard();
        let mut values = HashMap::from([(self.input.as_str(), images.shallow_clone())]);
        for node in &self.nodes {
            let input = |i: usize| {
                let name = node.input.get(i)?.as_str();
                let found = values.get(name).or_else(|| self.weights.get(name));
                found.map(Tensor::shallow_clone)
            };
            let value = compute(node, &input).ok_or_else(|| DistillError::Operator {
                node: node.name.clone(),
                what: format!("{} with these attributes", node.op_type),
            })?;
            values.insert(node.output[0].as_str(), value);
        }
        let output = values.remove(self.output.as_str());
        let output = output.ok_or_else(|| DistillError::Operator {
            node: self.output.clone(),
            what: "an output that nothing computes".into(),
        })?;
        Ok(output.flatten(1, -1).to_kind(Kind::Float))
    }
}

const OPERATORS: [&str; 14] = [
    "Add",
    "BatchNormalization",
    "Clip",
    "Conv",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Identity",
    "LeakyRelu",
    "Max",
    "Mul",
    "PRelu",
    "Relu",
    "Reshape",
];

/// `None` where the attributes are of a kind that is not computed here.
fn compute(node: &NodeProto, input: &impl Fn(usize) -> Option<Tensor>) -> Option<Tensor> {
    let x = input(0)?;
    let batch = x.size()[0];
    let float = |name, otherwise| attribute(node, name).map_or(otherwise, |a| f64::from(a.f));
    let int = |name, otherwise| attribute(node, name).map_or(otherwise, |a| a.i);
    Some(match node.op_type.as_str() {
        "Conv" => convolution(node, &x, &input(1)?, input(2))?,
        "Add" => x + input(1)?,
        "Mul" => x * input(1)?,
        "Max" => x.maximum(&input(1)?),
        "Relu" => x.relu(),
        "LeakyRelu" => {
            let slope = float("alpha", 0.01);
            x.relu() - slope * (-x).relu()
        }
        // One slope a channel, or one for all; written `[C, 1, 1]`.
        "PRelu" => x.prelu(&input(1)?.flatten(0, -1).to_kind(x.kind())),
        "Clip" => {
            let end = |i| input(i).map(|t: Tensor| t.double_value(&[]));
            let low = end(1).unwrap_or(f64::NEG_INFINITY);
            x.clamp(low, end(2).unwrap_or(f64::INFINITY))
        }
        "BatchNormalization" => {
            let (mean, variance) = (Some(input(3)?), Some(input(4)?));
            let epsilon = float("epsilon", 1e-5);
            x.batch_norm(
                input(1),
                input(2),
                mean,
                variance,
                false,
                0.0,
                epsilon,
                true,
            )
        }
        "GlobalAveragePool" => x.mean_dim([2, 3].as_slice(), true, x.kind()),
        "Identity" => x,
        // A network of embeddings leaves the rows apart; the file's sizes are those of one image.
        "Flatten" if int("axis", 1) == 1 => x.contiguous().view([batch, -1]),
        "Reshape" => {
            let sizes = Vec::<i64>::try_from(input(1)?.to_kind(Kind::Int64)).ok()?;
            let rest = sizes.get(1..).filter(|rest| !rest.contains(&0))?;
            x.contiguous().reshape([&[batch], rest].concat())
        }
        "Gemm"
            if int("transA", 0) == 0 && [float("alpha", 1.0), float("beta", 1.0)] == [1.0; 2] =>
        {
            let weight = input(1)?;
            let weight = match int("transB", 0) {
                0 => weight.transpose(0, 1),
                _ => weight,
            };
            x.linear(&weight, input(2))
        }
        _ => return None,
    })
}

fn convolution(
    node: &NodeProto,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<Tensor>,
) -> Option<Tensor> {
    let ints = |name, otherwise: [i64; 2]| {
        attribute(node, name).map_or(otherwise.to_vec(), |a| a.ints.clone())
    };
    let pads = attribute(node, "pads").map_or(vec![0; 4], |a| a.ints.clone());
    let [top, left, bottom, right] = pads[..] else {
        return None;
    };
    let automatic = attribute(node, "auto_pad").is_some_and(|a| a.s != b"NOTSET");
    if automatic || (top, left) != (bottom, right) {
        return None;
    }
    let (strides, dilations) = (ints("strides", [1, 1]), ints("dilations", [1, 1]));
    let groups = attribute(node, "group").map_or(1, |a| a.i);
    Some(x.conv2d(weight, bias, strides, [top, left], dilations, groups))
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

/// Numbers in the file, floats or 64-bit integers.
fn read(tensor: &TensorProto) -> Option<Tensor> {
    let read = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float => Tensor::from_slice(&numbers(tensor)),
        DataType::Int64 if tensor.raw_data.is_empty() => Tensor::from_slice(&tensor.int64_data),
        DataType::Int64 => {
            let (numbers, _) = tensor.raw_data.as_chunks::<8>();
            let numbers: Vec<i64> = numbers.iter().map(|n| i64::from_le_bytes(*n)).collect();
            Tensor::from_slice(&numbers)
        }
        _ => return None,
    };
    let len = tensor.dims.iter().product::<i64>();
    let read = (read.numel() as i64 == len).then(|| read.view(tensor.dims.as_slice()))?;
    Some(match tensor.dims.len() {
        4 => native::channels_last(&read),
        _ => read,
    })
}

#[cfg(test)]
mod tests;
