//! Puts direct convolutions into an ONNX graph.

use super::op::{DirectConv, OPERATOR};
use super::pack;
use super::pattern::{Match, Reader};
use crate::network::weights::FLOAT;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType,
};

/// Operators that give the same whatever the order of the dimensions, if all inputs have the same.
const EACH_NUMBER: [&str; 8] = [
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "Identity",
    "Add",
    "Mul",
    "Sub",
];

/// The same network with its convolutions computed directly; `None` if there is none that can be.
pub(in super::super) fn rewrite(graph: &GraphProto) -> Option<GraphProto> {
    // What has an inner graph may use a value out of our sight.
    let nested = |node: &NodeProto| node.attribute.iter().any(|a| a.g.is_some());
    let foreign = |node: &NodeProto| node.op_type == OPERATOR;
    if graph.node.iter().any(|n| nested(n) || foreign(n)) {
        return None;
    }
    let reader = Reader::new(graph);
    let mut taken = vec![false; graph.node.len()];
    let mut at: HashMap<usize, Match> = HashMap::new();
    for index in 0..graph.node.len() {
        if let Some(found) = reader.find(index, &taken) {
            found.nodes.iter().for_each(|i| taken[*i] = true);
            at.insert(*found.nodes.iter().max()?, found);
        }
    }
    if at.is_empty() {
        return None;
    }
    let mut writer = Writer::new(graph, &reader);
    for (index, node) in graph.node.iter().enumerate() {
        match at.remove(&index) {
            Some(found) => writer.conv(&found),
            None if taken[index] => {}
            None => writer.copy(node),
        }
    }
    Some(writer.finish())
}

/// Writes nodes, and keeps which values lie with the channels last.
struct Writer<'a> {
    from: &'a GraphProto,
    reader: &'a Reader<'a>,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    /// Values that are there with the channels last.
    last: HashSet<String>,
    /// Values that are there only so.
    only_last: HashSet<String>,
}

impl<'a> Writer<'a> {
    fn new(from: &'a GraphProto, reader: &'a Reader<'a>) -> Self {
        Self {
            from,
            reader,
            nodes: Vec::new(),
            initializers: Vec::new(),
            last: HashSet::new(),
            only_last: HashSet::new(),
        }
    }

    fn conv(&mut self, found: &Match) {
        let constant = |name: &str| self.reader.constant(name).expect("it was found").values;
        let geometry = &found.op.geometry;
        let [rows, columns] = geometry.kernel;
        let weights = constant(&found.weights);
        let weights = match geometry.depthwise {
            true => pack::depthwise(&weights, geometry.channels),
            false => pack::dense(
                &weights,
                [geometry.channels, geometry.input[2], rows, columns],
            ),
        };
        let zeros = || vec![0.0; geometry.channels];
        let bias = found.bias.as_ref().map_or_else(zeros, |b| constant(b));
        let mut inputs = vec![
            self.channels_last(&found.pixels),
            self.constant(&found.output, "weights", weights),
            self.constant(&found.output, "bias", pack::numbers(&bias)),
        ];
        let slopes = found.slopes.as_ref().map(|s| pack::numbers(s));
        inputs.extend(slopes.map(|s| self.constant(&found.output, "slopes", s)));
        inputs.extend(found.residual.as_ref().map(|r| self.channels_last(r)));
        let name = last(&found.output);
        self.nodes.push(NodeProto {
            input: inputs,
            output: vec![name.clone()],
            name,
            op_type: OPERATOR.into(),
            attribute: attributes(&found.op),
            ..NodeProto::default()
        });
        self.is_last(&found.output);
    }

    fn is_last(&mut self, value: &str) {
        self.last.insert(value.into());
        self.only_last.insert(value.into());
    }

    fn constant(&mut self, layer: &str, what: &str, values: Vec<f32>) -> String {
        let name = format!("{layer}/direct.{what}");
        self.initializers.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: FLOAT,
            name: name.clone(),
            float_data: values,
            ..TensorProto::default()
        });
        name
    }

    /// The name of a value with its channels last, which is made so if it is not.
    fn channels_last(&mut self, value: &str) -> String {
        let name = last(value);
        if self.last.insert(value.into()) {
            self.transpose(value, &name, &[0, 2, 3, 1]);
        }
        name
    }

    /// Makes a value as the graph means it, if it is not there.
    fn as_meant(&mut self, value: &str) {
        if self.only_last.remove(value) {
            self.transpose(&last(value), value, &[0, 3, 1, 2]);
        }
    }

    fn transpose(&mut self, from: &str, to: &str, order: &[i64]) {
        self.nodes.push(NodeProto {
            input: vec![from.into()],
            output: vec![to.into()],
            name: format!("{to}/direct.transpose"),
            op_type: "Transpose".into(),
            attribute: vec![ints("perm", order)],
            ..NodeProto::default()
        });
    }

    /// A node that is not understood, or one that does not care for the order.
    fn copy(&mut self, node: &NodeProto) {
        let anywhere = EACH_NUMBER.contains(&node.op_type.as_str());
        let all_last = !node.input.is_empty() && node.input.iter().all(|i| self.last.contains(i));
        let mut node = node.clone();
        if anywhere && all_last && node.output.len() == 1 {
            node.input.iter_mut().for_each(|input| *input = last(input));
            let output = node.output[0].clone();
            node.output = vec![last(&output)];
            self.nodes.push(node);
            self.is_last(&output);
        } else {
            node.input.iter().for_each(|input| self.as_meant(input));
            self.nodes.push(node);
        }
    }

    fn finish(mut self) -> GraphProto {
        for output in &self.from.output {
            self.as_meant(&output.name);
        }
        let used: HashSet<&str> = self
            .nodes
            .iter()
            .flat_map(|n| &n.input)
            .map(String::as_str)
            .collect();
        let kept = self.from.initializer.iter();
        let kept = kept.filter(|t| used.contains(t.name.as_str())).cloned();
        let kept: Vec<_> = kept.chain(std::mem::take(&mut self.initializers)).collect();
        // Older files list the weights among the inputs.
        let gone = |name: &str| {
            let weight = self.from.initializer.iter().any(|t| t.name == name);
            weight && !used.contains(name)
        };
        let inputs = self.from.input.iter().filter(|i| !gone(&i.name));
        GraphProto {
            name: self.from.name.clone(),
            input: inputs.cloned().collect(),
            output: self.from.output.clone(),
            initializer: kept,
            node: self.nodes,
            ..GraphProto::default()
        }
    }
}

/// What a value is called with its channels last.
fn last(value: &str) -> String {
    format!("{value}/direct.last")
}

fn attributes(op: &DirectConv) -> Vec<AttributeProto> {
    let clip = op.clip.map(|clip| AttributeProto {
        name: "clip".into(),
        r#type: AttributeType::Floats as i32,
        floats: clip.map(f32::from_bits).into(),
        ..AttributeProto::default()
    });
    let layer = ints("layer", &op.numbers());
    std::iter::once(layer).chain(clip).collect()
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.into(),
        ..AttributeProto::default()
    }
}
