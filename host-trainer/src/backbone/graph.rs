//! A network as data: nodes in the order they are computed. The tch module and the ONNX graph
//! are both derived from it, so they cannot drift apart.

use shared::align::AlignTemplate;

/// How a tensor of parameters begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform within `sqrt(6 / (fan_in + fan_out))`.
    Xavier,
    /// Normal with this standard deviation.
    Gaussian(f64),
    /// All the same.
    Constant(f64),
}

/// An activation whose exported form tract runs fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// A learned slope for each channel, kept in 0 to 1 so that it is `max(x, slope * x)`.
    Prelu,
    /// One learned slope for the layer, kept in 0 to 1: a LeakyRelu, which tract fuses.
    SharedPrelu,
    /// Slope zero, nothing to learn.
    Relu,
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The network's input, `[B, 3, H, W]`.
    Input,
    /// Square convolution.
    Conv {
        /// Input channels.
        input: i64,
        /// Output channels.
        output: i64,
        /// Kernel side in pixels.
        kernel: i64,
        /// Step in pixels.
        stride: i64,
        /// Zeros added on each side, in pixels.
        padding: i64,
        /// 1 for dense, the channel count for depthwise.
        groups: i64,
        /// Whether a bias is learned (batch norm has its own).
        bias: bool,
        /// How the weights begin.
        init: Init,
    },
    /// Batch normalization over that many channels; always follows a convolution, into which the
    /// export folds it.
    BatchNorm(i64),
    /// Activation over that many channels.
    Activation(Activation, i64),
    /// Sum of two nodes.
    Add,
    /// `[B, C, H, W]` to `[B, C * H * W]`.
    Flatten,
    /// Fully connected with bias.
    Linear {
        /// Input features.
        input: i64,
        /// Output features.
        output: i64,
    },
}

/// A computation on the values of earlier nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique; prefixes the names of its parameters.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Indices of earlier nodes.
    pub inputs: Vec<usize>,
}

/// A value that leaves the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// In the exported file; no node has it.
    pub name: String,
    /// Index of the node.
    pub node: usize,
    /// Of one image, the leading 1 included.
    pub shape: Vec<i64>,
}

/// A whole network. That of a backbone has one output, the raw embedding, `[B, embedding_len]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Name with its variants, for people.
    pub name: String,
    /// Height and width of the images it takes, in pixels.
    pub size: [i64; 2],
    /// At least one.
    pub outputs: Vec<Output>,
    /// In the order of computation, the input first.
    pub nodes: Vec<Node>,
}

/// A tensor that a node owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// `node.suffix`.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<i64>,
    /// How it begins.
    pub init: Init,
    /// Learned by gradient; the running statistics of batch norm are not.
    pub trainable: bool,
    /// A slope that must stay in 0 to 1.
    pub is_slope: bool,
}

impl Node {
    /// The tensors that this node owns.
    pub fn parameters(&self) -> Vec<Parameter> {
        let make = |suffix: &str, shape: Vec<i64>, init| Parameter {
            name: format!("{}.{suffix}", self.name),
            shape,
            init,
            trainable: !suffix.starts_with("running"),
            is_slope: suffix == "slope",
        };
        let (zero, one) = (Init::Constant(0.0), Init::Constant(1.0));
        match self.op {
            Op::Conv {
                input,
                output,
                kernel,
                groups,
                bias,
                init,
                ..
            } => {
                let shape = vec![output, input / groups, kernel, kernel];
                let bias = bias.then(|| make("bias", vec![output], zero));
                std::iter::once(make("weight", shape, init))
                    .chain(bias)
                    .collect()
            }
            Op::BatchNorm(channels) => [
                ("weight", one),
                ("bias", zero),
                ("running_mean", zero),
                ("running_var", one),
            ]
            .map(|(suffix, init)| make(suffix, vec![channels], init))
            .into(),
            Op::Activation(Activation::Prelu, channels) => {
                vec![make("slope", vec![channels], Init::Constant(0.25))]
            }
            Op::Activation(Activation::SharedPrelu, _) => {
                vec![make("slope", vec![1], Init::Constant(0.25))]
            }
            Op::Linear { input, output } => vec![
                make("weight", vec![output, input], Init::Xavier),
                make("bias", vec![output], zero),
            ],
            Op::Input | Op::Add | Op::Flatten | Op::Activation(Activation::Relu, _) => vec![],
        }
    }
}

