//! The detector's loss.

use super::target::{EITHER, FACE};
use tch::{Kind, Reduction, Tensor};

/// Focal loss (Lin et al. 2017, arXiv:1708.02002): weight of faces, and the power that quiets what
/// is already right.
const ALPHA: f64 = 0.25;
const GAMMA: f64 = 2.0;
/// Weight of the landmarks' loss beside that of the scores.
const LANDMARKS: f64 = 5.0;
/// Errors smaller than this share of the distance between the eyes are squared, larger ones not.
const BETA: f64 = 0.02;
/// Distance between the eyes in sides of the crop: that of the alignment's template.
const EYES: f64 = 35.24 / 112.0;

/// Outputs and targets of a batch, over all cells of all levels.
pub(super) struct Cells {
    /// Logits, `[B, N]` f32.
    pub(super) scores: Tensor,
    /// Offsets in strides, `[B, N, 10]` f32.
    pub(super) landmarks: Tensor,
    /// `[B, N]`: face, none or either.
    pub(super) kinds: Tensor,
    /// Offsets in sides of the face, `[B, N, 10]`.
    pub(super) offsets: Tensor,
    /// Sides of the face in strides, `[B, N]`.
    pub(super) sides: Tensor,
}

/// The loss, and how much of it is for the scores.
pub(super) fn loss(cells: &Cells) -> (Tensor, Tensor) {
    let is_face = cells.kinds.eq(f64::from(FACE));
    let weight = is_face.to_kind(Kind::Float);
    let count = weight.sum(Kind::Float).clamp_min(1.0);
    let decided = cells.kinds.ne(f64::from(EITHER)).to_kind(Kind::Float);
    let entropy = cells.scores.binary_cross_entropy_with_logits::<Tensor>(
        &weight,
        None,
        None,
        Reduction::None,
    );
    let probability = cells.scores.sigmoid();
    // The probability of the wrong answer.
    let wrong = &probability + &weight - (&probability * &weight) * 2.0;
    let balance = &weight * (2.0 * ALPHA - 1.0) + (1.0 - ALPHA);
    let focal = balance * wrong.pow_tensor_scalar(GAMMA) * entropy * decided;
    let scores = focal.sum(Kind::Float) / &count;
    let predicted = &cells.landmarks / cells.sides.unsqueeze(-1);
    let error = (predicted - &cells.offsets) / EYES;
    let error = error.smooth_l1_loss(&error.zeros_like(), Reduction::None, BETA);
    let mean = error.mean_dim(-1, false, Kind::Float) * weight;
    let landmarks = mean.sum(Kind::Float) / count;
    (&scores + landmarks * LANDMARKS, scores)
}
