//! Finds a convolution in an ONNX graph, with what follows it.

use super::geometry::Geometry;
use super::op::{DirectConv, MOST};
use crate::network::weights::{self, FLOAT};
use std::collections::HashMap;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// Numbers of a tensor that does not change.
pub(super) struct Constant {
    pub(super) dims: Vec<i64>,
    pub(super) values: Vec<f32>,
}

/// A convolution and what is computed with it in one go.
pub(super) struct Match {
    pub(super) op: DirectConv,
    pub(super) pixels: String,
    pub(super) weights: String,
    pub(super) bias: Option<String>,
    /// For each channel.
    pub(super) slopes: Option<Vec<f32>>,
    pub(super) residual: Option<String>,
    /// Nodes that are replaced; the new one takes the place of the last.
    pub(super) nodes: Vec<usize>,
    pub(super) output: String,
}

/// A graph, and where its values are made and used.
pub(super) struct Reader<'a> {
    graph: &'a GraphProto,
    constants: HashMap<&'a str, &'a TensorProto>,
    users: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(graph: &'a GraphProto) -> Self {
        let initializers = graph.initializer.iter().map(|t| (t.name.as_str(), t));
        let nodes = graph.node.iter().filter(|n| n.op_type == "Constant");
        let made = nodes.filter_map(|n| {
            let value = n.attribute.iter().find(|a| a.name == "value")?;
            Some((n.output.first()?.as_str(), value.t.as_ref()?))
        });
        let constants = initializers.chain(made).collect();
        let mut users: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, node) in graph.node.iter().enumerate() {
            for input in &node.input {
                users.entry(input).or_default().push(i);
            }
        }
        // Used by nobody here, so that it is not fused away.
        for output in &graph.output {
            users.entry(&output.name).or_default().push(usize::MAX);
        }
        Self {
            graph,
            constants,
            users,
        }
    }

    /// Read each time, so that a large one is not held twice.
    pub(super) fn constant(&self, name: &str) -> Option<Constant> {
        let tensor = self.constants.get(name).filter(|t| t.data_type == FLOAT)?;
        Some(Constant {
            dims: tensor.dims.clone(),
            values: weights::f32_values(tensor).ok()?,
        })
    }

    /// The convolution that node is, if it is one that is understood. `taken` tells of nodes that
    /// belong to another.
    pub(super) fn find(&self, node: usize, taken: &[bool]) -> Option<Match> {
        let mut found = self.conv(node)?;
        self.activation(&mut found);
        self.residual(&mut found, taken);
        Some(found)
    }

    fn conv(&self, index: usize) -> Option<Match> {
        let node = &self.graph.node[index];
        let [pixels, weights, rest @ ..] = node.input.as_slice() else {
            return None;
        };
        let [output] = node.output.as_slice() else {
            return None;
        };
        if node.op_type != "Conv" || self.constants.contains_key(pixels.as_str()) {
            return None;
        }
        let [channels, inputs, rows, columns] = self.shape(weights)?;
        let kernel = [rows, columns];
        let bias = match rest {
            [] => None,
            [bias] => Some(bias.clone()),
            _ => return None,
        };
        let groups = attribute(node, "group").map_or(1, |a| a.i);
        let depthwise = groups > 1 && inputs == 1 && groups == channels as i64;
        let pads = sizes(node, "pads", [0; 4])?;
        // More would be places where nothing is seen, without bound.
        let padded = pads
            .iter()
            .zip(kernel.iter().cycle())
            .all(|(pad, side)| pad < side);
        let as_declared = sizes(node, "kernel_shape", kernel)? == kernel;
        let together = sizes(node, "dilations", [1; 2])? == [1; 2];
        let padding = attribute(node, "auto_pad").map_or(&b"NOTSET"[..], |a| &a.s);
        let bias_fits = bias.as_ref().is_none_or(|bias| {
            let bias = self.constant(bias);
            bias.is_some_and(|b| b.values.len() == channels)
        });
        let understood = (groups == 1 || depthwise)
            && as_declared
            && together
            && padded
            && padding == b"NOTSET"
            && bias_fits;
        understood
            .then(|| Match {
                op: DirectConv {
                    geometry: Geometry {
                        input: [0, 0, inputs],
                        channels,
                        kernel,
                        stride: [1; 2],
                        pads,
                        depthwise,
                    },
                    clip: None,
                    slopes: false,
                    residual: false,
                },
                pixels: pixels.clone(),
                weights: weights.clone(),
                bias,
                slopes: None,
                residual: None,
                nodes: vec![index],
                output: output.clone(),
            })
            .and_then(|mut found| {
                found.op.geometry.stride = sizes(node, "strides", [1; 2])?;
                let steps = found.op.geometry.stride.iter().all(|step| *step > 0);
                steps.then_some(found)
            })
    }

    /// Of weights, each within what is understood.
    fn shape(&self, weights: &str) -> Option<[usize; 4]> {
        let weights = self.constant(weights)?;
        let dims: [i64; 4] = weights.dims.as_slice().try_into().ok()?;
        let dims = dims.map(|n| usize::try_from(n).unwrap_or(0));
        dims.iter().all(|n| (1..=MOST).contains(n)).then_some(dims)
    }

    /// The only user of a value.
    fn user(&self, value: &str) -> Option<(usize, &'a NodeProto)> {
        let [index] = *self.users.get(value)?.as_slice() else {
            return None;
        };
        let node = self.graph.node.get(index)?;
        (node.output.len() == 1).then_some((index, node))
    }

    fn activation(&self, found: &mut Match) {
        let channels = found.op.geometry.channels;
        if let Some((slopes, nodes)) = self.slopes_as_maximum(&found.output, channels) {
            found.take(Some(slopes), self.graph, &nodes);
            return;
        }
        let Some((index, node)) = self.user(&found.output) else {
            return;
        };
        let slopes = match node.op_type.as_str() {
            "Relu" => {
                found.op.clip = Some([0.0, f32::INFINITY].map(f32::to_bits));
                None
            }
            "Clip" => {
                let Some(limits) = self.limits(node) else {
                    return;
                };
                found.op.clip = Some(limits.map(f32::to_bits));
                None
            }
            "LeakyRelu" => {
                let slope = attribute(node, "alpha").map_or(0.01, |a| a.f);
                Some(vec![slope; channels])
            }
            "PRelu" => {
                let slopes = node.input.get(1).and_then(|s| self.each(s, channels));
                let Some(slopes) = slopes.filter(|_| node.input[0] == found.output) else {
                    return;
                };
                Some(slopes)
            }
            _ => return,
        };
        found.take(slopes, self.graph, &[index]);
    }

    /// `max(x, slope * x)`, as PReLU is exported with slopes in 0 to 1.
    fn slopes_as_maximum(&self, value: &str, channels: usize) -> Option<(Vec<f32>, [usize; 2])> {
        let [first, second] = *self.users.get(value)?.as_slice() else {
            return None;
        };
        let (first_node, last) = (self.graph.node.get(first)?, self.graph.node.get(second)?);
        let other = |node: &'a NodeProto, not: &str| {
            let others = node.input.iter().filter(|i| *i != not);
            let both = node.input.len() == 2 && others.clone().count() == 1;
            others.clone().next().filter(|_| both)
        };
        if first_node.op_type != "Mul" || last.op_type != "Max" {
            return None;
        }
        let slopes = self.each(other(first_node, value)?, channels)?;
        let scaled = first_node.output.first()?;
        let fits = other(last, value)? == scaled
            && self.user(scaled)?.0 == second
            && first_node.output.len() == 1;
        let between = slopes.iter().all(|slope| (0.0..=1.0).contains(slope));
        (fits && between).then_some((slopes, [first, second]))
    }

    /// A number for each channel, from one for each or for all.
    fn each(&self, name: &str, channels: usize) -> Option<Vec<f32>> {
        let Constant { dims, values } = self.constant(name)?;
        match (values.as_slice(), dims.as_slice()) {
            ([one], _) => Some(vec![*one; channels]),
            (all, [n, 1, 1] | [1, n, 1, 1]) if *n == channels as i64 => Some(all.to_vec()),
            _ => None,
        }
    }

    fn limits(&self, node: &NodeProto) -> Option<[f32; 2]> {
        let mut limits = [f32::NEG_INFINITY, f32::INFINITY];
        for (i, name) in [(0, "min"), (1, "max")] {
            if let Some(limit) = attribute(node, name) {
                limits[i] = limit.f;
            }
            if let Some(input) = node.input.get(i + 1).filter(|input| !input.is_empty()) {
                limits[i] = *self.constant(input)?.values.first()?;
            }
        }
        (limits[0] <= limits[1]).then_some(limits)
    }

    fn residual(&self, found: &mut Match, taken: &[bool]) {
        let Some((index, node)) = self.user(&found.output) else {
            return;
        };
        let [a, b] = node.input.as_slice() else {
            return;
        };
        let other = if *a == found.output { b } else { a };
        let usable = *other != found.output && !self.constants.contains_key(other.as_str());
        if node.op_type == "Add" && usable && !taken[index] {
            found.residual = Some(other.clone());
            found.op.residual = true;
            found.take(None, self.graph, &[index]);
        }
    }
}

impl Match {
    fn take(&mut self, slopes: Option<Vec<f32>>, graph: &GraphProto, nodes: &[usize]) {
        if slopes.is_some() {
            self.op.slopes = true;
            self.slopes = slopes;
        }
        self.nodes.extend(nodes);
        let last = nodes
            .last()
            .and_then(|last| graph.node[*last].output.first());
        self.output = last.expect("a user has an output").clone();
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

/// `None` if they are not as many, or not all within what is understood.
fn sizes<const N: usize>(node: &NodeProto, name: &str, default: [usize; N]) -> Option<[usize; N]> {
    let Some(found) = attribute(node, name) else {
        return Some(default);
    };
    let size = |n: &i64| usize::try_from(*n).ok().filter(|n| *n <= MOST);
    let all: Option<Vec<_>> = found.ints.iter().map(size).collect();
    all?.try_into().ok()
}
