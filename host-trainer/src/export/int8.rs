//! A network that computes in integers: `QLinearConv` between bytes; where the sums leave the
//! network, `ConvInteger` and a scale for each channel. All numbers before the last scaling are
//! integers, or floats that every processor rounds alike, so the embedding is the same everywhere.

use super::Weights;
use super::onnx::{Window, Writer};
use crate::backbone::graph::{Activation, Graph, Node, Op};
use crate::quantize::{Affine, IntegerLayer, QuantizeError, Scheme, Value};
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
        let taken = self.affine(node.inputs[0]).expect("layers take bytes");
        match self.scheme.requantized(self.graph, i) {
            None => Ok(self.sums(&node.name, &layer, (input, taken), window)),
            Some(given) => {
                let value = self.requantized(&node.name, &layer, [taken, given], input, window);
                Ok(self.with_relu(i, value, given))
            }
        }
    }

    /// A layer whose sums become floats, with a scale for each channel.
    fn sums(
        &mut self,
        name: &str,
        layer: &IntegerLayer,
        (input, taken): (&str, Affine),
        window: &Window,
    ) -> String {
        let weight = self.weight(name, layer, window);
        let [_, zero] = self.constants(&format!("{name}.input"), taken);
        let writer = &mut self.writer;
        let weight_zero = writer.bytes(&format!("{name}.weight.zero"), &[], &[0]);
        let inputs = [input, &weight, &zero, &weight_zero];
        let sums = writer.conv(&format!("{name}.sums"), "ConvInteger", &inputs, window);
        let shape = [1, layer.bias.len() as i64, 1, 1];
        let bias = writer.integers(&format!("{name}.bias"), &shape, &layer.bias);
        let biased = writer.node(&format!("{name}.biased"), "Add", &[&sums, &bias], vec![]);
        // Multiplied here, so that no runtime chooses an order.
        let scales: Vec<f32> = layer.scales.iter().map(|s| s * taken.scale).collect();
        let len = [scales.len() as i64];
        let scales = writer.floats(&format!("{name}.scale"), &len, &scales);
        writer.dequantize_channels(name, &[&biased, &scales])
    }

    /// A layer whose sums become bytes.
    fn requantized(
        &mut self,
        name: &str,
        layer: &IntegerLayer,
        [taken, given]: [Affine; 2],
        input: &str,
        window: &Window,
    ) -> String {
        let weight = self.weight(name, layer, window);
        let [scale, zero] = self.constants(&format!("{name}.input"), taken);
        let [out_scale, out_zero] = self.constants(&format!("{name}.output"), given);
        let writer = &mut self.writer;
        let scales = layer.scales.len();
        let len = [scales as i64];
        // One is written as a number, not as a list of one.
        let shape: &[i64] = if scales == 1 { &[] } else { &len };
        let weight_scale = format!("{name}.weight.scale");
        let weight_scale = writer.floats(&weight_scale, shape, &layer.scales);
        let weight_zero = writer.bytes(&format!("{name}.weight.zero"), shape, &vec![0; scales]);
        let channels = [layer.bias.len() as i64];
        let bias = writer.integers(&format!("{name}.bias"), &channels, &layer.bias);
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
        writer.conv(name, "QLinearConv", &inputs, window)
    }

    fn weight(&mut self, name: &str, layer: &IntegerLayer, window: &Window) -> String {
        let channels = layer.bias.len() as i64;
        let row = layer.bytes.len() as i64 / channels / window.kernel.pow(2);
        let shape = [channels, row, window.kernel, window.kernel];
        self.writer
            .bytes(&format!("{name}.weight"), &shape, &layer.bytes)
    }

    /// The Relu that a layer is computed with, where the ends of the bytes are not those of the Relu.
    fn with_relu(&mut self, i: usize, value: String, given: Affine) -> String {
        if self.scheme.values[i] != Value::Inner || given.zero_point == -128 {
            return value;
        }
        let name = format!("{}.relu", self.graph.nodes[i].name);
        let zero = self
            .writer
            .bytes(&format!("{name}.zero"), &[], &[given.zero_point]);
        self.writer.node(&name, "Max", &[&value, &zero], vec![])
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
