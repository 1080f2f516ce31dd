//! The pairs that a network judges worst: what to look at first.

use rayon::prelude::*;
use shared::embedding::{Embedding, dot};

/// Pairs of each kind that are kept.
const KEPT: usize = 8;

/// A pair of images, by index, and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// Cosine.
    pub score: f32,
    /// The later image first.
    pub images: [usize; 2],
}

/// Worst first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorstPairs {
    /// Impostor pairs with the highest scores.
    pub impostor: Vec<ScoredPair>,
    /// Genuine pairs with the lowest scores.
    pub genuine: Vec<ScoredPair>,
}

/// The worst of all pairs of images, of the people given.
pub fn worst_pairs(embeddings: &[Embedding], people: &[u32]) -> WorstPairs {
    let of_row = |i: usize| {
        let mut worst = WorstPairs::default();
        for j in 0..i {
            let score = dot(embeddings[i].as_slice(), embeddings[j].as_slice());
            worst.add(
                ScoredPair {
                    score,
                    images: [i, j],
                },
                people[i] == people[j],
            );
        }
        worst
    };
    let rows: Vec<_> = (0..embeddings.len()).into_par_iter().map(of_row).collect();
    let mut worst = WorstPairs::default();
    for row in rows {
        row.impostor
            .into_iter()
            .for_each(|pair| worst.add(pair, false));
        row.genuine
            .into_iter()
            .for_each(|pair| worst.add(pair, true));
    }
    worst
}

impl WorstPairs {
    fn add(&mut self, pair: ScoredPair, same: bool) {
        let (kept, sign) = match same {
            true => (&mut self.genuine, -1.0),
            false => (&mut self.impostor, 1.0),
        };
        let at = kept.partition_point(|other| sign * other.score >= sign * pair.score);
        if at < KEPT {
            kept.insert(at, pair);
            kept.truncate(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_all_pairs_are_kept_in_order() {
        let unit = |deg: f32| {
            let angle = deg.to_radians();
            Embedding::from_raw(vec![angle.cos(), angle.sin()]).unwrap()
        };
        // Person 0 around 0 degrees, but image 2 lies at 100; person 1 around 90.
        let embeddings: Vec<_> = [0.0, 5.0, 100.0, 90.0, 93.0].map(unit).into();
        let worst = worst_pairs(&embeddings, &[0, 0, 0, 1, 1]);
        let pairs = |of: &[ScoredPair]| of.iter().map(|pair| pair.images).collect::<Vec<_>>();
        assert_eq!(pairs(&worst.genuine), [[2, 0], [2, 1], [1, 0], [4, 3]]);
        assert_eq!(pairs(&worst.impostor)[..3], [[4, 2], [3, 2], [3, 1]]);
        assert!((worst.genuine[0].score - 100_f32.to_radians().cos()).abs() < 1e-6);

        let many: Vec<_> = (0..20).map(|i| unit(i as f32)).collect();
        let worst = worst_pairs(&many, &[7; 20]);
        assert_eq!((worst.genuine.len(), worst.impostor.len()), (KEPT, 0));
        assert_eq!(worst.genuine[0].images, [19, 0]);
    }
}
