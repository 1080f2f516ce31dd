//! What each loss makes of the true class's cosine.

use super::LossConfig;
use std::f64::consts::PI;
use tch::Tensor;

/// Cosines nearer to 1 than this have no arc sine gradient that a float can hold.
const EDGE: f64 = 1e-6;

/// AM-Softmax: `cos t - margin`.
pub(super) fn am_softmax(cosine: &Tensor, margin: f64) -> Tensor {
    cosine - margin
}

/// ArcFace (Deng et al. 2019, arXiv:1801.07698): `cos(t + margin)`; where `t + margin` would pass
/// 180 degrees, `cos t - margin sin(margin)` as its authors' code has it, so that it falls everywhere.
pub(super) fn arcface(cosine: &Tensor, margin: f64) -> Tensor {
    let cosine = cosine.clamp(EDGE - 1.0, 1.0 - EDGE);
    let sine = (-cosine.square() + 1.0).sqrt();
    let turned = &cosine * margin.cos() - sine * margin.sin();
    let beyond = &cosine - margin * margin.sin();
    turned.where_self(&cosine.gt((PI - margin).cos()), &beyond)
}

/// A-Softmax (Liu et al. 2017, arXiv:1704.08063): `psi(t) = (-1)^k cos(m t) - 2k` for `t` between
/// `k pi / m` and `(k + 1) pi / m`, with `lambda` shares of `cos t` mixed in.
pub(super) fn a_softmax(cosine: &Tensor, margin: u32, lambda: f64) -> Tensor {
    // cos(m t) is the Chebyshev polynomial of cos t: no arc cosine, whose gradient is infinite at 1.
    let (mut before, mut multiple) = (cosine.ones_like(), cosine.shallow_clone());
    for _ in 1..margin {
        let next = cosine * &multiple * 2.0 - before;
        (before, multiple) = (multiple, next);
    }
    let mut k = cosine.zeros_like();
    for j in 1..margin {
        k += cosine.lt((f64::from(j) * PI / f64::from(margin)).cos());
    }
    let sign = k.remainder(2.0) * -2.0 + 1.0;
    let psi = sign * multiple - k * 2.0;
    (cosine * lambda + psi) / (1.0 + lambda)
}

impl LossConfig {
    /// What takes the place of the true class's cosines at a step; any shape.
    pub(super) fn target(&self, cosine: &Tensor, step: u64) -> Tensor {
        match self {
            Self::Softmax { .. } | Self::NormFace { .. } => cosine.shallow_clone(),
            Self::ASoftmax { margin, lambda, .. } => a_softmax(cosine, *margin, lambda.at(step)),
            Self::AmSoftmax { margin, .. } => am_softmax(cosine, margin.at(step)),
            Self::ArcFace { margin, .. } => arcface(cosine, margin.at(step)),
        }
    }
}

/// The true class's logit by its cosine, without the scale and with the margin as it ends up: what
/// a curve of the loss shows. Softmax's own classifier is not normalized; its curve is that of
/// unit weights and features.
pub fn target_logit(config: &LossConfig, cosine: f64) -> f64 {
    let target = config.target(&Tensor::from_slice(&[cosine]), u64::MAX);
    target.double_value(&[0])
}
