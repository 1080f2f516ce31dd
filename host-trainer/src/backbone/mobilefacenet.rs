//! MobileFaceNet (Chen et al. 2018, arXiv:1804.07573), with a width multiplier.

use super::graph::{Activation, Builder, Graph, Op};
use shared::align::AlignTemplate;

/// Expansion, output channels, how many blocks, stride of the first: table 1 of the paper.
const BOTTLENECKS: [(i64, i64, usize, i64); 5] = [
    (2, 64, 5, 2),
    (4, 128, 1, 2),
    (2, 128, 6, 1),
    (4, 128, 1, 2),
    (2, 128, 2, 1),
];

/// 112x112 input. Channels are multiplied by `width` and rounded to multiples of 8, which fill
/// the door's kernels.
pub fn mobilefacenet(width: f64, embedding_len: i64, activation: Activation) -> Graph {
    let scaled = |channels: i64| ((channels as f64 * width / 8.0).round() as i64 * 8).max(8);
    let mut layers = Layers {
        builder: Builder::new(),
        channels: 3,
        activation,
    };
    layers.conv("conv1", scaled(64), 3, 2, 1).activate("conv1");
    layers
        .conv("conv2", scaled(64), 3, 1, scaled(64))
        .activate("conv2");
    for (group, (expansion, output, count, stride)) in (1..).zip(BOTTLENECKS) {
        for block in 1..=count {
            let stride = if block == 1 { stride } else { 1 };
            layers.bottleneck(
                &format!("block{group}_{block}"),
                expansion,
                scaled(output),
                stride,
            );
        }
    }
    layers.conv("conv3", scaled(512), 1, 1, 1).activate("conv3");
    // The global depthwise convolution: one weight for each place, where pooling has one for all.
    layers.valid_conv("global", scaled(512), 7, scaled(512));
    layers.valid_conv("embedding", embedding_len, 1, 1);
    layers.builder.then("flatten", Op::Flatten);
    let name = format!("mobilefacenet x{width}, {embedding_len}-d");
    layers
        .builder
        .finish_backbone(name, AlignTemplate::Arcface112x112, embedding_len)
}

struct Layers {
    builder: Builder,
    /// Of the newest node.
    channels: i64,
    activation: Activation,
}

impl Layers {
    /// Convolution that keeps the size (up to the stride), and batch norm.
    fn conv(
        &mut self,
        name: &str,
        output: i64,
        kernel: i64,
        stride: i64,
        groups: i64,
    ) -> &mut Self {
        self.conv_norm(name, output, kernel, stride, kernel / 2, groups)
    }

    /// Convolution without padding, and batch norm.
    fn valid_conv(&mut self, name: &str, output: i64, kernel: i64, groups: i64) -> &mut Self {
        self.conv_norm(name, output, kernel, 1, 0, groups)
    }

    fn conv_norm(
        &mut self,
        name: &str,
        output: i64,
        kernel: i64,
        stride: i64,
        padding: i64,
        groups: i64,
    ) -> &mut Self {
        let channels = [self.channels, output];
        self.builder
            .conv_norm(name, channels, kernel, stride, padding, groups);
        self.channels = output;
        self
    }

    fn activate(&mut self, name: &str) -> &mut Self {
        let op = Op::Activation(self.activation, self.channels);
        self.builder.then(&format!("{name}.activation"), op);
        self
    }

    /// Expand, depthwise, project; added to its input where the shapes allow.
    fn bottleneck(&mut self, name: &str, expansion: i64, output: i64, stride: i64) {
        let (before, input) = (self.builder.last(), self.channels);
        let wide = input * expansion;
        let part = |part: &str| format!("{name}.{part}");
        self.conv(&part("expand"), wide, 1, 1, 1)
            .activate(&part("expand"));
        self.conv(&part("depthwise"), wide, 3, stride, wide)
            .activate(&part("depthwise"));
        self.conv(&part("project"), output, 1, 1, 1);
        if stride == 1 && input == output {
            self.builder.add(&part("add"), before);
        }
    }
}
