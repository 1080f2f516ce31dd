//! Batch norm with fixed statistics is a scale and a shift: the convolution before takes them in.

use super::Weights;
use crate::backbone::NORM_EPSILON;

/// Weights `[output, ...]` and bias `[output]` of a convolution.
pub(super) struct Convolution {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// The convolution that gives what `convolution` and the norm of that name give one after the
/// other, in f64 until the end.
pub(super) fn fold_norm(convolution: Convolution, norm: &str, weights: &Weights) -> Convolution {
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
