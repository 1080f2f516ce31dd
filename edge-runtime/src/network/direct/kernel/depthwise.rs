//! Each channel by itself.

use super::{Geometry, LANES, Layer, finish, load};
use fearless_simd::{f32x16, prelude::*};

/// Neighbors of a row at a time: their sums do not wait for each other.
const NEIGHBORS: usize = 4;

/// A vector of channels after the other. Its pixels are first brought together as vectors, zeros
/// around them: read from slices of floats, each would be written to the stack and read again.
#[inline(always)]
pub(super) fn depthwise<S: Simd>(simd: S, layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
    let geometry = &layer.geometry;
    let [rows, columns] = geometry.output().unwrap_or_default();
    let ([height, width], packed) = (geometry.padded(), layer.bias.len());
    let zero = f32x16::splat(simd, 0.0);
    let mut plane = vec![zero; height * width];
    let mut weights = vec![zero; layer.weights.len() / packed];
    for channel in (0..packed).step_by(LANES) {
        gather(simd, geometry, pixels, channel, &mut plane);
        for (to, from) in weights.iter_mut().zip(layer.weights.chunks_exact(packed)) {
            *to = f32x16::from_slice(simd, &from[channel..][..LANES]);
        }
        let kernel = Kernel {
            geometry,
            plane: &plane,
            weights: &weights,
        };
        for row in 0..rows {
            let mut column = 0;
            while column < columns {
                let place = row * columns + column;
                if columns - column >= NEIGHBORS {
                    let sums = kernel.sums::<NEIGHBORS>(simd, [row, column]);
                    for (p, sum) in sums.into_iter().enumerate() {
                        finish(simd, layer, [place + p, channel], [sum], out);
                    }
                    column += NEIGHBORS;
                } else {
                    let sum = kernel.sums::<1>(simd, [row, column]);
                    finish(simd, layer, [place, channel], sum, out);
                    column += 1;
                }
            }
        }
    }
}

/// Channels from `channel` on, as many as a vector has or are left, of all pixels; what is around
/// the picture stays.
#[inline(always)]
fn gather<S: Simd>(
    simd: S,
    geometry: &Geometry,
    pixels: &[f32],
    channel: usize,
    plane: &mut [f32x16<S>],
) {
    let ([_, columns, channels], [_, width]) = (geometry.input, geometry.padded());
    let [top, left, ..] = geometry.pads;
    let end = channels.min(channel + LANES);
    let lines = plane.chunks_exact_mut(width).skip(top);
    for (to, from) in lines.zip(pixels.chunks_exact(columns * channels)) {
        for (to, from) in to[left..].iter_mut().zip(from.chunks_exact(channels)) {
            *to = load(simd, &from[channel..end]);
        }
    }
}

/// A vector of channels.
struct Kernel<'a, S: Simd> {
    geometry: &'a Geometry,
    /// The padded input.
    plane: &'a [f32x16<S>],
    weights: &'a [f32x16<S>],
}

impl<S: Simd> Kernel<'_, S> {
    /// The sums of `P` neighbors, from that row and column of the output on.
    #[inline(always)]
    fn sums<const P: usize>(&self, simd: S, [row, column]: [usize; 2]) -> [f32x16<S>; P] {
        let ([_, across], [_, width]) = (self.geometry.kernel, self.geometry.padded());
        let [down, step] = self.geometry.stride;
        let mut sums = [f32x16::splat(simd, 0.0); P];
        let lines = self.plane[row * down * width..].chunks_exact(width);
        for (line, weights) in lines.zip(self.weights.chunks_exact(across)) {
            let pixels = line[column * step..].windows((P - 1) * step + 1);
            for (weights, pixels) in weights.iter().zip(pixels) {
                for p in 0..P {
                    sums[p] = pixels[p * step].mul_add(*weights, sums[p]);
                }
            }
        }
        sums
    }
}
