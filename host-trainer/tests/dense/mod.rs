//! A small residual network of dense convolutions with norms, as the tests quantize it.

use host_trainer::backbone::graph::{Activation, Graph, Init, Node, Op, Output};

/// Numbers in an embedding.
const LEN: i64 = 64;

struct Nodes(Vec<Node>);

impl Nodes {
    fn push(&mut self, name: &str, op: Op, inputs: Vec<usize>) -> usize {
        self.0.push(Node {
            name: name.into(),
            op,
            inputs,
        });
        self.0.len() - 1
    }

    fn conv(&mut self, name: &str, shape: [i64; 5], from: usize) -> usize {
        let [input, output, kernel, stride, groups] = shape;
        let op = Op::Conv {
            input,
            output,
            kernel,
            stride,
            padding: if kernel == 3 { 1 } else { 0 },
            groups,
            bias: false,
            init: Init::Xavier,
        };
        let conv = self.push(name, op, vec![from]);
        self.push(&format!("{name}.norm"), Op::BatchNorm(output), vec![conv])
    }
}

/// 112x112: three strided stages, a block of two convolutions after the second and third, a
/// global convolution for each channel, a linear one.
pub(crate) fn dense(activation: Activation) -> Graph {
    let mut nodes = Nodes(vec![]);
    let mut last = nodes.push("input", Op::Input, vec![]);
    let mut channels = 3;
    for (stage, output) in (1..).zip([16, 24, 32, 48]) {
        let name = format!("stage{stage}");
        last = nodes.conv(&name, [channels, output, 3, 2, 1], last);
        let op = || Op::Activation(activation, output);
        last = nodes.push(&format!("{name}.act"), op(), vec![last]);
        if stage > 1 {
            let a = nodes.conv(&format!("{name}a"), [output, output, 3, 1, 1], last);
            let a = nodes.push(&format!("{name}a.act"), op(), vec![a]);
            let b = nodes.conv(&format!("{name}b"), [output, output, 3, 1, 1], a);
            let sum = nodes.push(&format!("{name}.sum"), Op::Add, vec![last, b]);
            last = nodes.push(&format!("{name}b.act"), op(), vec![sum]);
        }
        channels = output;
    }
    last = nodes.conv("global", [channels, channels, 7, 1, channels], last);
    last = nodes.conv("linear", [channels, LEN, 1, 1, 1], last);
    last = nodes.push("flatten", Op::Flatten, vec![last]);
    Graph {
        name: format!("dense {activation:?}"),
        size: [112, 112],
        outputs: vec![Output {
            name: "face_embedding".into(),
            node: last,
            shape: vec![1, LEN],
        }],
        nodes: nodes.0,
    }
}
