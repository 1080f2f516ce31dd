//! Accuracy over the folds of a protocol: each is judged by a threshold of the others.

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
}
