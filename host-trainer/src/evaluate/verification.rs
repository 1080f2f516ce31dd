//! Verification figures from scores: accuracy by folds, equal error rate, error rates at a threshold.

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

/// A scored pair of a protocol with folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldScore {
    /// Which fold it belongs to.
    pub fold: usize,
    /// Cosine score; none is wrong at every threshold, and chooses none.
    pub score: Option<f32>,
    /// Whether both are one person.
    pub same: bool,
}

impl FoldScore {
    fn is_right(&self, threshold: f32) -> bool {
        self.score
            .is_some_and(|score| (score >= threshold) == self.same)
    }
}

/// Accuracy over the folds of a protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldAccuracy {
    /// Mean over the folds.
    pub mean: f64,
    /// Standard error of the mean.
    pub standard_error: f64,
    /// Mean of the thresholds used.
    pub threshold: f32,
}

/// LFW's protocol: each fold is judged with the threshold that is best on all others.
pub fn fold_accuracy(scores: &[FoldScore], folds: usize) -> FoldAccuracy {
    let judged: Vec<(f64, f32)> = (0..folds)
        .map(|fold| {
            let (test, train): (Vec<_>, Vec<_>) = scores.iter().partition(|s| s.fold == fold);
            let (_, threshold) = best_threshold(&train);
            let right = test.iter().filter(|s| s.is_right(threshold)).count();
            (right as f64 / test.len().max(1) as f64, threshold)
        })
        .collect();
    let n = folds as f64;
    let mean = judged.iter().map(|j| j.0).sum::<f64>() / n;
    let variance = judged.iter().map(|j| (j.0 - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let threshold = judged.iter().map(|j| j.1).sum::<f32>() / folds as f32;
    FoldAccuracy {
        mean,
        standard_error: (variance / n).sqrt(),
        threshold,
    }
}

/// The highest accuracy and a threshold that gives it, halfway between two scores.
pub fn best_threshold(scores: &[&FoldScore]) -> (f64, f32) {
    let mut sorted: Vec<_> = scores
        .iter()
        .filter_map(|s| Some((s.score?, s.same)))
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Below every score all pairs pass: the genuine ones are right.
    let mut right = sorted.iter().filter(|s| s.1).count();
    let lowest = sorted.first().map_or(0.0, |s| s.0);
    let mut best = (right, lowest);
    for (i, (score, same)) in sorted.iter().enumerate() {
        right = if *same { right - 1 } else { right + 1 };
        let next = sorted.get(i + 1).map_or(score.next_up(), |s| s.0);
        if right > best.0 && next > *score {
            // Between adjacent floats the middle rounds down to the score that must not pass.
            let middle = (score + next) / 2.0;
            best = (right, if middle > *score { middle } else { next });
        }
    }
    (best.0 as f64 / scores.len().max(1) as f64, best.1)
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
    fn a_fold_is_judged_by_the_threshold_of_the_others() {
        let pair = |fold, score, same| FoldScore {
            fold,
            score: Some(score),
            same,
        };
        // Fold 1 alone would be perfect at 0.2; the other fold's best threshold is 0.5.
        let scores = [
            pair(0, 0.9, true),
            pair(0, 0.1, false),
            pair(1, 0.3, true),
            pair(1, 0.1, false),
        ];
        let judged = fold_accuracy(&scores, 2);
        assert_eq!(judged.mean, 0.75);
        assert!((judged.standard_error - 0.25).abs() < 1e-12);
        assert!((judged.threshold - (0.2 + 0.5) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_threshold_refuses_what_was_counted_as_refused() {
        for last in [0.5_f32, 0.3, 0.61] {
            let pair = |score, same| FoldScore {
                fold: 0,
                score: Some(score),
                same,
            };
            let pairs = [
                pair(-0.9, false),
                pair(last, false),
                pair(last.next_up(), true),
            ];
            let (accuracy, threshold) = best_threshold(&pairs.iter().collect::<Vec<_>>());
            assert_eq!(accuracy, 1.0);
            assert!(threshold > last && threshold <= last.next_up());
            let (_, all_refused) = best_threshold(&[&pair(last, false)]);
            assert!(all_refused > last);
        }
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
