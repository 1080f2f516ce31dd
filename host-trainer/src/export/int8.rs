//! A network that computes in integers: `QLinearConv` between bytes; where the sums leave the
//! network, `ConvInteger` and a scale for each channel. All numbers before the last scaling are
//! integers, or floats that every processor rounds alike, so the embedding is the same everywhere.

use super::Weights;
use super::onnx::{Window, Writer};
use crate::backbone::graph::{Activation, Graph, Node, Op};
use crate::quantize::{Affine, QuantizeError, Scheme, Value};
use shared::bundle::Precision;

/// An ONNX model (opset 13, IR version 8) as [`super::onnx`] gives it, in integers.
///
/// # Errors
/// [`QuantizeError`] if a weight or bias no longer fits its scale.
///
/// # Panics
/// If the graph has norms, or weights or scheme are not of it.
pub fn int8(graph: &Graph, weights: &Weights, scheme: &Scheme) -> Result<Vec<u8>, QuantizeError> {
    let mut int8 = Int8 {
        writer: Writer::new(Precision::Int8),
        graph,
        weights,
        scheme,
        values: Vec::with_capacity(graph.nodes.len()),
    };
    for (i, node) in graph.nodes.iter().enumerate() {
        let value = int8.node(i, node)?;
        int8.values.push(value);
    }
    for output in &graph.outputs {
        let value = int8.floats(output.node, &format!("{}.floats", output.name));
        int8.writer.output(&output.name, &value, &output.shape);
    }
    let [height, width] = graph.size;
    Ok(int8.writer.finish(&graph.name, [1, 3, height, width]))
}

struct Int8<'a> {
    writer: Writer,
    graph: &'a Graph,
    weights: &'a Weights,
    scheme: &'a Scheme,
    /// The name of each node's value: of bytes where the scheme has an affine for it.
    values: Vec<String>,
}

