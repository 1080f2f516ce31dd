//! From a graph and its tensors to ONNX: batch norm folded, weights in bytes or floats;
//! `int8` computes in integers.

mod fold;
mod int8;
mod onnx;

pub use fold::folded;
pub use int8::int8;

use crate::backbone::Module;
use crate::backbone::graph::{Activation, Graph, Node, Op};
use crate::checkpoint::floats;
use onnx::{Window, Writer};
use shared::bundle::Precision;
use std::collections::BTreeMap;

/// Plain numbers of all tensors of a graph, by name.
pub type Weights = BTreeMap<String, Vec<f32>>;

/// Takes the numbers out of a module.
pub fn weights(module: &Module) -> Weights {
    module
        .tensors()
        .iter()
        .map(|(name, tensor)| (name.clone(), floats(tensor)))
        .collect()
}

/// An ONNX model (opset 13, IR version 8) of the graph, computed in floats: input `input`
/// `[1, 3, H, W]`, and the graph's outputs; an embedding is not normalized to unit length.
///
/// # Panics
/// If `weights` are not those of `graph`; with [`Precision::Int8`], which [`int8`] writes.
pub fn onnx(graph: &Graph, weights: &Weights, precision: Precision) -> Vec<u8> {
    assert_ne!(precision, Precision::Int8, "integers need a scheme");
    let (graph, weights) = folded(graph, weights);
    let mut writer = Writer::new(precision);
    let mut values: Vec<String> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let inputs: Vec<&str> = node.inputs.iter().map(|i| values[*i].as_str()).collect();
        let value = write(&mut writer, node, &inputs, &weights);
        values.push(value);
    }
    let [height, width] = graph.size;
    for output in &graph.outputs {
        writer.output(&output.name, &values[output.node], &output.shape);
    }
    writer.finish(&graph.name, [1, 3, height, width])
}

/// Writes one node and gives the name of its value.
fn write(writer: &mut Writer, node: &Node, inputs: &[&str], weights: &Weights) -> String {
    let own = |suffix: &str| weights[&format!("{}.{suffix}", node.name)].as_slice();
    let name = &node.name;
    match node.op {
        Op::Input => name.clone(),
        Op::Conv {
            input,
            output,
            kernel,
            stride,
            padding,
            groups,
            ..
        } => {
            let shape = [output, input / groups, kernel, kernel];
            let weight = writer.weight(name, &shape, own("weight"));
            let bias = writer.floats(&format!("{name}.bias"), &[output], own("bias"));
            let window = Window {
                kernel,
                stride,
                padding,
                groups,
            };
            writer.conv(name, "Conv", &[inputs[0], &weight, &bias], &window)
        }
        Op::BatchNorm(_) => unreachable!("folded by the caller"),
        Op::Activation(Activation::Relu, _) => writer.node(name, "Relu", inputs, vec![]),
        Op::Activation(Activation::SharedPrelu, _) => {
            writer.leaky_relu(name, inputs[0], own("slope")[0])
        }
        Op::Activation(Activation::Prelu, channels) => {
            let slope = writer.floats(&format!("{name}.slope"), &[channels, 1, 1], own("slope"));
            let scaled = writer.node(
                &format!("{name}.scaled"),
                "Mul",
                &[inputs[0], &slope],
                vec![],
            );
            // With slopes in 0 to 1 this is PRelu, in a form that tract runs three times as fast.
            writer.node(name, "Max", &[inputs[0], &scaled], vec![])
        }
        Op::Add => writer.node(name, "Add", inputs, vec![]),
        Op::Flatten => writer.node(name, "Flatten", inputs, vec![]),
        Op::Linear { input, output } => {
            let weight = writer.weight(name, &[output, input], own("weight"));
            let bias = writer.floats(&format!("{name}.bias"), &[output], own("bias"));
            writer.gemm(name, [inputs[0], &weight, &bias])
        }
    }
}
