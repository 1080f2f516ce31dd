//! Verification figures from scores: equal error rate, error rates at a threshold.

use super::confidence::{Counted, ErrorRates};
use std::collections::BTreeMap;

/// Cosine scores of pairs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// Of pairs of one person.
    pub genuine: Vec<f32>,
    /// Of pairs of two people.
    pub impostor: Vec<f32>,
}

impl Scores {
    /// Adds the score of a pair.
    pub fn push(&mut self, score: f32, same: bool) {
        if same {
            self.genuine.push(score)
        } else {
            self.impostor.push(score)
        }
    }

    /// The same scores in ascending order, for the figures below; `None` without a genuine and an
    /// impostor pair, of which no rate can be told.
    pub fn sorted(mut self) -> Option<Sorted> {
        self.genuine.sort_unstable_by(f32::total_cmp);
        self.impostor.sort_unstable_by(f32::total_cmp);
        (!self.genuine.is_empty() && !self.impostor.is_empty()).then_some(Sorted(self))
    }
}

/// False-match rates that are reported, as far down as the impostor pairs carry.
pub const FALLING_RATES: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// Scores in ascending order, at least one of each kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Scores);

/// Share of `ascending` that is at least `threshold`.
fn share_from(ascending: &[f32], threshold: f32) -> f64 {
    let below = ascending.partition_point(|score| *score < threshold);
    (ascending.len() - below) as f64 / ascending.len() as f64
}

impl Sorted {
    /// Genuine pairs.
    pub fn genuine(&self) -> &[f32] {
        &self.0.genuine
    }

    /// Impostor pairs.
    pub fn impostor(&self) -> &[f32] {
        &self.0.impostor
    }

    /// False-match rate: impostor pairs that score at least `threshold`.
    pub fn fmr(&self, threshold: f32) -> f64 {
        share_from(self.impostor(), threshold)
    }

    /// False-non-match rate: genuine pairs that score below `threshold`.
    pub fn fnmr(&self, threshold: f32) -> f64 {
        1.0 - share_from(self.genuine(), threshold)
    }

    /// The lowest threshold whose false-match rate is at most `fmr`: just above the first impostor
    /// score that may not pass.
    pub fn threshold_at(&self, fmr: f64) -> f32 {
        let allowed = (fmr * self.impostor().len() as f64 + 1e-9).floor() as usize;
        match self.impostor().iter().rev().nth(allowed) {
            Some(refused) => refused.next_up(),
            None => self.impostor()[0],
        }
    }

    /// True-accept rate at a false-accept rate; `None` if fewer than one impostor pair would pass.
    pub fn tar(&self, far: f64) -> Option<f64> {
        let enough = far * self.impostor().len() as f64 >= 1.0 - 1e-9;
        enough.then(|| 1.0 - self.fnmr(self.threshold_at(far)))
    }

    /// True-accept rates at the false-accept rates that are reported, where the pairs suffice.
    pub fn tars(&self) -> BTreeMap<String, f64> {
        let rates = [("0.01", 1e-2), ("0.001", 1e-3), ("0.0001", 1e-4)].into_iter();
        rates
            .filter_map(|(name, far)| Some((name.to_string(), self.tar(far)?)))
            .collect()
    }

    /// Both error rates at the false-match rates 1e-2, 1e-3, ... 1e-6, as far down as one impostor
    /// pair would pass.
    pub fn error_rates(&self) -> Vec<ErrorRates> {
        let pairs = self.impostor().len() as f64;
        let asked = FALLING_RATES.into_iter();
        asked
            .take_while(|fmr| fmr * pairs >= 1.0 - 1e-9)
            .map(|fmr| self.error_rates_at(fmr))
            .collect()
    }

    fn error_rates_at(&self, fmr: f64) -> ErrorRates {
        let threshold = self.threshold_at(fmr);
        let below = |scores: &[f32]| scores.partition_point(|score| *score < threshold);
        let (genuine, impostor) = (self.genuine(), self.impostor());
        let matched = Counted::new(impostor.len() - below(impostor), impostor.len());
        ErrorRates::counted(
            fmr,
            threshold,
            matched,
            Counted::new(below(genuine), genuine.len()),
        )
    }

    /// Equal error rate: the mean of both rates where they are nearest to each other.
    pub fn eer(&self) -> f64 {
        let thresholds = self.genuine().iter().chain(self.impostor());
        let rates = thresholds.map(|t| (self.fmr(*t), self.fnmr(*t)));
        let gap = |(fmr, fnmr): &(f64, f64)| (fmr - fnmr).abs();
        let nearest = rates.min_by(|a, b| gap(a).total_cmp(&gap(b)));
        nearest
            .map(|(fmr, fnmr)| (fmr + fnmr) / 2.0)
            .expect("sorted scores are not empty")
    }

