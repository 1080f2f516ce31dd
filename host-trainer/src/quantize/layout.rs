//! Which values of a network become bytes, by its graph alone.

use super::QuantizeError;
use crate::backbone::graph::{Activation, Graph, Node, Op};

/// A layer of more weights takes an input whose zero is the byte 0: tract sums up the weights for
/// every face otherwise, since it folds no constant over 4 MiB (as 32-bit numbers).
const MOST_FOLDED_WEIGHTS: i64 = 1 << 20;

/// What becomes of a node's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Bytes {
        /// Zero is the byte 0.
        symmetric: bool,
    },
    /// The bytes of its input, in another shape.
    Reshaped,
    /// Not rounded: the activation that follows is computed with it.
    Inner,
    /// Leaves the network as floats, computed from integers.
    Float,
}

/// Of each node of a graph without norms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// As many as the graph has nodes.
    pub kinds: Vec<Kind>,
}

impl Layout {
    /// Lays a graph without norms out.
    ///
    /// # Errors
    /// [`QuantizeError::Unsupported`], which names the node.
    pub fn new(graph: &Graph) -> Result<Self, QuantizeError> {
        quantizable(graph)?;
        let users = Users::of(graph);
        let mut kinds = Vec::with_capacity(graph.nodes.len());
        for (i, node) in graph.nodes.iter().enumerate() {
            let kind = match node.op {
                Op::Flatten if kinds[node.inputs[0]] == Kind::Float => Kind::Float,
                Op::Flatten => Kind::Reshaped,
                Op::Input => users.bytes(graph, i),
                _ if users.leaves(graph, i) => Kind::Float,
                _ if users.feeds_an_activation(graph, i) => Kind::Inner,
                _ => users.bytes(graph, i),
            };
            kinds.push(kind);
        }
        Ok(Self { kinds })
    }
}

/// Whether a backbone goes into integers, before it is trained.
///
/// # Errors
/// [`QuantizeError::Unsupported`], which names the node.
pub fn quantizable(graph: &Graph) -> Result<(), QuantizeError> {
    for (node, size) in graph.nodes.iter().zip(graph.sizes()) {
        supported(node, size)?;
    }
    Ok(())
}

fn supported(node: &Node, size: [i64; 2]) -> Result<(), QuantizeError> {
    let refused = |operator, reason| {
        let node = node.name.clone();
        Err(QuantizeError::Unsupported {
            node,
            operator,
            reason,
        })
    };
    match node.op {
        Op::Activation(Activation::Prelu, _) => {
            refused("PRelu", "a slope for each channel does not fuse")
        }
        Op::Conv { groups, .. } if groups > 1 && size != [1, 1] => refused(
            "convolution in groups",
            "a depthwise convolution is slower in integers than in floats",
        ),
        _ => Ok(()),
    }
}

/// Which nodes take each node's value.
struct Users(Vec<Vec<usize>>);

impl Users {
    fn of(graph: &Graph) -> Self {
        let mut users = vec![vec![]; graph.nodes.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|input| users[*input].push(i));
        }
        Self(users)
    }

    fn is_output(graph: &Graph, i: usize) -> bool {
        graph.outputs.iter().any(|output| output.node == i)
    }

    /// Whether the value goes out, perhaps in another shape, and nowhere else.
    fn leaves(&self, graph: &Graph, i: usize) -> bool {
        match self.0[i].as_slice() {
            [] => Self::is_output(graph, i),
            [only] if !Self::is_output(graph, i) => match graph.nodes[*only].op {
                Op::Flatten | Op::Activation(..) => self.leaves(graph, *only),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the value need not be rounded before the activation that alone takes it. After a
    /// convolution a Relu cuts off what the rounding cuts off; a sum is computed in floats anyway.
    fn feeds_an_activation(&self, graph: &Graph, i: usize) -> bool {
        let [only] = self.0[i].as_slice() else {
            return false;
        };
        let is_output = Self::is_output(graph, i);
        match (&graph.nodes[i].op, &graph.nodes[*only].op) {
            (Op::Add, Op::Activation(..)) => !is_output,
            (Op::Conv { .. } | Op::Linear { .. }, Op::Activation(Activation::Relu, _)) => {
                !is_output
            }
            _ => false,
        }
    }

    fn bytes(&self, graph: &Graph, i: usize) -> Kind {
        Kind::Bytes {
            symmetric: self.feeds_a_large_layer(graph, i),
        }
    }

    fn feeds_a_large_layer(&self, graph: &Graph, i: usize) -> bool {
        self.0[i].iter().any(|user| match graph.nodes[*user].op {
            Op::Flatten => self.feeds_a_large_layer(graph, *user),
            Op::Conv { .. } | Op::Linear { .. } => {
                let weights = graph.nodes[*user].parameters().swap_remove(0);
                weights.shape.iter().product::<i64>() > MOST_FOLDED_WEIGHTS
            }
            _ => false,
        })
    }
}