impl Graph {
    /// The crop that a backbone takes.
    ///
    /// # Panics
    /// If no template has the size of the input, as with a network that takes whole frames.
    pub fn template(&self) -> AlignTemplate {
        AlignTemplate::ALL
            .into_iter()
            .find(|t| [t.height() as i64, t.width() as i64] == self.size)
            .expect("a backbone takes crops")
    }

    /// Numbers in an embedding.
    pub fn embedding_len(&self) -> i64 {
        self.outputs[0].shape.iter().product()
    }

    /// All tensors of all nodes, in order.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        self.nodes.iter().flat_map(Node::parameters)
    }

    /// Learned numbers.
    pub fn parameter_count(&self) -> i64 {
        let trainable = self.parameters().filter(|p| p.trainable);
        trainable.map(|p| p.shape.iter().product::<i64>()).sum()
    }
}

/// Appends nodes, each to the one before unless said otherwise.
pub(super) struct Builder {
    nodes: Vec<Node>,
    /// What the next node is appended to.
    end: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        let input = Node {
            name: "input".into(),
            op: Op::Input,
            inputs: vec![],
        };
        Self {
            nodes: vec![input],
            end: 0,
        }
    }

    /// Index of the node that the next one is appended to: the newest, or where a branch began.
    pub(super) fn last(&self) -> usize {
        self.end
    }

    /// Begins another branch at an earlier node.
    pub(super) fn back_to(&mut self, earlier: usize) {
        self.end = earlier;
    }

    fn push(&mut self, name: &str, op: Op, inputs: Vec<usize>) -> &mut Self {
        self.end = self.nodes.len();
        self.nodes.push(Node {
            name: name.into(),
            op,
            inputs,
        });
        self
    }

    /// Appends a node.
    pub(super) fn then(&mut self, name: &str, op: Op) -> &mut Self {
        let inputs = vec![self.end];
        self.push(name, op, inputs)
    }

    /// Appends a square convolution of `[input, output]` channels in so many groups, and its batch
    /// norm.
    pub(super) fn conv_norm(
        &mut self,
        name: &str,
        [input, output]: [i64; 2],
        kernel: i64,
        stride: i64,
        padding: i64,
        groups: i64,
    ) -> &mut Self {
        // Kaiming's deviation by what a channel really feeds: PyTorch's counts all groups, which
        // makes depthwise weights tiny and the steps that batch norm then lets them take huge.
        let fan_out = (output / groups * kernel * kernel) as f64;
        let conv = Op::Conv {
            input,
            output,
            kernel,
            stride,
            padding,
            groups,
            bias: false,
            init: Init::Gaussian((2.0 / fan_out).sqrt()),
        };
        self.then(name, conv)
            .then(&format!("{name}.norm"), Op::BatchNorm(output))
    }

    /// Adds the value of an earlier node to the last one.
    pub(super) fn add(&mut self, name: &str, earlier: usize) -> &mut Self {
        let inputs = vec![earlier, self.end];
        self.push(name, Op::Add, inputs)
    }

    /// # Panics
    /// If a norm does not follow a convolution: the export could not fold it.
    pub(super) fn finish(self, name: String, size: [i64; 2], outputs: Vec<Output>) -> Graph {
        for (i, node) in self.nodes.iter().enumerate() {
            let is_norm = matches!(node.op, Op::BatchNorm(_));
            let foldable =
                || node.inputs == [i - 1] && matches!(self.nodes[i - 1].op, Op::Conv { .. });
            assert!(
                !is_norm || foldable(),
                "{} does not follow a convolution",
                node.name
            );
        }
        Graph {
            name,
            size,
            outputs,
            nodes: self.nodes,
        }
    }

    /// The newest node is the raw embedding of a crop.
    ///
    /// # Panics
    /// As [`Self::finish`].
    pub(super) fn finish_backbone(
        self,
        name: String,
        template: AlignTemplate,
        embedding_len: i64,
    ) -> Graph {
        let embedding = Output {
            name: "face_embedding".into(),
            node: self.last(),
            shape: vec![1, embedding_len],
        };
        let size = [template.height() as i64, template.width() as i64];
        self.finish(name, size, vec![embedding])
    }
}
