//! Classification losses: from embeddings and labels to a number.
//!
//! All but Softmax compare embeddings with class weights by their cosine and differ in what they
//! make of the true class's cosine (`target`); `head` holds the class weights.

mod head;
mod sample;
mod schedule;
mod target;
#[cfg(test)]
mod tests;

pub use head::{Active, Head};
pub use schedule::{FeatureNorm, Lambda, Ramp, Scale, Schedule};
pub use target::target_logit;

use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

/// The loss that a recipe asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// Linear classifier on the raw embedding, cross-entropy.
    Softmax {
        /// Share of the embedding's numbers that is dropped while training, 0 to below 1.
        #[serde(default)]
        dropout: f64,
    },
    /// Softmax on cosines, no margin (Wang et al. 2017, arXiv:1704.06369). With
    /// `scale = "feature-norm"` it is SphereFace's modified softmax.
    #[serde(rename = "normface")]
    NormFace {
        /// Multiplies the cosines.
        scale: Scale,
    },
    /// SphereFace (Liu et al. 2017, arXiv:1704.08063): `cos(margin t)` in its falling form; its
    /// authors do not normalize features.
    ASoftmax {
        /// Multiplies the cosines.
        scale: Scale,
        /// Multiplies the true class's angle, 1 to 8; 4 in the paper.
        margin: u32,
        /// How the margin comes in.
        lambda: Lambda,
    },
    /// See [`am_softmax`].
    AmSoftmax {
        /// Multiplies the cosines.
        scale: Scale,
        /// Taken from the true class's cosine, 0 to 1.
        margin: Schedule,
    },
    /// `cos(t + margin)` (Deng et al. 2019, arXiv:1801.07698).
    #[serde(rename = "arcface")]
    ArcFace {
        /// Multiplies the cosines.
        scale: Scale,
        /// Added to the true class's angle, 0 to 1.5 radians.
        margin: Schedule,
    },
}

impl LossConfig {
    /// # Errors
    /// The field without meaning and its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let told = |good: bool, reason: &str| match good {
            true => Ok(()),
            false => Err(format!("[loss] {reason}")),
        };
        if let Some(Scale::Fixed(scale)) = self.scale() {
            let positive = scale.all(|x| x > 0.0 && x.is_finite());
            told(positive, "scale must be above 0, or \"feature-norm\"")?;
        }
        match self {
            Self::Softmax { dropout } => told(
                (0.0..1.0).contains(dropout),
                "dropout must be in 0 to below 1",
            ),
            Self::NormFace { .. } => Ok(()),
            Self::ASoftmax { margin, lambda, .. } => {
                told((1..=8).contains(margin), "margin must be in 1 to 8")?;
                let Lambda { from, decay, to } = *lambda;
                let good = [from, decay, to].iter().all(|x| *x >= 0.0 && x.is_finite());
                told(good, "lambda's numbers must be at least 0")
            }
            Self::AmSoftmax { margin, .. } => told(
                margin.all(|m| (0.0..=1.0).contains(&m)),
                "margin must be in 0 to 1",
            ),
            Self::ArcFace { margin, .. } => told(
                margin.all(|m| (0.0..=1.5).contains(&m)),
                "margin must be in 0 to 1.5 radians",
            ),
        }
    }

    /// The loss that it comes to when nothing moves any more, for a training that goes on.
    pub(crate) fn at_its_end(&self) -> Self {
        let mut ended = self.clone();
        match &mut ended {
            Self::Softmax { .. } => {}
            Self::NormFace { scale } => end(scale),
            Self::ASoftmax { scale, lambda, .. } => {
                end(scale);
                lambda.from = lambda.to;
            }
            Self::AmSoftmax { scale, margin } | Self::ArcFace { scale, margin } => {
                end(scale);
                *margin = margin.at_its_end();
            }
        }
        ended
    }

    /// Softmax has none.
    fn scale(&self) -> Option<&Scale> {
        match self {
            Self::Softmax { .. } => None,
            Self::NormFace { scale }
            | Self::ASoftmax { scale, .. }
            | Self::AmSoftmax { scale, .. }
            | Self::ArcFace { scale, .. } => Some(scale),
        }
    }
}

fn end(scale: &mut Scale) {
    if let Scale::Fixed(schedule) = scale {
        *schedule = schedule.at_its_end();
    }
}

impl std::fmt::Display for LossConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Softmax { dropout } if *dropout > 0.0 => write!(f, "Softmax, dropout {dropout}"),
            Self::Softmax { .. } => write!(f, "Softmax"),
            Self::NormFace { scale } => write!(f, "NormFace s={scale}"),
            Self::ASoftmax { scale, margin, .. } => write!(f, "A-Softmax s={scale} m={margin}"),
            Self::AmSoftmax { scale, margin } => write!(f, "AM-Softmax s={scale} m={margin}"),
            Self::ArcFace { scale, margin } => write!(f, "ArcFace s={scale} m={margin}"),
        }
    }
}

/// AM-Softmax loss (Wang et al. 2018, arXiv:1801.05599).
///
/// - `cosine`: `[B, C]` f32 in `[-1, 1]`, embedding against class weight
/// - `labels`: `[B]` i64 in `0..C`
///
/// Returns the batch mean, a scalar. The authors' model uses s = 30, m = 0.35.
pub fn am_softmax(cosine: &Tensor, labels: &Tensor, scale: f64, margin: f64) -> Tensor {
    let with_margin = |own: &Tensor| target::am_softmax(own, margin);
    cross_entropy(&(replaced(cosine, labels, with_margin) * scale), labels)
}

/// The cosines `[B, C]` with `target` in place of those of the labels `[B]`.
fn replaced(cosine: &Tensor, labels: &Tensor, target: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let index = labels.unsqueeze(1);
    let own = cosine.gather(1, &index, false);
    cosine.scatter(1, &index, &target(&own))
}

/// The batch mean, a scalar.
fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy_loss::<Tensor>(labels, None, Reduction::Mean, -100, 0.0)
}

/// Rows scaled to unit length, `[N, D]`; a zero row stays zero.
fn unit_rows(rows: &Tensor) -> Tensor {
    rows / lengths(rows).clamp_min(1e-12)
}

/// `[N, 1]`.
fn lengths(rows: &Tensor) -> Tensor {
    rows.norm_scalaropt_dim(2.0, [1].as_slice(), true)
}
