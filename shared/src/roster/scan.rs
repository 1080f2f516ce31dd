//! Everybody in 8 bits: who cannot be among the most similar is not compared exactly.
//!
//! A reference `a` is kept as `â = s q`, `q` whole numbers of -127 to 127, beside the length of
//! what that leaves out, `|a - â|`. A probe `p` becomes `p̂ = t r` in the same way, with more bits.
//! From `a.p = â.p̂ + â.(p - p̂) + (a - â).p` and Cauchy-Schwarz,
//!
//! ```text
//! a.p <= s t (q.r) + |â| |p - p̂| + |a - â| |p|,   |â| <= |a| + |a - â|
//! ```
//!
//! and `q.r` is exact in integers. [`Probe::bound`] is that sum and [`rounding`], so it is never
//! below the score that [`dot`](crate::embedding::dot) gives; whoever's bound is below a score
//! that somebody else has reached has a lower score. The result is that of comparing with
//! everybody, to the bit, and most of the time a quarter of the memory is read for it.

use crate::embedding::Embedding;
use alloc::vec::Vec;

/// Of a reference's whole numbers.
const MOST: f32 = i8::MAX as f32;

/// No [`Embedding`] is longer: what is read back has a square of at most 1.002, to `f32`'s
/// rounding.
const LONGEST: f64 = 1.002;

/// References that are looked at between two looks at the floor.
const BLOCK: usize = 64;

/// Inner products of `probe` with each of the `codes`, which lie one after the other and are as
/// long as the probe; as many as there is room for. No sum may leave an `i32`.
pub type Products = fn(codes: &[i8], probe: &[i16], products: &mut [i32]);

/// The plain [`Products`]. It is inlined, so that a caller who knows of wider vectors than all
/// processors of its kind have may compile it for those.
#[inline(always)]
pub fn products(codes: &[i8], probe: &[i16], products: &mut [i32]) {
    for (product, code) in products.iter_mut().zip(codes.chunks_exact(probe.len())) {
        // Checks for overflow would keep the compiler from using vectors, and none can happen.
        *product = code.iter().zip(probe).fold(0, |sum: i32, (q, r)| {
            sum.wrapping_add(i32::from(*q).wrapping_mul(i32::from(*r)))
        });
    }
}

/// The references in 8 bits: a byte a number and 8 bytes more for each.
pub(super) struct Scan {
    codes: Vec<i8>,
    fits: Vec<Fit>,
    pub(super) products: Products,
}

/// How a reference's code stands for it.
struct Fit {
    /// What one stands for: `s`.
    scale: f32,
    /// The length of what the code leaves out: `|a - â|`.
    error: f32,
}

/// A probe, and what is the same in the bounds of all its scores.
struct Probe {
    code: Vec<i16>,
    /// What one stands for: `t`.
    scale: f64,
    /// What the error of a reference counts: `|p| + |p - p̂|`.
    reach: f64,
    /// What is left out of the probe, and [`rounding`].
    rest: f64,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            codes: Vec::new(),
            fits: Vec::new(),
            products,
        }
    }

    pub(super) fn push(&mut self, reference: &Embedding) {
        let numbers = reference.as_slice();
        let scale = peak(numbers) / MOST;
        let start = self.codes.len();
        let whole = |x: &f32| libm::roundf(x / scale) as i8;
        self.codes.extend(numbers.iter().map(whole));
        let code = self.codes[start..].iter().map(|q| f64::from(*q));
        let error = left_out(numbers, f64::from(scale), code) as f32;
        self.fits.push(Fit { scale, error });
    }

    /// Shows `look`, in their order, the positions of all references but such as have a score
    /// with the probe that is less than what `look` last returned: the floor, at first below all.
    pub(super) fn contenders(&self, probe: &Embedding, mut look: impl FnMut(usize) -> f32) {
        let probe = Probe::new(probe);
        let mut floor = f64::NEG_INFINITY;
        let mut room = [0; BLOCK];
        let blocks = self.codes.chunks(BLOCK * probe.code.len());
        for (number, (codes, fits)) in blocks.zip(self.fits.chunks(BLOCK)).enumerate() {
            let products = &mut room[..fits.len()];
            (self.products)(codes, &probe.code, products);
            for (at, (fit, product)) in fits.iter().zip(products).enumerate() {
                if probe.bound(fit, *product) >= floor {
                    floor = f64::from(look(number * BLOCK + at));
                }
            }
        }
    }
}

impl Probe {
    fn new(probe: &Embedding) -> Self {
        let numbers = probe.as_slice();
        // The products of so many numbers stay within an `i32`.
        let room = i32::MAX / (i32::from(i8::MAX) * numbers.len() as i32);
        let most = room.min(i16::MAX.into());
        let scale = f64::from(peak(numbers)) / f64::from(most);
        let whole = |x: &f32| libm::round(f64::from(*x) / scale) as i16;
        let code: Vec<i16> = numbers.iter().map(whole).collect();
        let error = left_out(numbers, scale, code.iter().map(|r| f64::from(*r)));
        Self {
            code,
            scale,
            reach: LONGEST + error,
            rest: LONGEST * error + rounding(numbers.len()),
        }
    }

    /// At least the score with a reference, whose code has that product with the probe's.
    fn bound(&self, fit: &Fit, product: i32) -> f64 {
        let product = f64::from(product) * self.scale * f64::from(fit.scale);
        product + f64::from(fit.error) * self.reach + self.rest
    }
}

/// What rounding can add to a score of embeddings of that length, and to the parts of a bound.
///
/// In [`dot`](crate::embedding::dot) no product passes more than `len + 10` roundings: its own, at
/// most `len` additions within a lane or the rest, and nine that put those together. Each is off
/// by at most `f32::EPSILON / 2` of what it rounds, so the score by little more than
/// `(len + 10) f32::EPSILON / 2`, for the lengths are near 1. This is over twice that; the other
/// half, at least 1e-6, is far more than products too small for an `f32` (`len` times 2^-150), the
/// rounding of [`Fit::error`] (2^-24 of at most 0.26) and all of the arithmetic in `f64` come to.
fn rounding(len: usize) -> f64 {
    (len + 16) as f64 * f64::from(f32::EPSILON)
}

/// The largest magnitude.
fn peak(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The length of the difference between the numbers and their code.
fn left_out(numbers: &[f32], scale: f64, code: impl Iterator<Item = f64>) -> f64 {
    let differences = numbers.iter().zip(code).map(|(x, q)| {
        let difference = f64::from(*x) - scale * q;
        difference * difference
    });
    libm::sqrt(differences.sum())
}

#[cfg(test)]
mod tests;
