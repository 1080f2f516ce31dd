//! Int8 weights to floats, once, when the network is loaded.
//!
//! Tract folds no constant above 4 MiB, so larger weights would be dequantized again for every
//! face, at two to three times the cost of the whole network.

use super::NetworkError;
use shared::envelope::Kind;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataType};

/// ONNX's number for f32.
pub(crate) const FLOAT: i32 = DataType::Float as i32;

/// The most numbers that a network's weights unpack to: as many as the largest bundle has bytes.
/// Many nodes may share one tensor, so the bundle's length alone bounds nothing.
pub(crate) const MAX_UNPACKED: usize = Kind::Bundle.max_len();

/// Replaces every `DequantizeLinear` of int8 weights (with an f32 scale for the whole tensor or
/// for each index of one axis, and perhaps a zero point) by the f32 weights, in place.
///
/// # Errors
/// [`NetworkError::Weights`] if scale or zero point do not fit the weights, or if they are too
/// many.
pub(crate) fn unpack(graph: &mut GraphProto) -> Result<(), NetworkError> {
    let weights: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let mut packed = Vec::new();
    let mut replaced = HashSet::new();
    for (index, node) in graph.node.iter().enumerate() {
        if let Some(found) = Packed::find(node, &weights) {
            packed.push(found);
            replaced.insert(index);
        }
    }
    // The sum before the first is unpacked: what is refused takes no memory.
    let mut room = MAX_UNPACKED;
    for packed in &packed {
        room = packed.left_of(room).map_err(|e| packed.fault(e))?;
    }
    let unpacked = packed.iter().map(|p| p.unpack().map_err(|e| p.fault(e)));
    let unpacked = unpacked.collect::<Result<Vec<_>, _>>()?;
    let mut index = 0..;
    graph.node.retain(|_| {
        let index = index.next().expect("the range has no end");
        !replaced.contains(&index)
    });
    graph.initializer.extend(unpacked);
    drop_unused(graph);
    Ok(())
}

fn drop_unused(graph: &mut GraphProto) {
    let inputs = graph.node.iter().flat_map(|node| &node.input);
    let outputs = graph.output.iter().map(|output| &output.name);
    let used: HashSet<String> = inputs.chain(outputs).cloned().collect();
    // What has an inner graph may use a weight from there, out of our sight.
    let nested = |node: &NodeProto| node.attribute.iter().any(|a| a.g.is_some());
    if graph.node.iter().any(nested) {
        return;
    }
    let mut dropped = HashSet::new();
    graph.initializer.retain(|tensor| {
        let keep = used.contains(&tensor.name);
        if !keep {
            dropped.insert(tensor.name.clone());
        }
        keep
    });
    graph.input.retain(|input| !dropped.contains(&input.name));
}

/// A `DequantizeLinear` node with its initializers.
struct Packed<'a> {
    node: &'a NodeProto,
    weights: &'a TensorProto,
    scale: &'a TensorProto,
    zero_point: Option<&'a TensorProto>,
}

impl<'a> Packed<'a> {
    /// `None` for what tract itself must deal with: another operator, or other types.
    fn find(node: &'a NodeProto, weights: &HashMap<&str, &'a TensorProto>) -> Option<Self> {
        if node.op_type != "DequantizeLinear" || node.output.len() != 1 {
            return None;
        }
        let input = |i: usize| node.input.get(i).filter(|name| !name.is_empty());
        let tensor = |i: usize| weights.get(input(i)?.as_str()).copied();
        let int8 = |t: &&TensorProto| t.data_type == DataType::Int8 as i32;
        let packed = Self {
            node,
            weights: tensor(0).filter(int8)?,
            scale: tensor(1).filter(|t| t.data_type == FLOAT)?,
            zero_point: tensor(2).filter(int8),
        };
        let known_zero_point = packed.zero_point.is_some() || input(2).is_none();
        let blocked = packed.attribute("block_size").is_some_and(|size| size != 0);
        (known_zero_point && !blocked).then_some(packed)
    }

