//! Templates of nobody: as many as are asked for, spread as real ones are.

use crate::evaluate::search::Rows;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::f32::consts::TAU;
use std::ops::Range;
use tch::{Kind, Tensor};

/// Normally distributed with the mean and the covariance of real embeddings, scaled to unit
/// length. They have no clusters and no look-alikes, so they tell how fast a search is and roughly
/// how it grows, not how well a network tells people apart.
#[derive(Debug)]
pub struct SyntheticTemplates {
    /// `[len]` f32.
    mean: Tensor,
    /// `[len, len]` f32, upper triangular: its transpose times itself is the covariance.
    root: Tensor,
}

impl SyntheticTemplates {
    /// Around two embeddings or more.
    pub fn around(embeddings: &Rows) -> Self {
        let real = embeddings.matrix().to_kind(Kind::Double);
        let mean = real.mean_dim(0, false, Kind::Double);
        let off = &real - &mean;
        let covariance = off.tr().matmul(&off) / (embeddings.len() as f64 - 1.0);
        let len = mean.size()[0];
        // Fewer embeddings than dimensions leave some without any spread.
        let least = 1e-6 * covariance.trace().double_value(&[]) / len as f64 + 1e-12;
        let covariance = covariance + Tensor::eye(len, (Kind::Double, mean.device())) * least;
        Self {
            mean: mean.to_kind(Kind::Float),
            root: covariance.linalg_cholesky(true).to_kind(Kind::Float),
        }
    }

    /// Those of these numbers; a number's template is always the same.
    pub fn block(&self, numbers: Range<usize>) -> Rows {
        let len = self.mean.size()[0];
        let rows = numbers.len();
        let mut normal = vec![0.0; rows * len as usize];
        normal
            .par_chunks_exact_mut(len as usize)
            .zip(numbers)
            .for_each(|(row, number)| fill_normal(row, number as u64));
        let normal = Tensor::from_slice(&normal).view([rows as i64, len]);
        let drawn = normal.matmul(&self.root) + &self.mean;
        let norm = drawn.norm_scalaropt_dim(2.0, [1], true);
        Rows::from_matrix(drawn / norm)
    }
}

/// Fills with independent standard normal numbers (Box and Muller 1958).
fn fill_normal(row: &mut [f32], seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for pair in row.chunks_mut(2) {
        // Of 0 there is no logarithm.
        let (above_zero, turn) = (1.0 - random.random::<f32>(), random.random::<f32>());
        let radius = (-2.0 * above_zero.ln()).sqrt();
        let (sin, cos) = (TAU * turn).sin_cos();
        pair.iter_mut()
            .zip([cos, sin])
            .for_each(|(x, y)| *x = radius * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::embedding::Embedding;

    /// Rows near (3, 1, 0, 0), spread along the first two axes together.
    fn real() -> Rows {
        let embedding = |i: u64| {
            let mut noise = [0.0; 4];
            fill_normal(&mut noise, 1_000_000 + i);
            let [a, b, c, d] = noise;
            let raw = vec![3.0 + a, 1.0 + 0.8 * a + 0.3 * b, 0.5 * c, 0.1 * d];
            Embedding::from_raw(raw).unwrap()
        };
        let embeddings: Vec<_> = (0..2000).map(embedding).collect();
        Rows::new(&embeddings)
    }

    #[test]
    fn templates_are_spread_as_the_real_ones() {
        let real = real();
        let drawn = SyntheticTemplates::around(&real).block(0..20_000);
        let (real, drawn) = (real.matrix(), drawn.matrix());
        let mean = |rows: &Tensor| rows.mean_dim(0, false, Kind::Float);
        let far = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(far(&mean(real), &mean(drawn)) < 0.03);
        let spread = |rows: &Tensor| rows.tr().cov(1, None::<&Tensor>, None::<&Tensor>);
        assert!(far(&spread(real), &spread(drawn)) < 0.02);
        let norms = drawn.norm_scalaropt_dim(2.0, [1], true);
        assert!(far(&norms, &norms.ones_like()) < 1e-5);
    }

    #[test]
    fn a_template_is_the_same_in_every_block() {
        let templates = SyntheticTemplates::around(&real());
        let (whole, part) = (templates.block(0..50), templates.block(20..30));
        let same = whole.matrix().narrow(0, 20, 10) - part.matrix();
        assert!(same.abs().max().double_value(&[]) < 1e-6);
        assert!(
            (whole.matrix().get(1) - whole.matrix().get(2))
                .abs()
                .max()
                .double_value(&[])
                > 0.01
        );
    }
}
