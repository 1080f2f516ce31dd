//! Templates of another model that this one's may be compared with, and what that costs.

use super::{Manifest, NoOperatingPoint, OperatingPoint, Precision};
use crate::digest::Digest;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// By how much the false-non-match rate may rise, at any operating point, where people stay
/// enrolled under another precision: one look in a hundred. Whoever is refused is looked at again
/// with the next frame, and two sets of held-out people differ by more. The false-match rate may
/// not rise at all: its threshold is raised.
pub const HIGHEST_FNMR_LOSS: f64 = 0.01;

/// How a network does when the people were enrolled under another model: another precision of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparable {
    /// Whose templates.
    pub model: Digest,
    /// How the weights of that model are stored.
    pub precision: Precision,
    /// As the network's own, of the same pairs: enrolled under that model, looked at under this.
    pub operating_points: Vec<OperatingPoint>,
    /// Cosine between what the two models make of one face, over all faces of the pairs: mean ...
    pub cosine_mean: f32,
    /// ... and 1st percentile.
    pub cosine_p1: f32,
}

impl Comparable {
    pub(super) fn is_possible(&self) -> bool {
        let cosine = |c: f32| (-1.001..=1.001).contains(&c);
        cosine(self.cosine_mean)
            && cosine(self.cosine_p1)
            && self
                .operating_points
                .iter()
                .all(OperatingPoint::is_possible)
    }

    fn at(&self, own: &OperatingPoint) -> Option<&OperatingPoint> {
        // Of other pairs, a difference would be one between people.
        let same = |p: &&OperatingPoint| {
            (p.fmr, p.impostor_pairs, p.genuine_pairs)
                == (own.fmr, own.impostor_pairs, own.genuine_pairs)
        };
        self.operating_points.iter().find(same)
    }

    /// The most that the false-non-match rate rises over `own` at any of its points; `None` if
    /// that was not measured at each of them, on the same pairs.
    pub fn fnmr_loss(&self, own: &[OperatingPoint]) -> Option<f64> {
        let losses = own.iter().map(|own| Some(self.at(own)?.fnmr - own.fnmr));
        let losses: Option<Vec<f64>> = losses.collect();
        losses?.into_iter().max_by(f64::total_cmp)
    }
}

impl Manifest {
    /// What comparing with templates of `model` was measured to cost, if that is little enough
    /// ([`HIGHEST_FNMR_LOSS`]); `None` also for the model's own, which cost nothing.
    pub fn accepts(&self, model: Digest) -> Option<&Comparable> {
        self.accepted().find(|other| other.model == model)
    }

    /// All models but the bundle's own whose templates may be compared with.
    pub fn accepted(&self) -> impl Iterator<Item = &Comparable> {
        let cheap = |other: &&Comparable| {
            let loss = other.fnmr_loss(&self.operating_points);
            loss.is_some_and(|loss| loss <= HIGHEST_FNMR_LOSS + 1e-9)
        };
        self.comparable.iter().filter(cheap)
    }

    /// As [`Manifest::operating_point`] where templates of `others` are among those of the
    /// gallery: the highest of the thresholds, so that no comparison has a higher false-match rate
    /// than was asked for.
    ///
    /// # Errors
    /// [`NoOperatingPoint`], also for one of `others` that is not accepted.
    pub fn operating_point_across(
        &self,
        far: f64,
        gallery: usize,
        others: impl IntoIterator<Item = Digest>,
    ) -> Result<OperatingPoint, NoOperatingPoint> {
        let own = self.operating_point(far, gallery)?;
        let mut highest = own;
        for other in others {
            let point = self.accepts(other).and_then(|other| other.at(&own));
            let point = point.ok_or(NoOperatingPoint {
                far,
                gallery,
                needed: own.fmr,
                strictest: None,
            })?;
            highest.threshold = highest.threshold.max(point.threshold);
            highest.fnmr = highest.fnmr.max(point.fnmr);
        }
        Ok(highest)
    }
}
