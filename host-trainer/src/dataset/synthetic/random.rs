//! Random numbers that are the same on every machine: streams for traits, hashes for textures.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Random numbers of one purpose, independent of what any other stream has drawn.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The key of the cipher is the arguments themselves, so that no two purposes share a stream
    /// and no hash is needed.
    pub(super) fn new(purpose: [u8; 8], seed: u64, index: u64, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&purpose);
        key[8..16].copy_from_slice(&seed.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..].copy_from_slice(&number.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 32 random bits.
    pub(super) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in `low..high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * fraction(self.bits())
    }

    /// Around zero, within `-spread..spread`; the standard deviation is a third of `spread`.
    pub(super) fn bell(&mut self, spread: f32) -> f32 {
        let sum: f32 = (0..3).map(|_| self.between(-1.0, 1.0)).sum();
        spread * sum / 3.0
    }

    /// Three colors or offsets, each uniform in `low..high`.
    pub(super) fn triple(&mut self, low: f32, high: f32) -> [f32; 3] {
        [0; 3].map(|_| self.between(low, high))
    }
}

/// The upper 24 bits as a number in `0..1`; all of them are exact in `f32`.
fn fraction(bits: u32) -> f32 {
    (bits >> 8) as f32 / 16_777_216.0
}

/// Scrambles 32 bits (the finalizer of MurmurHash3): enough for textures, too weak for traits.
pub(super) fn scramble(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

/// Smooth noise in `0..1` that varies over a distance of one.
pub(super) fn value_noise(x: f32, y: f32, salt: u32) -> f32 {
    let (column, row) = (floor(x), floor(y));
    let (u, v) = (ease(x - column as f32), ease(y - row as f32));
    let lattice = |dx: i32, dy: i32| {
        let x = (column.wrapping_add(dx) as u32).wrapping_mul(0x9e37_79b1);
        let y = (row.wrapping_add(dy) as u32).wrapping_mul(0x7feb_352d);
        fraction(scramble(x ^ y.rotate_left(15) ^ salt))
    };
    let top = lattice(0, 0) + u * (lattice(1, 0) - lattice(0, 0));
    let bottom = lattice(0, 1) + u * (lattice(1, 1) - lattice(0, 1));
    top + v * (bottom - top)
}

/// Smooth noise in `0..1` along a line.
pub(super) fn line_noise(x: f32, salt: u32) -> f32 {
    let step = floor(x);
    let at = |i: i32| fraction(scramble((i as u32).wrapping_mul(0x9e37_79b1) ^ salt));
    let (from, to) = (at(step), at(step.wrapping_add(1)));
    from + ease(x - step as f32) * (to - from)
}

/// The next whole number below. Quicker than `f32::floor`, which is a call on plain x86-64.
pub(super) fn floor(x: f32) -> i32 {
    let cut = x as i32;
    cut - i32::from((cut as f32) > x)
}

/// From 0 to 1 with level ends; the argument is clamped.
pub(super) fn ease(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
