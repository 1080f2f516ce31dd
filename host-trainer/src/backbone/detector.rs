//! The face detector: strided and residual 3x3 convolutions, and a head at strides 8, 16 and 32.
//! Dense convolutions alone, which is what tract runs fastest.

use super::graph::{Activation, Builder, Graph, Init, Op, Output};

/// Width and height of the frames it takes, in pixels.
pub const FRAME: [i64; 2] = [160, 120];

/// Channels of the stages, at strides 2, 4, 8, 16 and 32, at width 1.
const CHANNELS: [i64; 5] = [16, 24, 56, 96, 96];
/// Residual convolutions after the strided one of each stage.
const RESIDUALS: [usize; 5] = [0, 1, 2, 1, 1];
/// The first stage that has a head.
const FIRST_HEAD: usize = 2;

/// Names of the outputs of a level: one score a cell, a logit, and ten numbers, the places of the
/// landmarks (x and y in turn) from the middle of the cell in units of the stride.
pub fn output_names(stride: i64) -> [String; 2] {
    [format!("score_{stride}"), format!("landmarks_{stride}")]
}

/// Strides of the levels that have a head.
pub fn strides() -> impl Iterator<Item = i64> {
    (FIRST_HEAD..CHANNELS.len()).map(|stage| 2 << stage)
}

/// Columns and rows of the cells of a level.
pub fn cells(stride: i64) -> [i64; 2] {
    FRAME.map(|side| (side + stride - 1) / stride)
}

/// Outputs `score_<stride>` `[B, 1, rows, columns]` and `landmarks_<stride>` `[B, 10, rows,
/// columns]`. Channels are multiplied by `width` and rounded to multiples of 8.
pub fn detector(width: f64, activation: Activation) -> Graph {
    let mut layers = Layers {
        builder: Builder::new(),
        activation,
    };
    let (mut channels, mut outputs) = (3, Vec::new());
    for (stage, (base, residuals)) in CHANNELS.into_iter().zip(RESIDUALS).enumerate() {
        let stage_channels = ((base as f64 * width / 8.0).round() as i64 * 8).max(8);
        layers.conv(
            &format!("stage{stage}.down"),
            [channels, stage_channels],
            3,
            2,
        );
        channels = stage_channels;
        for i in 1..=residuals {
            let before = layers.builder.last();
            layers.conv(&format!("stage{stage}.{i}"), [channels; 2], 3, 1);
            layers.builder.add(&format!("stage{stage}.{i}.add"), before);
        }
        if stage >= FIRST_HEAD {
            let trunk = layers.builder.last();
            outputs.extend(layers.head(2 << stage, channels));
            layers.builder.back_to(trunk);
        }
    }
    let [columns, rows] = FRAME;
    layers
        .builder
        .finish(format!("detector x{width}"), [rows, columns], outputs)
}

struct Layers {
    builder: Builder,
    activation: Activation,
}

impl Layers {
    /// Convolution, batch norm and activation.
    fn conv(&mut self, name: &str, [input, output]: [i64; 2], kernel: i64, stride: i64) {
        self.linear_conv(name, [input, output], kernel, stride, false);
        self.builder
            .then(&format!("{name}.norm"), Op::BatchNorm(output))
            .then(
                &format!("{name}.activation"),
                Op::Activation(self.activation, output),
            );
    }

    fn linear_conv(
        &mut self,
        name: &str,
        [input, output]: [i64; 2],
        kernel: i64,
        stride: i64,
        bias: bool,
    ) {
        let fan_out = (output * kernel * kernel) as f64;
        let conv = Op::Conv {
            input,
            output,
            kernel,
            stride,
            padding: kernel / 2,
            groups: 1,
            bias,
            init: Init::Gaussian((2.0 / fan_out).sqrt().min(0.1)),
        };
        self.builder.then(name, conv);
    }

    /// A hidden layer, then scores and landmarks.
    fn head(&mut self, stride: i64, channels: i64) -> [Output; 2] {
        let name = format!("head{stride}");
        self.conv(&name, [channels; 2], 1, 1);
        let hidden = self.builder.last();
        let [columns, rows] = cells(stride);
        let parts = output_names(stride).into_iter().zip([1, 10]);
        let outputs = parts.map(|(output, numbers)| {
            self.builder.back_to(hidden);
            self.linear_conv(&format!("{output}.conv"), [channels, numbers], 1, 1, true);
            Output {
                name: output,
                node: self.builder.last(),
                shape: vec![1, numbers, rows, columns],
            }
        });
        outputs.collect::<Vec<_>>().try_into().expect("two parts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_costs_less_than_a_twentieth_of_a_giga_multiply_add() {
        let cost = detector(1.0, Activation::Relu).multiply_adds();
        assert!((40_000_000..=50_000_000).contains(&cost), "{cost}");
    }

    #[test]
    fn every_level_has_the_cells_that_cover_the_frame() {
        let levels: Vec<_> = strides().map(|s| (s, cells(s))).collect();
        assert_eq!(levels, [(8, [20, 15]), (16, [10, 8]), (32, [5, 4])]);
        let graph = detector(1.0, Activation::Relu);
        let sum: i64 = graph
            .outputs
            .iter()
            .map(|o| o.shape.iter().product::<i64>())
            .sum();
        assert_eq!(sum, 11 * (300 + 80 + 20));
    }
}
