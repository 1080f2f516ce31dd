//! Every input channel for every output channel.

use super::{BLOCK, LANES, Layer, finish};
#[cfg(target_arch = "x86_64")]
use fearless_simd::Level;
use fearless_simd::{f32x16, prelude::*};

/// Weights that take more than this are read once, the pixels many times; about a quarter of a
/// second-level cache, in numbers.
const MANY_WEIGHTS: usize = 1 << 16;

/// As many places and vectors of channels at a time as there are registers for.
#[inline(always)]
pub(super) fn dense<S: Simd>(simd: S, layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
    match simd.level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(_) => blocks::<S, 2, 8>(simd, layer, pixels, out),
        #[cfg(target_arch = "x86_64")]
        Level::Sse2(_) | Level::Sse4_2(_) => blocks::<S, 1, 2>(simd, layer, pixels, out),
        _ => blocks::<S, 1, 6>(simd, layer, pixels, out),
    }
}

/// `V` vectors of channels of `P` places at a time.
#[inline(always)]
fn blocks<S: Simd, const V: usize, const P: usize>(
    simd: S,
    layer: &Layer<'_>,
    pixels: &[f32],
    out: &mut [f32],
) {
    let places = layer.geometry.output().unwrap_or_default();
    let tiles = tiles::<P>(places.iter().product());
    let packed = layer.bias.len();
    let (blocks, inputs) = (packed.div_ceil(BLOCK), layer.weights.len() / packed);
    let pixels_once = layer.weights.len() <= MANY_WEIGHTS;
    for i in 0..tiles.len() * blocks {
        let (tile, block) = match pixels_once {
            true => (i / blocks, i % blocks),
            false => (i % tiles.len(), i / tiles.len()),
        };
        let ((place, count), channel) = (tiles[tile], block * BLOCK);
        let width = BLOCK.min(packed - channel);
        let weights = &layer.weights[channel * inputs..][..width * inputs];
        let at = Tile {
            layer,
            pixels,
            place,
            channel,
        };
        match (width == BLOCK, count) {
            (true, 1) => at.block::<S, BLOCK, V, 1>(simd, weights, out),
            (true, 4) => at.block::<S, BLOCK, V, 4>(simd, weights, out),
            (true, _) => at.block::<S, BLOCK, V, P>(simd, weights, out),
            (false, 1) => at.block::<S, LANES, 1, 1>(simd, weights, out),
            (false, 4) => at.block::<S, LANES, 1, 4>(simd, weights, out),
            (false, _) => at.block::<S, LANES, 1, P>(simd, weights, out),
        }
    }
}

/// First place and how many: `P`, at the end four or one.
fn tiles<const P: usize>(places: usize) -> Vec<(usize, usize)> {
    let mut tiles = Vec::with_capacity(places / P + P);
    let mut place = 0;
    while place < places {
        let count = match places - place {
            left if left >= P => P,
            4.. if P > 4 => 4,
            _ => 1,
        };
        tiles.push((place, count));
        place += count;
    }
    tiles
}

/// Places of the output, in the order they lie in memory, and a block of channels.
struct Tile<'a> {
    layer: &'a Layer<'a>,
    /// Padded.
    pixels: &'a [f32],
    place: usize,
    channel: usize,
}

impl Tile<'_> {
    /// `P` places, and `V` vectors at a time of a block of `B` channels, whose weights are given.
    #[inline(always)]
    fn block<S: Simd, const B: usize, const V: usize, const P: usize>(
        &self,
        simd: S,
        weights: &[f32],
        out: &mut [f32],
    ) {
        let geometry = &self.layer.geometry;
        let [_, columns] = geometry.output().unwrap_or_default();
        let line = geometry.kernel[1] * geometry.input[2];
        let [_, padded] = geometry.padded();
        // Where the kernel's first line begins for each place.
        let (mut row, mut column) = (self.place / columns, self.place % columns);
        let first: [usize; P] = std::array::from_fn(|_| {
            let first = row * geometry.stride[0] * padded + column * geometry.stride[1];
            column += 1;
            if column == columns {
                (row, column) = (row + 1, 0);
            }
            first * geometry.input[2]
        });
        for part in (0..B).step_by(V * LANES) {
            let mut sums = [[f32x16::splat(simd, 0.0); V]; P];
            for (row, weights) in weights.chunks_exact(line * B).enumerate() {
                let down = row * padded * geometry.input[2];
                let lines: [&[f32]; P] =
                    std::array::from_fn(|p| &self.pixels[first[p] + down..][..line]);
                for (i, weights) in weights.as_chunks::<B>().0.iter().enumerate().take(line) {
                    let weights: [f32x16<S>; V] = std::array::from_fn(|v| {
                        f32x16::from_slice(simd, &weights[part + v * LANES..][..LANES])
                    });
                    for p in 0..P {
                        let pixel = f32x16::splat(simd, lines[p][i]);
                        for v in 0..V {
                            sums[p][v] = weights[v].mul_add(pixel, sums[p][v]);
                        }
                    }
                }
            }
            for (p, sums) in sums.into_iter().enumerate() {
                let at = [self.place + p, self.channel + part];
                finish(simd, self.layer, at, sums, out);
            }
        }
    }
}