    fn attribute(&self, name: &str) -> Option<i64> {
        let found = self.node.attribute.iter().find(|a| a.name == name);
        found.map(|a| a.i)
    }

    fn fault(&self, reason: String) -> NetworkError {
        let node = self.node.name.clone();
        NetworkError::Weights { node, reason }
    }

    /// What is left of the room for that many numbers.
    fn left_of(&self, room: usize) -> Result<usize, String> {
        let left = room.checked_sub(product(&self.weights.dims)?);
        left.ok_or_else(|| {
            format!("with those before they unpack to more than {MAX_UNPACKED} numbers")
        })
    }

    fn unpack(&self) -> Result<TensorProto, String> {
        let weights = int8_values(self.weights)?;
        let scale = f32_values(self.scale)?;
        let zero_point = self.zero_point.map(int8_values).transpose()?;
        let zero_point = zero_point.unwrap_or_else(|| vec![0; scale.len()]);
        let stride = self.stride(scale.len())?;
        if zero_point.len() != scale.len() {
            let (zeros, scales) = (zero_point.len(), scale.len());
            return Err(format!("{zeros} zero points for {scales} scales"));
        }
        let value = |(i, weight): (usize, &i8)| {
            let channel = i / stride % scale.len();
            let steps = i32::from(*weight) - i32::from(zero_point[channel]);
            steps as f32 * scale[channel]
        };
        let values = weights.iter().enumerate().map(value);
        Ok(TensorProto {
            name: self.node.output[0].clone(),
            dims: self.weights.dims.clone(),
            data_type: FLOAT,
            float_data: values.collect(),
            ..TensorProto::default()
        })
    }

    /// How many weights in a row share a scale.
    fn stride(&self, scales: usize) -> Result<usize, String> {
        let dims = &self.weights.dims;
        let axis = self.attribute("axis").unwrap_or(1);
        let axis = if axis < 0 {
            axis + dims.len() as i64
        } else {
            axis
        };
        if scales == 1 {
            // One for the whole tensor.
            return Ok(usize::MAX);
        }
        let on_axis = usize::try_from(axis).ok().and_then(|a| dims.get(a));
        if on_axis.is_none_or(|dim| *dim != scales as i64) {
            return Err(format!(
                "{scales} scales on axis {axis} of a tensor {dims:?}"
            ));
        }
        Ok(product(&dims[axis as usize + 1..])?.max(1))
    }
}

/// The number of values that a shape, or its last dimensions, promise.
fn product(dims: &[i64]) -> Result<usize, String> {
    let dim = |d: &i64| usize::try_from(*d).ok();
    let product = dims
        .iter()
        .try_fold(1_usize, |len, d| len.checked_mul(dim(d)?));
    product.ok_or_else(|| format!("a tensor of shape {dims:?}"))
}

fn checked<T>(tensor: &TensorProto, values: Vec<T>) -> Result<Vec<T>, String> {
    let (found, expected) = (values.len(), product(&tensor.dims)?);
    (found == expected).then_some(values).ok_or_else(|| {
        let name = &tensor.name;
        format!("{name:?} has {found} values, its shape says {expected}")
    })
}

fn int8_values(tensor: &TensorProto) -> Result<Vec<i8>, String> {
    let raw = tensor.raw_data.iter().map(|byte| *byte as i8);
    let wide = tensor.int32_data.iter().map(|value| *value as i8);
    checked(
        tensor,
        if tensor.raw_data.is_empty() {
            wide.collect()
        } else {
            raw.collect()
        },
    )
}

/// The numbers of an f32 tensor, as many as its shape says.
pub(super) fn f32_values(tensor: &TensorProto) -> Result<Vec<f32>, String> {
    if tensor.raw_data.is_empty() {
        return checked(tensor, tensor.float_data.clone());
    }
    let (values, rest) = tensor.raw_data.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("{:?} is cut off", tensor.name));
    }
    let values = values.iter().copied().map(f32::from_le_bytes);
    checked(tensor, values.collect())
}

#[cfg(test)]
mod tests;
