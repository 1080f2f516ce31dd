//! Scores of many embeddings against many at once: a matrix product on the CPU, block by block.

use rayon::prelude::*;
use shared::embedding::Embedding;
use std::ops::Range;
use tch::Tensor;

/// Scores that are in memory at once, at most: 64 MB of them.
const BLOCK: usize = 1 << 24;

/// Embeddings of one length as the rows of a matrix.
#[derive(Debug)]
pub struct Rows {
    /// `[len, embedding length]` f32, each row of unit length.
    matrix: Tensor,
    len: usize,
}

impl Rows {
    /// In order. All of one model.
    pub fn new<'a>(embeddings: impl IntoIterator<Item = &'a Embedding>) -> Self {
        let (mut flat, mut len) = (Vec::new(), 0);
        for embedding in embeddings {
            flat.extend_from_slice(embedding.as_slice());
            len += 1;
        }
        let columns = flat.len().checked_div(len).unwrap_or(0);
        Self::from_matrix(Tensor::from_slice(&flat).view([len as i64, columns as i64]))
    }

    /// `[len, embedding length]` f32, each row of unit length.
    pub fn from_matrix(matrix: Tensor) -> Self {
        let len = matrix.size()[0] as usize;
        Self { matrix, len }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `[len, embedding length]` f32.
    pub fn matrix(&self) -> &Tensor {
        &self.matrix
    }

    fn part(&self, range: &Range<usize>) -> Tensor {
        self.matrix
            .narrow(0, range.start as i64, range.len() as i64)
    }
}

/// Calls `row` with each probe's number and its scores against the whole gallery, on all cores, and
/// `block` with what it returned for some of them, in order: so `block` can change what `row` looks
/// at next. Nothing is called where either is empty.
///
/// The scores are the door's cosines up to the rounding of the sums.
pub fn by_blocks<T: Send, S: Sync>(
    probes: &Rows,
    gallery: &Rows,
    state: &mut S,
    row: impl Fn(&S, usize, &[f32]) -> T + Sync,
    mut block: impl FnMut(&mut S, Vec<T>),
) {
    let _guard = tch::no_grad_guard();
    let transposed = gallery.matrix.tr();
    let rows = (BLOCK / gallery.len.max(1)).max(1);
    let starts = (0..probes.len)
        .step_by(rows)
        .filter(|_| !gallery.is_empty());
    for start in starts {
        let range = start..(start + rows).min(probes.len);
        let scores = probes.part(&range).matmul(&transposed).view([-1]);
        let scores = Vec::<f32>::try_from(scores).expect("one dimension of f32");
        let rows = scores.par_chunks_exact(gallery.len).enumerate();
        let found = rows
            .map(|(i, scores)| row(state, start + i, scores))
            .collect();
        block(state, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::embedding::dot;

    fn embeddings(count: usize, salt: usize) -> Vec<Embedding> {
        let number = |i: usize| ((i * 7919 + salt) % 1009) as f32 / 504.5 - 1.0;
        let raw = |e: usize| (0..16).map(|i| number(16 * e + i)).collect();
        (0..count)
            .map(|e| Embedding::from_raw(raw(e)).unwrap())
            .collect()
    }

    #[test]
    fn blocks_give_every_score_of_the_door_in_order() {
        // More than a block of scores.
        let (probes, gallery) = (embeddings(5000, 1), embeddings(4000, 2));
        let mut seen = (0, 0);
        by_blocks(
            &Rows::new(&probes),
            &Rows::new(&gallery),
            &mut seen,
            |_, probe, scores| {
                assert_eq!(scores.len(), 4000);
                for (g, score) in scores.iter().enumerate().step_by(997) {
                    let expected = dot(probes[probe].as_slice(), gallery[g].as_slice());
                    assert!((score - expected).abs() < 1e-6, "{probe} {g}");
                }
                probe
            },
            |(next, blocks), found| {
                let expected: Vec<_> = (*next..*next + found.len()).collect();
                assert_eq!(found, expected);
                (*next, *blocks) = (*next + found.len(), *blocks + 1);
            },
        );
        assert_eq!(seen, (5000, 2));
    }

    #[test]
    fn nothing_has_no_scores() {
        let some = embeddings(3, 1);
        for (probes, gallery) in [(&some[..0], &some[..]), (&some[..], &some[..0])] {
            let (probes, gallery) = (Rows::new(probes), Rows::new(gallery));
            let (row, block) = (|_: &(), i, _: &[f32]| i, |_: &mut (), _| panic!("a block"));
            by_blocks(&probes, &gallery, &mut (), row, block);
        }
    }
}
