//! Which classes take part in a step (Partial FC, An et al. 2022, arXiv:2203.15565): those of the
//! batch, and others drawn at random. A million classes then cost the memory of their weights
//! alone, not that of a million logits an image and of a gradient as large as the weights.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Which share of the classes a step sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    /// Above 0 and below 1.
    pub(super) rate: f64,
    pub(super) seed: u64,
}

impl Sampling {
    /// The classes of a step, ascending: all `labels`, and others until there are `rate * classes`.
    pub(super) fn classes(&self, labels: &[i64], classes: i64, step: u64) -> Vec<i64> {
        let mut chosen: BTreeSet<i64> = labels.iter().copied().collect();
        let wanted = ((self.rate * classes as f64).ceil() as usize).min(classes as usize);
        // Of the seed and the step alone, so that a resumed run draws the same.
        let mut random = ChaCha8Rng::seed_from_u64(self.seed.rotate_left(17));
        random.set_stream(step);
        let mut all: Vec<i64> = (0..classes).collect();
        // So many that enough are left whatever lies among the labels already.
        let (drawn, _) = all.partial_shuffle(&mut random, wanted);
        for class in drawn {
            if chosen.len() >= wanted {
                break;
            }
            chosen.insert(*class);
        }
        chosen.into_iter().collect()
    }
}

/// Where each label stands among the chosen classes.
///
/// # Panics
/// If a label was not chosen.
pub(super) fn positions(labels: &[i64], chosen: &[i64]) -> Vec<i64> {
    let position = |label| {
        let found = chosen.binary_search(label);
        found.expect("the classes of the batch are chosen") as i64
    };
    labels.iter().map(position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_is_always_there_and_the_rest_is_drawn() {
        let sampling = Sampling { rate: 0.1, seed: 3 };
        let labels = [700, 5, 5, 999];
        let chosen = sampling.classes(&labels, 1000, 4);
        assert_eq!(chosen.len(), 100);
        assert!(chosen.is_sorted() && chosen.iter().all(|c| (0..1000).contains(c)));
        assert_eq!(
            positions(&labels, &chosen)
                .iter()
                .map(|p| chosen[*p as usize])
                .collect::<Vec<_>>(),
            labels
        );
        assert_eq!(chosen, sampling.classes(&labels, 1000, 4));
        assert_ne!(chosen, sampling.classes(&labels, 1000, 5));
        // Every class has its turn.
        let seen: BTreeSet<i64> = (0..200)
            .flat_map(|step| sampling.classes(&labels, 1000, step))
            .collect();
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn a_batch_of_more_people_than_the_share_takes_all_of_them() {
        let sampling = Sampling {
            rate: 0.01,
            seed: 3,
        };
        assert_eq!(sampling.classes(&[1, 7, 3], 100, 0), [1, 3, 7]);
    }
}
