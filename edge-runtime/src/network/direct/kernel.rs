//! The arithmetic. Pixels are `[rows, columns, channels]`.

mod dense;
mod depthwise;

use super::geometry::Geometry;
use dense::dense;
use depthwise::depthwise;
use fearless_simd::{Level, dispatch, f32x16, prelude::*};
use std::borrow::Cow;

/// Output channels whose weights lie together.
pub(super) const BLOCK: usize = 2 * LANES;
/// Numbers of the vectors that are computed with; the last block may have one alone.
pub(super) const LANES: usize = 16;

/// What follows the sum of products.
#[derive(Debug, Clone, Copy)]
pub(super) enum Activation<'a> {
    None,
    /// Negative values are multiplied by the channel's slope.
    Slopes(&'a [f32]),
    /// Values are kept between two.
    Clip(f32, f32),
}

/// Everything but the pixels; `bias` and slopes have a number for each packed channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) geometry: Geometry,
    pub(super) weights: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation<'a>,
    /// Added last, of the output's shape.
    pub(super) residual: Option<&'a [f32]>,
}

/// Convolves `pixels` into `out`, which has room for all of it.
///
/// # Panics
/// If a slice is not as long as the geometry says.
pub(super) fn convolve(layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
    convolve_with(Level::new(), layer, pixels, out);
}

/// With the vectors of that level, which may be below what the processor has.
fn convolve_with(level: Level, layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
    dispatch!(level, simd => match layer.geometry.depthwise {
        true => depthwise(simd, layer, pixels, out),
        false => dense(simd, layer, &pad(&layer.geometry, pixels), out),
    });
}

/// The pixels with zeros around them.
fn pad<'a>(geometry: &Geometry, pixels: &'a [f32]) -> Cow<'a, [f32]> {
    if geometry.pads == [0; 4] {
        return Cow::Borrowed(pixels);
    }
    let ([_, columns, channels], [rows, padded]) = (geometry.input, geometry.padded());
    let [top, left, ..] = geometry.pads;
    let mut out = vec![0.0; rows * padded * channels];
    let lines = out.chunks_exact_mut(padded * channels).skip(top);
    for (to, from) in lines.zip(pixels.chunks_exact(columns * channels)) {
        to[left * channels..][..from.len()].copy_from_slice(from);
    }
    Cow::Owned(out)
}

/// Bias, activation and residual of vectors of channels of one place, from `channel` on.
#[inline(always)]
fn finish<S: Simd, const V: usize>(
    simd: S,
    layer: &Layer<'_>,
    [place, channel]: [usize; 2],
    mut values: [f32x16<S>; V],
    out: &mut [f32],
) {
    let of = |numbers: &[f32]| -> [f32x16<S>; V] {
        let numbers = numbers[channel..].as_chunks::<LANES>().0;
        std::array::from_fn(|v| f32x16::from_slice(simd, &numbers[v]))
    };
    let bias = of(layer.bias);
    for v in 0..V {
        values[v] += bias[v];
    }
    match layer.activation {
        Activation::None => {}
        Activation::Slopes(slopes) => {
            let (slopes, zero) = (of(slopes), f32x16::splat(simd, 0.0));
            for v in 0..V {
                let scaled = values[v] * slopes[v];
                values[v] = values[v].simd_lt(zero).select(scaled, values[v]);
            }
        }
        Activation::Clip(low, high) => {
            let (low, high) = (f32x16::splat(simd, low), f32x16::splat(simd, high));
            values = values.map(|value| value.max(low).min(high));
        }
    }
    let channels = layer.geometry.channels;
    let here = place * channels + channel;
    // The last vector may be wider than what is left of the channels.
    let width = (V * LANES).min(channels - channel);
    let out = &mut out[here..][..width];
    let residual = layer.residual.map(|residual| &residual[here..][..width]);
    for (v, mut value) in values.into_iter().enumerate() {
        let lanes = v * LANES..width.min((v + 1) * LANES);
        if let Some(residual) = residual {
            value += load(simd, &residual[lanes.clone()]);
        }
        store(value, &mut out[lanes]);
    }
}

/// Up to a vector of numbers, zeros behind.
#[inline(always)]
fn load<S: Simd>(simd: S, from: &[f32]) -> f32x16<S> {
    if from.len() == LANES {
        return f32x16::from_slice(simd, from);
    }
    let mut some = [0.0; LANES];
    some[..from.len()].copy_from_slice(from);
    f32x16::from_slice(simd, &some)
}

/// Stores as many numbers of a vector as there is room for.
#[inline(always)]
fn store<S: Simd>(values: f32x16<S>, to: &mut [f32]) {
    if to.len() == LANES {
        return values.store_slice(to);
    }
    let mut some = [0.0; LANES];
    values.store_slice(&mut some);
    to.copy_from_slice(&some[..to.len()]);
}

#[cfg(test)]
mod tests;
