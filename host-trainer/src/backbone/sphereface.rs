//! SphereFace's 20-layer residual network, as the AM-Softmax paper trains it.

use super::graph::{Activation, Builder, Graph, Init, Op};
use shared::align::AlignTemplate;

/// Numbers in the embedding.
const EMBEDDING_LEN: i64 = 512;

/// Four stages: output channels, and how many residual blocks follow the strided convolution.
const STAGES: [(i64, usize); 4] = [(64, 1), (128, 2), (256, 4), (512, 1)];

/// 112x96 input, 512-d; PReLU after each of the twenty convolutions, no batch norm (Liu et al.
/// 2017, arXiv:1704.08063).
pub fn sphereface20() -> Graph {
    sphereface20_with(Activation::Prelu)
}

/// The same with another activation, as integers want it.
pub fn sphereface20_with(activation: Activation) -> Graph {
    let mut builder = Builder::new();
    let mut channels = 3;
    for (stage, (output, blocks)) in (1..).zip(STAGES) {
        conv(
            &mut builder,
            activation,
            stage,
            1,
            channels,
            output,
            2,
            true,
            Init::Xavier,
        );
        channels = output;
        for block in 0..blocks {
            let before = builder.last();
            for layer in [2 * block + 2, 2 * block + 3] {
                conv(
                    &mut builder,
                    activation,
                    stage,
                    layer,
                    channels,
                    channels,
                    1,
                    false,
                    Init::Gaussian(0.01),
                );
            }
            builder.add(&format!("res{stage}_{}", 2 * block + 3), before);
        }
    }
    // Four halvings of 112x96 leave 7x6.
    builder.then("flatten", Op::Flatten).then(
        "fc5",
        Op::Linear {
            input: channels * 7 * 6,
            output: EMBEDDING_LEN,
        },
    );
    let name = match activation {
        Activation::Prelu => "sphereface20",
        Activation::SharedPrelu => "sphereface20, shared-prelu",
        Activation::Relu => "sphereface20, relu",
    };
    builder.finish_backbone(name.into(), AlignTemplate::Sphereface112x96, EMBEDDING_LEN)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the columns of the paper's table"
)]
fn conv(
    builder: &mut Builder,
    activation: Activation,
    stage: usize,
    layer: usize,
    input: i64,
    output: i64,
    stride: i64,
    bias: bool,
    init: Init,
) {
    let op = Op::Conv {
        input,
        output,
        kernel: 3,
        stride,
        padding: 1,
        groups: 1,
        bias,
        init,
    };
    builder.then(&format!("conv{stage}_{layer}"), op).then(
        &format!("prelu{stage}_{layer}"),
        Op::Activation(activation, output),
    );
}
