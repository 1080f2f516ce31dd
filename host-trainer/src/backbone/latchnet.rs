//! LatchNet: a residual network drawn for the door's runtime.
//!
//! That computes a dense convolution near the speed of the processor and a depthwise one far
//! below, the more so the larger the image is. So what halves the image is dense, no stage is wide
//! while the image is large, and each activation fuses into the convolution before it. Blocks are
//! two dense 3x3 convolutions, or few depthwise ones between 1x1 convolutions
//! ([`Shape::expansion`]).

use super::graph::{Activation, Builder, Graph, Op};
use shared::align::AlignTemplate;

/// Stages after the stem, at 28x28, 14x14 and 7x7.
pub const STAGES: usize = 3;

/// Layers of a LatchNet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Channels of the stem, at 56x56.
    pub stem: i64,
    /// Channels of each stage.
    pub channels: [i64; STAGES],
    /// Residual blocks after the strided convolution that begins each stage.
    pub blocks: [u32; STAGES],
    /// Of two dense 3x3 convolutions if it is 0; else of a depthwise one, of so many times the
    /// channels, between 1x1 convolutions, the last without activation.
    pub expansion: i64,
    /// Channels that the last stage is widened to before its places are weighed.
    pub head: i64,
}

/// 112x112 input.
pub fn latchnet(shape: &Shape, embedding_len: i64, activation: Activation) -> Graph {
    let mut layers = Layers {
        builder: Builder::new(),
        channels: 3,
        activation,
    };
    layers.conv("stem", shape.stem, 3, 2);
    for (stage, (channels, blocks)) in (1..).zip(shape.channels.into_iter().zip(shape.blocks)) {
        layers.conv(&format!("stage{stage}.down"), channels, 3, 2);
        for block in 1..=blocks {
            let before = layers.builder.last();
            let name = format!("stage{stage}.{block}");
            layers.block(&name, channels, shape.expansion);
            layers.builder.add(&format!("{name}.add"), before);
        }
    }
    layers.conv("widen", shape.head, 1, 1);
    // A weight for each place, where pooling has one for all.
    layers.convolution("global", shape.head, 7, 1, shape.head, 0);
    layers.convolution("embedding", embedding_len, 1, 1, 1, 0);
    layers.builder.then("flatten", Op::Flatten);
    layers.builder.finish_backbone(
        format!("{shape}, {embedding_len}-d"),
        AlignTemplate::Arcface112x112,
        embedding_len,
    )
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |numbers: &[String]| numbers.join("-");
        let channels = self.channels.map(|n| n.to_string());
        let blocks = self.blocks.map(|n| n.to_string());
        write!(
            f,
            "latchnet {}, {} with {} blocks",
            self.stem,
            list(&channels),
            list(&blocks),
        )?;
        if self.expansion > 0 {
            write!(f, " expanded by {}", self.expansion)?;
        }
        write!(f, ", {}", self.head)
    }
}

struct Layers {
    builder: Builder,
    /// Of the newest node.
    channels: i64,
    activation: Activation,
}

impl Layers {
    /// What is added to `channels` channels.
    fn block(&mut self, name: &str, channels: i64, expansion: i64) {
        if expansion == 0 {
            self.conv(&format!("{name}a"), channels, 3, 1);
            self.conv(&format!("{name}b"), channels, 3, 1);
            return;
        }
        let wide = channels * expansion;
        self.conv(&format!("{name}.expand"), wide, 1, 1);
        self.grouped(&format!("{name}.depthwise"), wide, 3, 1, wide);
        self.convolution(&format!("{name}.project"), channels, 1, 1, 1, 0);
    }

    /// Dense convolution that keeps the size (up to the stride), batch norm and activation.
    fn conv(&mut self, name: &str, output: i64, kernel: i64, stride: i64) {
        self.grouped(name, output, kernel, stride, 1);
    }

    fn grouped(&mut self, name: &str, output: i64, kernel: i64, stride: i64, groups: i64) {
        self.convolution(name, output, kernel, stride, groups, kernel / 2);
        let op = Op::Activation(self.activation, output);
        self.builder.then(&format!("{name}.activation"), op);
    }

    /// Convolution and batch norm.
    fn convolution(
        &mut self,
        name: &str,
        output: i64,
        kernel: i64,
        stride: i64,
        groups: i64,
        padding: i64,
    ) {
        let channels = [self.channels, output];
        self.builder
            .conv_norm(name, channels, kernel, stride, padding, groups);
        self.channels = output;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_that_computed_by_hand() {
        let shape = Shape {
            stem: 32,
            channels: [48, 96, 192],
            blocks: [1, 2, 1],
            expansion: 0,
            head: 512,
        };
        let graph = latchnet(&shape, 128, Activation::SharedPrelu);
        let stem = 9 * 56 * 56 * 3 * 32;
        let first = 9 * 28 * 28 * (32 * 48 + 2 * 48 * 48);
        let second = 9 * 14 * 14 * (48 * 96 + 4 * 96 * 96);
        let third = 9 * 7 * 7 * (96 * 192 + 2 * 192 * 192);
        let head = 7 * 7 * (192 * 512 + 512) + 512 * 128;
        assert_eq!(graph.multiply_adds(), stem + first + second + third + head);
        assert_eq!(
            graph.name,
            "latchnet 32, 48-96-192 with 1-2-1 blocks, 512, 128-d"
        );
    }

    #[test]
    fn the_cost_of_expanded_blocks_is_that_computed_by_hand() {
        let shape = Shape {
            stem: 32,
            channels: [64, 128, 128],
            blocks: [2, 1, 0],
            expansion: 2,
            head: 512,
        };
        let graph = latchnet(&shape, 128, Activation::SharedPrelu);
        let block = |channels: i64| 2 * 2 * channels * channels + 9 * 2 * channels;
        let stem = 9 * 56 * 56 * 3 * 32;
        let first = 28 * 28 * (9 * 32 * 64 + 2 * block(64));
        let second = 14 * 14 * (9 * 64 * 128 + block(128));
        let third = 7 * 7 * 9 * 128 * 128;
        let head = 7 * 7 * (128 * 512 + 512) + 512 * 128;
        assert_eq!(graph.multiply_adds(), stem + first + second + third + head);
        assert_eq!(
            graph.name,
            "latchnet 32, 64-128-128 with 2-1-0 blocks expanded by 2, 512, 128-d"
        );
        // What a block adds may have either sign.
        let adds = graph.nodes.iter().filter(|n| n.op == Op::Add);
        let added = |n: &super::super::graph::Node| {
            let of = n.inputs.iter().map(|i| &graph.nodes[*i].op);
            of.filter(|op| matches!(op, Op::BatchNorm(_))).count()
        };
        assert_eq!(adds.map(added).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn no_convolution_but_the_last_place_is_depthwise() {
        let shape = Shape {
            stem: 8,
            channels: [8, 16, 24],
            blocks: [0, 1, 2],
            expansion: 0,
            head: 32,
        };
        let graph = latchnet(&shape, 64, Activation::Relu);
        let grouped = graph
            .nodes
            .iter()
            .filter(|n| matches!(n.op, Op::Conv { groups, .. } if groups > 1));
        assert_eq!(
            grouped.map(|n| n.name.as_str()).collect::<Vec<_>>(),
            ["global"]
        );
        let adds = graph.nodes.iter().filter(|n| n.op == Op::Add).count();
        assert_eq!(adds, 3);
    }
}