impl Int8<'_> {
    fn affine(&self, node: usize) -> Option<Affine> {
        self.scheme.affine(self.graph, node)
    }

    /// Writes a node and gives the name of its value.
    fn node(&mut self, i: usize, node: &Node) -> Result<String, QuantizeError> {
        let name = node.name.as_str();
        Ok(match node.op {
            Op::Input => self.quantize(i, "input", &format!("{name}.int8")),
            Op::Conv {
                kernel,
                stride,
                padding,
                groups,
                ..
            } => {
                let window = Window {
                    kernel,
                    stride,
                    padding,
                    groups,
                };
                let input = self.values[node.inputs[0]].clone();
                self.layer(i, node, &input, &window)?
            }
            Op::Linear { input, .. } => {
                // Tract packs the weights of a convolution ahead, those of MatMulInteger for
                // every face.
                let shape = self
                    .writer
                    .longs(&format!("{name}.shape"), &[1, input, 1, 1]);
                let inputs = [self.values[node.inputs[0]].as_str(), &shape];
                let pixel = self
                    .writer
                    .node(&format!("{name}.pixel"), "Reshape", &inputs, vec![]);
                let window = Window {
                    kernel: 1,
                    stride: 1,
                    padding: 0,
                    groups: 1,
                };
                let wide = self.layer(i, node, &pixel, &window)?;
                self.writer
                    .node(&format!("{name}.flat"), "Flatten", &[&wide], vec![])
            }
            Op::Flatten => {
                let input = self.values[node.inputs[0]].clone();
                self.writer.node(name, "Flatten", &[&input], vec![])
            }
            Op::Add => {
                let [a, b] =
                    [0, 1].map(|n| self.floats(node.inputs[n], &format!("{name}.term{n}")));
                let sum = self
                    .writer
                    .node(&format!("{name}.sum"), "Add", &[&a, &b], vec![]);
                self.rounded(i, sum, name)
            }
            Op::Activation(activation, _) => self.activation(i, node, activation),
            Op::BatchNorm(_) => unreachable!("the graph has no norms"),
        })
    }

    /// An activation that was not computed with the layer before.
    fn activation(&mut self, i: usize, node: &Node, activation: Activation) -> String {
        let (name, input) = (node.name.as_str(), node.inputs[0]);
        let after_layer = matches!(
            self.graph.nodes[input].op,
            Op::Conv { .. } | Op::Linear { .. }
        );
        if after_layer && self.scheme.values[input] == Value::Inner {
            return self.values[input].clone();
        }
        let value = self.floats(input, &format!("{name}.before"));
        let after = format!("{name}.after");
        let value = match activation {
            Activation::SharedPrelu => {
                let slope = self.weights[&format!("{name}.slope")][0];
                self.writer.leaky_relu(&after, &value, slope)
            }
            // The least byte is that of 0, so rounding to bytes cuts off all below.
            Activation::Relu if self.affine(i).is_some_and(|a| a.zero_point == -128) => value,
            Activation::Relu => self.writer.node(&after, "Relu", &[&value], vec![]),
            Activation::Prelu => unreachable!("no layout has it"),
        };
        self.rounded(i, value, name)
    }

    /// A convolution, or one over a single pixel: bytes, or floats if they leave the network.
    fn layer(
        &mut self,
        i: usize,
        node: &Node,
        input: &str,
        window: &Window,
    ) -> Result<String, QuantizeError> {
        let layer = self.scheme.layer(self.graph, self.weights, i)?;
        let (name, channels) = (node.name.as_str(), layer.bias.len() as i64);
        let row = layer.bytes.len() as i64 / channels / window.kernel.pow(2);
        let shape = [channels, row, window.kernel, window.kernel];
        let weight = self
            .writer
            .bytes(&format!("{name}.weight"), &shape, &layer.bytes);
        let bias = |writer: &mut Writer, shape: &[i64]| {
            writer.integers(&format!("{name}.bias"), shape, &layer.bias)
        };
        let taken = self.affine(node.inputs[0]).expect("layers take bytes");
        let [scale, zero] = self.constants(&format!("{name}.input"), taken);
        let Some(given) = self.given(i) else {
            let weight_zero = self.writer.bytes(&format!("{name}.weight.zero"), &[], &[0]);
            let inputs = [input, weight.as_str(), &zero, &weight_zero];
            let sums = format!("{name}.sums");
            let sums = self.writer.conv(&sums, "ConvInteger", &inputs, window);
            let bias = bias(&mut self.writer, &[1, channels, 1, 1]);
            let biased = format!("{name}.biased");
            let biased = self.writer.node(&biased, "Add", &[&sums, &bias], vec![]);
            // Multiplied here, so that no runtime chooses an order.
            let scales: Vec<f32> = layer.scales.iter().map(|s| s * taken.scale).collect();
            let len = [scales.len() as i64];
            let scales = self.writer.floats(&format!("{name}.scale"), &len, &scales);
            return Ok(self.writer.dequantize_channels(name, &[&biased, &scales]));
        };
        let shape: &[i64] = match layer.scales.len() {
            1 => &[],
            _ => &[channels],
        };
        let weight_scale = format!("{name}.weight.scale");
        let weight_scale = self.writer.floats(&weight_scale, shape, &layer.scales);
        let zeros = vec![0; layer.scales.len()];
        let weight_zero = self
            .writer
            .bytes(&format!("{name}.weight.zero"), shape, &zeros);
        let [out_scale, out_zero] = self.constants(&format!("{name}.output"), given);
        let bias = bias(&mut self.writer, &[channels]);
        let inputs = [
            input,
            &scale,
            &zero,
            &weight,
            &weight_scale,
            &weight_zero,
            &out_scale,
            &out_zero,
            &bias,
        ];
        let value = self.writer.conv(name, "QLinearConv", &inputs, window);
        if self.scheme.values[i] == Value::Inner && given.zero_point != -128 {
            // The byte 0 is not the least here, so the ends of the bytes cut nothing off.
            let cut_off = format!("{name}.relu");
            return Ok(self
                .writer
                .node(&cut_off, "Max", &[&value, &out_zero], vec![]));
        }
        Ok(value)
    }

    /// The bytes that a layer's sums go into: its own, or those of the Relu computed with it.
    fn given(&self, i: usize) -> Option<Affine> {
        match self.scheme.values[i] {
            Value::Inner => {
                let mut users = self.graph.nodes.iter();
                let user = users.position(|n| n.inputs.contains(&i));
                self.affine(user.expect("an activation takes it"))
            }
            _ => self.affine(i),
        }
    }

    /// A value in floats.
    fn floats(&mut self, node: usize, name: &str) -> String {
        let value = self.values[node].clone();
        let Some(affine) = self.affine(node) else {
            return value;
        };
        let [scale, zero] = self.constants(name, affine);
        let inputs = [value.as_str(), &scale, &zero];
        self.writer.node(name, "DequantizeLinear", &inputs, vec![])
    }

    /// Floats as the scheme wants the node's value: in bytes, or as they are.
    fn rounded(&mut self, i: usize, floats: String, name: &str) -> String {
        match self.affine(i) {
            Some(_) => self.quantize(i, &floats, name),
            None => floats,
        }
    }

    fn quantize(&mut self, i: usize, floats: &str, name: &str) -> String {
        let affine = self.affine(i).expect("the caller knows");
        let [scale, zero] = self.constants(name, affine);
        self.writer
            .node(name, "QuantizeLinear", &[floats, &scale, &zero], vec![])
    }

    fn constants(&mut self, name: &str, affine: Affine) -> [String; 2] {
        let scale = self
            .writer
            .floats(&format!("{name}.scale.of"), &[], &[affine.scale]);
        let zero = self
            .writer
            .bytes(&format!("{name}.zero.of"), &[], &[affine.zero_point]);
        [scale, zero]
    }
}
