//! Batch norm with fixed statistics is a scale and a shift: the convolution before takes them in.

use super::Weights;
use crate::backbone::NORM_EPSILON;
use crate::backbone::graph::{Graph, Node, Op};

/// The same network without norms: each convolution has taken in the norm after it, and all of
/// them have a bias.
///
/// # Panics
/// If `weights` are not those of `graph`.
pub fn folded(graph: &Graph, weights: &Weights) -> (Graph, Weights) {
    let mut plain = Graph {
        nodes: Vec::with_capacity(graph.nodes.len()),
        ..graph.clone()
    };
    let mut kept = Weights::new();
    // Where each node of the graph is now; a norm is where its convolution is.
    let mut moved: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    for (i, node) in graph.nodes.iter().enumerate() {
        if matches!(node.op, Op::BatchNorm(_)) {
            moved.push(moved[node.inputs[0]]);
            continue;
        }
        let mut node = node.clone();
        node.inputs
            .iter_mut()
            .for_each(|input| *input = moved[*input]);
        if let Op::Conv { output, bias, .. } = &mut node.op {
            let norm = graph.nodes.get(i + 1);
            let norm = norm.filter(|next| matches!(next.op, Op::BatchNorm(_)));
            let convolution = convolution(&node.name, *output, *bias, norm, weights);
            *bias = true;
            kept.insert(format!("{}.weight", node.name), convolution.weight);
            kept.insert(format!("{}.bias", node.name), convolution.bias);
        } else {
            let own = node.parameters().into_iter().map(|p| p.name);
            kept.extend(own.map(|name| (name.clone(), weights[&name].clone())));
        }
        moved.push(plain.nodes.len());
        plain.nodes.push(node);
    }
    for output in &mut plain.outputs {
        output.node = moved[output.node];
    }
    (plain, kept)
}

/// A convolution's numbers, those of the norm after it taken in.
fn convolution(
    name: &str,
    output: i64,
    bias: bool,
    norm: Option<&Node>,
    weights: &Weights,
) -> Convolution {
    let convolution = Convolution {
        weight: weights[&format!("{name}.weight")].clone(),
        bias: match bias {
            true => weights[&format!("{name}.bias")].clone(),
            false => vec![0.0; output as usize],
        },
    };
    match norm {
        Some(norm) => fold_norm(convolution, &norm.name, weights),
        None => convolution,
    }
}

/// Weights `[output, ...]` and bias `[output]` of a convolution.
struct Convolution {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The convolution that gives what `convolution` and the norm of that name give one after the
/// other, in f64 until the end.
fn fold_norm(convolution: Convolution, norm: &str, weights: &Weights) -> Convolution {
    let of =
        |suffix: &str, channel: usize| f64::from(weights[&format!("{norm}.{suffix}")][channel]);
    let scale = |c: usize| of("weight", c) / (of("running_var", c) + NORM_EPSILON).sqrt();
    let row = convolution.weight.len() / convolution.bias.len();
    let scaled = |(i, w): (usize, &f32)| (f64::from(*w) * scale(i / row)) as f32;
    let shifted = |(c, b): (usize, &f32)| {
        ((f64::from(*b) - of("running_mean", c)) * scale(c) + of("bias", c)) as f32
    };
    Convolution {
        weight: convolution.weight.iter().enumerate().map(scaled).collect(),
        bias: convolution.bias.iter().enumerate().map(shifted).collect(),
    }
}