    /// (false-accept rate, true-accept rate) at rates spread evenly on a logarithmic scale, from
    /// one impostor pair to all of them.
    pub fn roc(&self, points: usize) -> Vec<(f64, f64)> {
        let lowest = 1.0 / self.impostor().len() as f64;
        let far = |i: usize| lowest.powf(1.0 - i as f64 / (points - 1) as f64);
        (0..points)
            .filter_map(|i| self.tar(far(i)).map(|tar| (far(i), tar)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(genuine: &[f32], impostor: &[f32]) -> Sorted {
        Scores {
            genuine: genuine.into(),
            impostor: impostor.into(),
        }
        .sorted()
        .unwrap()
    }

    #[test]
    fn rates_count_pairs() {
        let scores = sorted(&[0.9, 0.2, 0.6, 0.7], &[0.1, 0.65, 0.3, 0.0, -0.5]);
        assert_eq!((scores.fmr(0.3), scores.fnmr(0.3)), (0.4, 0.25));
        assert_eq!((scores.fmr(0.31), scores.fnmr(0.6)), (0.2, 0.25));
        assert_eq!((scores.fmr(1.0), scores.fnmr(-1.0)), (0.0, 0.0));
    }

    #[test]
    fn the_threshold_keeps_its_promise_and_no_more() {
        let impostor: Vec<f32> = (0..1000).map(|i| i as f32 / 1000.0).collect();
        let scores = sorted(&[0.95, 0.9985], &impostor);
        for (fmr, measured) in [
            (0.1, 0.1),
            (0.01, 0.01),
            (0.001, 0.001),
            (0.0015, 0.001),
            (0.0, 0.0),
            (1.0, 1.0),
        ] {
            assert!(
                (scores.fmr(scores.threshold_at(fmr)) - measured).abs() < 1e-9,
                "{fmr}"
            );
        }
        assert_eq!(scores.tar(0.01), Some(0.5));
        assert_eq!(scores.tar(0.0001), None);
        // Equal impostor scores pass together or not at all.
        let ties = sorted(&[0.9], &[0.5; 10]);
        assert_eq!(ties.fmr(ties.threshold_at(0.1)), 0.0);
    }

    #[test]
    fn error_rates_come_with_what_is_behind_them() {
        let impostor: Vec<f32> = (0..1000).map(|i| i as f32 / 1000.0).collect();
        let rates = sorted(&[0.95, 0.9985, 0.9987, 0.991], &impostor).error_rates();
        // A ten-thousandth of a thousand pairs is less than one.
        let asked: Vec<_> = rates
            .iter()
            .map(|r| (r.fmr, r.fmr_measured, r.fnmr))
            .collect();
        assert_eq!(asked, [(0.01, 0.01, 0.25), (0.001, 0.001, 0.5)]);
        assert!(
            rates
                .iter()
                .all(|r| (r.genuine_pairs, r.impostor_pairs) == (4, 1000))
        );
        assert!(rates[0].fmr_upper_95 > 0.01 && rates[0].fmr_upper_95 < 0.02);
        assert!(rates[1].fnmr_lower_95 < 0.1 && rates[1].fnmr_upper_95 > 0.9);
    }

    #[test]
    fn the_equal_error_rate_is_where_the_rates_meet() {
        assert_eq!(sorted(&[0.8, 0.9], &[0.1, 0.2]).eer(), 0.0);
        assert_eq!(sorted(&[0.1, 0.2], &[0.8, 0.9]).eer(), 1.0);
        let scores = sorted(&[0.3, 0.6, 0.7, 0.8], &[0.1, 0.2, 0.4, 0.65]);
        assert_eq!(scores.eer(), 0.25);
    }

    #[test]
    fn roc_rises_to_one() {
        let scores = sorted(&[0.3, 0.6, 0.7, 0.8], &[0.1, 0.2, 0.4, 0.65]);
        let roc = scores.roc(20);
        assert!(roc.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1));
        assert_eq!((roc[0], roc[roc.len() - 1]), ((0.25, 0.75), (1.0, 1.0)));
    }

    #[test]
    fn no_rate_is_told_of_nothing() {
        assert_eq!(
            Scores {
                genuine: vec![],
                impostor: vec![0.1]
            }
            .sorted(),
            None
        );
        assert_eq!(
            Scores {
                genuine: vec![0.1],
                impostor: vec![]
            }
            .sorted(),
            None
        );
    }
}
