//! What counted pairs say about a rate: 95 % confidence bounds.
//!
//! The bounds suppose independent pairs. Pairs that share a person, or an image, are not: the
//! bounds are optimistic, the more so the fewer people stand behind the pairs.

use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;
use std::fmt;

/// To be said wherever a bound is shown.
pub const CAVEAT: &str = "bounds of 95 % confidence, as if pairs were independent; pairs that share a person are not, so they are optimistic";

/// The share that so many of so many are at most, with 95 % confidence (one-sided Clopper and
/// Pearson 1934; 3/n where none of n was counted, the rule of three of Hanley and
/// Lippman-Hand 1983). 1 for none of none.
pub fn upper_bound(count: u64, of: u64) -> f64 {
    match count {
        0 => (3.0 / of as f64).min(1.0),
        _ => upper(count, of, 0.05),
    }
}

/// The two shares that so many of so many lie between, with 95 % confidence (Clopper and Pearson
/// 1934, two-sided). 0 and 1 for none of none.
pub fn interval(count: u64, of: u64) -> (f64, f64) {
    // Whoever is not counted lies above what is at most the upper bound.
    (1.0 - upper(of - count, of, 0.025), upper(count, of, 0.025))
}

/// The share at which `count` or fewer of `of` would be seen with the probability `tail`.
fn upper(count: u64, of: u64, tail: f64) -> f64 {
    if count >= of {
        return 1.0;
    }
    let (a, b) = (count as f64 + 1.0, (of - count) as f64);
    let (mut low, mut high) = (0.0, 1.0);
    // By halving, since statrs's own inverse does not end for rates as low as one in a million.
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        let seen_less_often = beta_reg(a, b, middle) >= 1.0 - tail;
        *(if seen_less_often { &mut high } else { &mut low }) = middle;
    }
}

/// Both error rates at the threshold for a false-match rate, with what stands behind them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorRates {
    /// False-match rate asked for.
    pub fmr: f64,
    /// Cosine from which on a pair is a match.
    pub threshold: f32,
    /// Share of impostor pairs that match.
    pub fmr_measured: f64,
    /// See [`upper_bound`].
    pub fmr_upper_95: f64,
    /// Share of genuine pairs that do not match.
    pub fnmr: f64,
    /// Lower end of the [`interval`].
    pub fnmr_lower_95: f64,
    /// Upper end of the [`interval`].
    pub fnmr_upper_95: f64,
    /// Genuine pairs behind `fnmr`.
    pub genuine_pairs: u64,
    /// Impostor pairs behind `fmr_measured`.
    pub impostor_pairs: u64,
}

/// Some of many, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How many were counted.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Counted {
    /// So many of so many.
    pub fn new(count: usize, of: usize) -> Self {
        let (count, of) = (count as u64, of as u64);
        Self { count, of }
    }

    /// The share, 0 to 1.
    pub fn share(self) -> f64 {
        self.count as f64 / self.of as f64
    }
}

impl ErrorRates {
    /// From impostor pairs that match and genuine pairs that do not.
    pub fn counted(fmr: f64, threshold: f32, matched: Counted, missed: Counted) -> Self {
        let (fnmr_lower_95, fnmr_upper_95) = interval(missed.count, missed.of);
        Self {
            fmr,
            threshold,
            fmr_measured: matched.share(),
            fmr_upper_95: upper_bound(matched.count, matched.of),
            fnmr: missed.share(),
            fnmr_lower_95,
            fnmr_upper_95,
            genuine_pairs: missed.of,
            impostor_pairs: matched.of,
        }
    }
}

impl fmt::Display for ErrorRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at FMR {}: threshold {:.4}, FMR {:.2e} measured (at most {:.2e}; {} impostor pairs), \
             FNMR {:.2} % ({:.2} to {:.2} %; {} genuine pairs)",
            self.fmr,
            self.threshold,
            self.fmr_measured,
            self.fmr_upper_95,
            self.impostor_pairs,
            100.0 * self.fnmr,
            100.0 * self.fnmr_lower_95,
            100.0 * self.fnmr_upper_95,
            self.genuine_pairs
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `beta.ppf(0.025, k, n - k + 1)`, `beta.ppf(0.975, k + 1, n - k)`.
    #[test]
    fn an_interval_is_that_of_clopper_and_pearson() {
        for (count, of, lower, upper) in [
            (0, 0, 0.0, 1.0),
            (0, 1, 0.0, 0.975),
            (0, 10, 0.0, 0.3084971078187607),
            (1, 10, 0.0025285785444617848, 0.4450161170281954),
            (5, 10, 0.18708602844739855, 0.8129139715526015),
            (10, 10, 0.6915028921812392, 1.0),
            (2161, 3000, 0.7038960172313102, 0.7363398931879128),
            (36_733, 231_834, 0.15696097067310208, 0.15993810763292865),
        ] {
            let found = interval(count, of);
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(
                near(found.0, lower) && near(found.1, upper),
                "{count} of {of}: {found:?}"
            );
        }
    }

    /// scipy 1.17.1: `beta.ppf(0.95, k + 1, n - k)`; 3/n for none.
    #[test]
    fn an_upper_bound_is_one_sided_and_three_by_n_for_none() {
        for (count, of, bound) in [
            (0, 0, 1.0),
            (0, 2, 1.0),
            (0, 3000, 0.001),
            (1, 10, 0.39416330243650466),
            (3, 3000, 0.0025825051382936544),
            (10, 10, 1.0),
            (1, 52_612_506, 9.01660975153968e-8),
            (47_000, 47_000_000, 0.0010076167378349908),
            (10, 13_000_000_000, 1.3047860947061382e-9),
        ] {
            let found = upper_bound(count, of);
            assert!(
                (found / bound - 1.0).abs() < 1e-5,
                "{count} of {of}: {found}"
            );
        }
    }
}
