//! The highest of more scores than memory holds, exactly.

/// A score above every cosine: of a pair that is judged wrongly whatever the threshold.
pub const ABOVE_ALL: f32 = 2.0;

/// Keeps the highest of the scores that it is given, ties counted; at most twice as many are ever
/// in memory, besides those of one call.
#[derive(Debug, Clone)]
pub struct Highest {
    keep: usize,
    scores: Vec<f32>,
    /// No score below it is among the highest.
    floor: f32,
    /// Scores of the floor's height that were given and are no longer kept.
    dropped_at_floor: u64,
}

impl Highest {
    /// Of at least one score.
    pub fn new(keep: usize) -> Self {
        Self {
            keep: keep.max(1),
            scores: Vec::new(),
            floor: f32::NEG_INFINITY,
            dropped_at_floor: 0,
        }
    }

    /// The lowest score that still matters: what is below need not be given.
    pub fn floor(&self) -> f32 {
        self.floor
    }

    /// Takes scores, none of them NaN.
    pub fn extend(&mut self, scores: impl IntoIterator<Item = f32>) {
        for score in scores {
            if score >= self.floor {
                self.scores.push(score);
            }
            if self.scores.len() >= 2 * self.keep {
                self.compact();
            }
        }
    }

    fn compact(&mut self) {
        let by_falling = |a: &f32, b: &f32| b.total_cmp(a);
        let (_, lowest, rest) = self
            .scores
            .select_nth_unstable_by(self.keep - 1, by_falling);
        let (lowest, ties) = (
            *lowest,
            rest.iter().filter(|s| **s == *lowest).count() as u64,
        );
        let before = if lowest == self.floor {
            self.dropped_at_floor
        } else {
            0
        };
        (self.floor, self.dropped_at_floor) = (lowest, before + ties);
        self.scores.truncate(self.keep);
    }

    /// The highest, falling: as many as were asked for, or all where fewer were given.
    pub fn falling(mut self) -> Falling {
        if self.scores.len() > self.keep {
            self.compact();
        }
        self.scores.sort_unstable_by(|a, b| b.total_cmp(a));
        Falling(self)
    }
}

/// The highest scores, in order.
#[derive(Debug, Clone)]
pub struct Falling(Highest);

impl Falling {
    /// The highest is number 0.
    pub fn get(&self, number: usize) -> Option<f32> {
        self.0.scores.get(number).copied()
    }

    /// The lowest score of so many highest: a threshold that they pass, and just above all for
    /// none. None if fewer were given.
    pub fn threshold(&self, passing: usize) -> Option<f32> {
        match passing {
            0 => Some(self.get(0)?.next_up()),
            _ => self.get(passing - 1),
        }
    }

    /// How many of all scores are at least `threshold`, which is not below the lowest that is kept.
    pub fn count_from(&self, threshold: f32) -> u64 {
        let kept = self.0.scores.partition_point(|s| *s >= threshold) as u64;
        let dropped = threshold <= self.0.floor;
        kept + if dropped { self.0.dropped_at_floor } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_are_those_of_a_sort() {
        let check = |keep: usize, scores: &[f32]| {
            let mut highest = Highest::new(keep);
            scores
                .chunks(7)
                .for_each(|some| highest.extend(some.iter().copied()));
            assert!(highest.scores.len() < 2 * keep, "memory is bounded");
            let found = highest.falling();
            let mut sorted = scores.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            for number in 0..keep + 1 {
                let expected = sorted.get(number).filter(|_| number < keep).copied();
                assert_eq!(found.get(number), expected, "number {number} of {keep}");
                if let Some(score) = expected {
                    let count = scores.iter().filter(|s| **s >= score).count() as u64;
                    assert_eq!(found.count_from(score), count, "{keep}, {score}");
                }
            }
        };
        let even: Vec<f32> = (0..100).map(|i| (i * 37 % 100) as f32).collect();
        let ties: Vec<f32> = (0..100).map(|i| (i * 37 % 5) as f32).collect();
        for keep in [1, 2, 10, 60, 100, 200] {
            check(keep, &even);
            check(keep, &ties);
            check(keep, &[0.5; 90]);
            check(keep, &[]);
        }
    }
}
