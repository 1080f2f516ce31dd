//! Each channel by itself.

use super::{BLOCK, LANES, Layer, finish, load};
use fearless_simd::{f32x16, prelude::*};

/// Two vectors of channels of four neighbors of a row at a time, at the ends fewer.
#[inline(always)]
pub(super) fn depthwise<S: Simd>(simd: S, layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
    let geometry = &layer.geometry;
    let [rows, columns] = geometry.output().unwrap_or_default();
    let fours = columns / 4 * 4;
    for row in 0..rows {
        let mut channel = 0;
        while channel < geometry.channels {
            let left = geometry.channels - channel;
            let at = |column| [row, column, channel];
            if left >= BLOCK {
                for column in (0..fours).step_by(4) {
                    places::<S, 2, 4>(simd, layer, pixels, at(column), out);
                }
                for column in fours..columns {
                    places::<S, 2, 1>(simd, layer, pixels, at(column), out);
                }
                channel += BLOCK;
            } else {
                for column in 0..columns {
                    places::<S, 1, 1>(simd, layer, pixels, at(column), out);
                }
                channel += LANES;
            }
        }
    }
}

/// `V` vectors of channels of `P` neighbors of a row; one alone may be wider than what is left of
/// the channels.
#[inline(always)]
fn places<S: Simd, const V: usize, const P: usize>(
    simd: S,
    layer: &Layer<'_>,
    pixels: &[f32],
    [row, column, channel]: [usize; 3],
    out: &mut [f32],
) {
    let geometry = &layer.geometry;
    let ([_, _, channels], [_, padded]) = (geometry.input, geometry.padded());
    let (step, packed) = (geometry.stride[1] * channels, layer.bias.len());
    let width = V * LANES;
    let count = if V == 1 {
        LANES.min(channels - channel)
    } else {
        width
    };
    let [kernel_rows, kernel_columns] = geometry.kernel;
    let span = (kernel_columns - 1) * channels + count;
    let mut sums = [[f32x16::splat(simd, 0.0); V]; P];
    let rows = layer.weights.chunks_exact(kernel_columns * packed);
    for (y, weights) in rows.enumerate().take(kernel_rows) {
        let line = (row * geometry.stride[0] + y) * padded + column * geometry.stride[1];
        let from = &pixels[line * channels + channel..];
        // Walked along, for indices would cost as much as the arithmetic.
        let mut lines: [_; P] = std::array::from_fn(|p| from[p * step..][..span].chunks(channels));
        for weights in weights.chunks_exact(packed) {
            let weights: [f32x16<S>; V] = vectors(simd, &weights[channel..][..width]);
            for (line, sums) in lines.iter_mut().zip(&mut sums) {
                let pixels = &line.next().unwrap_or_default()[..count];
                let pixels: [f32x16<S>; V] = vectors(simd, pixels);
                for v in 0..V {
                    sums[v] = weights[v].mul_add(pixels[v], sums[v]);
                }
            }
        }
    }
    let [_, columns] = geometry.output().unwrap_or_default();
    for (p, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            let at = [row * columns + column + p, channel + v * LANES];
            finish(simd, layer, at, sum, out);
        }
    }
}

/// `V` vectors, of which one alone may have zeros behind.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(simd: S, from: &[f32]) -> [f32x16<S>; V] {
    match V {
        1 => [load(simd, from); V],
        _ => std::array::from_fn(|v| f32x16::from_slice(simd, &from.as_chunks::<LANES>().0[v])),
    }
}
