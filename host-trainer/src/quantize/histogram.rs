//! The numbers that a layer gave, counted in bins; which of them to keep apart.

use super::Affine;
use serde::Serialize;

/// More than eight for each byte.
const BINS: usize = 2048;

/// How the ends of a range are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// All but one number in ten thousand at either end are kept.
    Percentile,
    /// Where the mean squared error of rounding and cutting off is least.
    MeanSquaredError,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Percentile, Self::MeanSquaredError];
    /// Share of the numbers at either end that may be cut off.
    const CUT_OFF: f64 = 1e-4;
    /// Ranges that are tried, each a hundredth shorter than the one before.
    const TRIED: usize = 90;
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Percentile => "percentile",
            Self::MeanSquaredError => "mean squared error",
        })
    }
}

/// Counts over the range that was seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    least: f64,
    most: f64,
    counts: Vec<u64>,
}

impl Histogram {
    /// Empty, from the least number to the most.
    pub(super) fn new(least: f32, most: f32) -> Self {
        Self {
            least: f64::from(least),
            most: f64::from(most),
            counts: vec![0; BINS],
        }
    }

    /// Counts numbers; those outside go into the bins at the ends.
    pub(super) fn add(&mut self, numbers: &[f32]) {
        let (least, per_number) = (self.least as f32, BINS as f32 / self.width() as f32);
        for number in numbers {
            // A float becomes the nearest integer that there is: below 0 it is 0.
            let bin = ((number - least) * per_number) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    fn width(&self) -> f64 {
        self.most - self.least
    }

    fn middle(&self, bin: usize) -> f64 {
        self.least + (bin as f64 + 0.5) / BINS as f64 * self.width()
    }

    /// What the bytes of these numbers should stand for; `None` as [`Affine::covering`].
    pub(super) fn affine(&self, method: Method, symmetric: bool) -> Option<Affine> {
        let of = |[least, most]: [f64; 2]| match symmetric {
            true => Affine::symmetric(least, most),
            false => Affine::covering(least, most),
        };
        match method {
            Method::Percentile => of(self.without_the_ends()),
            Method::MeanSquaredError => {
                let shortened = |i| 1.0 - i as f64 / 100.0;
                let tried = (0..Method::TRIED).map(shortened);
                let tried = tried.filter_map(|s| of([self.least * s, self.most * s]));
                tried.min_by(|a, b| self.error(*a).total_cmp(&self.error(*b)))
            }
        }
    }

    fn without_the_ends(&self) -> [f64; 2] {
        let all: u64 = self.counts.iter().sum();
        let cut_off = (all as f64 * Method::CUT_OFF) as u64;
        let mut left = (0, 0);
        while left.1 + self.counts[left.0] <= cut_off && left.0 < BINS - 1 {
            left = (left.0 + 1, left.1 + self.counts[left.0]);
        }
        let mut right = (BINS - 1, 0);
        while right.1 + self.counts[right.0] <= cut_off && right.0 > 0 {
            right = (right.0 - 1, right.1 + self.counts[right.0]);
        }
        let edge = |bin: usize| self.least + bin as f64 / BINS as f64 * self.width();
        [edge(left.0), edge(right.0 + 1)]
    }

    /// Sum of squared errors.
    fn error(&self, affine: Affine) -> f64 {
        let counts = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        let of = |(bin, count): (usize, &u64)| {
            let number = self.middle(bin);
            *count as f64 * (affine.rounded(number) - number).powi(2)
        };
        counts.map(of).sum()
    }
}
