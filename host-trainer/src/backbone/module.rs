//! The tch module that a graph describes.

use super::graph::{Activation, Graph, Init, Node, Op, Parameter};
use super::norm::BatchNorm;
use crate::export::Weights;
use crate::generator::Generator;
use crate::native;
use crate::quantize::Scheme;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// A graph with its tensors.
pub struct Module {
    graph: Graph,
    tensors: BTreeMap<String, Tensor>,
    scheme: Option<Scheme>,
}

impl Module {
    /// Tensors as the graph says they begin, drawn at random.
    pub fn new(graph: Graph, device: Device, _generator: &Generator) -> Self {
        // Drawn on the CPU, so that a seed gives the same network on every device.
        let tensors = graph
            .parameters()
            .map(|p| (p.name.clone(), begin(&p, device)))
            .collect();
        Self {
            graph,
            tensors,
            scheme: None,
        }
    }

    /// A module with those numbers.
    ///
    /// # Panics
    /// If `weights` are not those of `graph`.
    pub fn with_weights(graph: Graph, weights: &Weights, device: Device) -> Self {
        let tensors = graph.parameters().map(|p| {
            let numbers = Tensor::from_slice(&weights[&p.name]).view(p.shape.as_slice());
            let tensor = numbers.to_device(device).set_requires_grad(p.trainable);
            (p.name, tensor)
        });
        Self {
            tensors: tensors.collect(),
            graph,
            scheme: None,
        }
    }

    /// The same, computing as the integers of that scheme do, rounded and cut off alike. Gradients
    /// pass the rounding as if it were not there, and end where a number is cut off.
    ///
    /// # Panics
    /// If the graph has norms, or the scheme is of another one.
    pub fn quantized(mut self, scheme: Scheme) -> Self {
        assert_eq!(scheme.values.len(), self.graph.nodes.len());
        let mut nodes = self.graph.nodes.iter();
        assert!(nodes.all(|n| !matches!(n.op, Op::BatchNorm(_))));
        self.scheme = Some(scheme);
        self
    }

    /// What the module was made from.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All tensors by name, the running statistics of batch norm among them.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Tensors that gradients change, by name.
    pub fn trainable(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(_, tensor)| tensor.requires_grad())
    }

    /// Puts the slopes back into 0 to 1, where `max(x, slope * x)` is the PReLU that is exported.
    pub fn clamp_slopes(&self) {
        let _guard = tch::no_grad_guard();
        for parameter in self.graph.parameters().filter(|p| p.is_slope) {
            let _ = self.tensors[&parameter.name]
                .shallow_clone()
                .clamp_(0.0, 1.0);
        }
    }

    /// Raw embeddings, `[B, embedding_len]`, of normalized images `[B, 3, H, W]`: the first output.
    /// With `train`, batch norm uses the batch's statistics and updates the running ones.
    pub fn forward(&self, images: &Tensor, train: bool) -> Tensor {
        self.outputs(images, train).swap_remove(0)
    }

    /// All outputs, as the graph names them, likewise.
    pub fn outputs(&self, images: &Tensor, train: bool) -> Vec<Tensor> {
        let values = self.values(images, train);
        let outputs = self.graph.outputs.iter();
        outputs.map(|o| values[o.node].shallow_clone()).collect()
    }

    /// The values of all nodes, likewise.
    pub fn values(&self, images: &Tensor, train: bool) -> Vec<Tensor> {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.graph.nodes.len());
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let value = self.compute(i, node, &values, images, train);
            values.push(match &self.scheme {
                Some(scheme) => scheme.round_value(i, value),
                None => value,
            });
        }
        values
    }

    fn compute(
        &self,
        index: usize,
        node: &Node,
        values: &[Tensor],
        images: &Tensor,
        train: bool,
    ) -> Tensor {
        let own = |suffix: &str| &self.tensors[&format!("{}.{suffix}", node.name)];
        let weight = || match &self.scheme {
            Some(scheme) => scheme.round_weight(index, own("weight")),
            None => own("weight").shallow_clone(),
        };
        let input = |i: usize| &values[node.inputs[i]];
        match node.op {
            Op::Input => images.shallow_clone(),
            Op::Conv {
                stride,
                padding,
                groups,
                bias,
                ..
            } => {
                let bias = bias.then(|| own("bias"));
                input(0).conv2d(&weight(), bias, [stride; 2], [padding; 2], [1; 2], groups)
            }
            Op::BatchNorm(_) => {
                let norm = BatchNorm {
                    weight: own("weight"),
                    bias: own("bias"),
                    running_mean: own("running_mean"),
                    running_var: own("running_var"),
                };
                norm.forward(input(0), train)
            }
            Op::Activation(Activation::Relu, _) => input(0).relu(),
            Op::Activation(Activation::Prelu | Activation::SharedPrelu, _) => {
                native::prelu(input(0), own("slope"))
            }
            Op::Add => input(0) + input(1),
            Op::Flatten => input(0).flatten(1, -1),
            Op::Linear { .. } => input(0).linear(&weight(), Some(own("bias"))),
        }
    }
}

fn begin(parameter: &Parameter, device: Device) -> Tensor {
    let shape = &parameter.shape;
    // Convolutions are [output, input, kernel, kernel], linear layers [output, input].
    let field: i64 = shape.iter().skip(2).product();
    let fan = |axis: usize| shape.get(axis).map_or(1, |n| n * field) as f64;
    let mut drawn = Tensor::empty(shape, (Kind::Float, Device::Cpu));
    let drawn = match parameter.init {
        Init::Constant(value) => drawn.fill_(value),
        Init::Gaussian(deviation) => drawn.normal_(0.0, deviation),
        Init::Xavier => {
            let bound = (6.0 / (fan(0) + fan(1))).sqrt();
            drawn.uniform_(-bound, bound)
        }
    };
    drawn
        .to_device(device)
        .set_requires_grad(parameter.trainable)
}
