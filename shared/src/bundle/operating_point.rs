//! Thresholds that were measured, and which of them a door may use.

use super::Manifest;
use serde::{Deserialize, Serialize};

/// A threshold, and what it was measured to do: the mean of up to three images of a person, as a
/// door enrolls them, against each other image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// A pair matches if its cosine score is at least this.
    pub threshold: f32,
    /// False-match rate that was asked for; the measured one is not above it.
    pub fmr: f64,
    /// False-non-match rate measured at this threshold.
    pub fnmr: f64,
    /// Impostor pairs behind the false-match rate.
    pub impostor_pairs: u64,
    /// Genuine pairs behind the false-non-match rate.
    pub genuine_pairs: u64,
}

impl OperatingPoint {
    pub(super) fn is_possible(&self) -> bool {
        let rate = |r: f64| (0.0..=1.0).contains(&r);
        (-1.0..=1.1).contains(&self.threshold)
            && rate(self.fmr)
            && rate(self.fnmr)
            // A rate that less than one false match would exceed was not measured.
            && self.fmr * self.impostor_pairs as f64 >= 1.0 - 1e-9
            && self.genuine_pairs > 0
    }
}

/// No measured threshold is strict enough.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a false-accept rate of {far} over {gallery} people needs a threshold measured at a false-match rate of \
     {needed:.1e} or less; this bundle's strictest is {}: enroll fewer people, allow a higher rate, or measure \
     the model on more impostor pairs", strictest.map_or("none".into(), |s| alloc::format!("{s:.1e}"))
)]
pub struct NoOperatingPoint {
    /// False-accept rate asked for.
    pub far: f64,
    /// People that each probe is compared with.
    pub gallery: usize,
    /// False-match rate that would be needed.
    pub needed: f64,
    /// The lowest there is.
    pub strictest: Option<f64>,
}

impl Manifest {
    /// The most permissive operating point that keeps false accepts at `far` or below when each
    /// probe is compared with `gallery` people (1 in 1:1): by the union bound its false-match
    /// rate must be at most `far / gallery`.
    ///
    /// # Errors
    /// [`NoOperatingPoint`] if none was measured that low: a promise that was not measured is not made.
    pub fn operating_point(
        &self,
        far: f64,
        gallery: usize,
    ) -> Result<OperatingPoint, NoOperatingPoint> {
        let needed = far / gallery.max(1) as f64;
        let points = || self.operating_points.iter();
        let strictest = points().map(|p| p.fmr).min_by(f64::total_cmp);
        let low_enough = points().filter(|p| p.fmr <= needed * (1.0 + 1e-9));
        let best = low_enough.min_by(|a, b| a.threshold.total_cmp(&b.threshold));
        best.copied().ok_or(NoOperatingPoint {
            far,
            gallery,
            needed,
            strictest,
        })
    }
}
