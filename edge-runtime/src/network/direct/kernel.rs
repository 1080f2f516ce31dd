//! The arithmetic. Pixels are `[rows, columns, channels]`.

use fearless_simd::{Level, dispatch, f32x16, prelude::*};
use std::borrow::Cow;

/// Output channels whose weights lie together.
pub(super) const BLOCK: usize = 2 * LANES;
/// Numbers of the vectors that are computed with; the last block may have one alone.
pub(super) const LANES: usize = 16;
/// Weights that take more than this are read once, the pixels many times; about a quarter of a
/// second-level cache, in numbers.
const MANY_WEIGHTS: usize = 1 << 16;

/// What is convolved with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Geometry {
    /// Input rows, columns, channels.
    pub(super) input: [usize; 3],
    /// Output channels; as many as the input's where `depthwise`.
    pub(super) channels: usize,
    /// Rows, columns.
    pub(super) kernel: [usize; 2],
    /// Rows, columns.
    pub(super) stride: [usize; 2],
    /// Zeros above, left, below, right.
    pub(super) pads: [usize; 4],
    /// Each channel by itself.
    pub(super) depthwise: bool,
}

impl Geometry {
    fn padded(&self) -> [usize; 2] {
        let [top, left, bottom, right] = self.pads;
        [self.input[0] + top + bottom, self.input[1] + left + right]
    }

    /// Output rows, columns; `None` if the kernel is larger than the padded input.
    pub(super) fn output(&self) -> Option<[usize; 2]> {
        let padded = self.padded();
        let side = |i: usize| Some(padded[i].checked_sub(self.kernel[i])? / self.stride[i] + 1);
        Some([side(0)?, side(1)?])
    }

    /// Multiplications, each with its addition.
    pub(super) fn multiply_adds(&self) -> usize {
        let [rows, columns] = self.output().unwrap_or_default();
        let inputs = if self.depthwise { 1 } else { self.input[2] };
        rows * columns * self.channels * inputs * self.kernel[0] * self.kernel[1]
    }
}

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
    let pixels = pad(&layer.geometry, pixels);
    dispatch!(Level::new(), simd => match layer.geometry.depthwise {
        true => depthwise(simd, layer, &pixels, out),
        false => dense(simd, layer, &pixels, out),
    });
}

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

/// As many places and vectors of channels at a time as there are registers for.
#[inline(always)]
fn dense<S: Simd>(simd: S, layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
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
                for (v, sum) in sums.into_iter().enumerate() {
                    let channel = self.channel + part + v * LANES;
                    finish(simd, self.layer, [self.place + p, channel], sum, out);
                }
            }
        }
    }
}

/// Bias, activation and residual of a vector of channels of one place.
#[inline(always)]
fn finish<S: Simd>(
    simd: S,
    layer: &Layer<'_>,
    [place, channel]: [usize; 2],
    sums: f32x16<S>,
    out: &mut [f32],
) {
    let of = |numbers: &[f32]| f32x16::from_slice(simd, &numbers[channel..][..LANES]);
    let mut values = sums + of(layer.bias);
    match layer.activation {
        Activation::None => {}
        Activation::Slopes(slopes) => {
            let scaled = values * of(slopes);
            let negative = values.simd_lt(f32x16::splat(simd, 0.0));
            values = negative.select(scaled, values);
        }
        Activation::Clip(low, high) => {
            values = values
                .max(f32x16::splat(simd, low))
                .min(f32x16::splat(simd, high));
        }
    }
    let channels = layer.geometry.channels;
    let here = place * channels + channel;
    // The last vector may be wider than what is left of the channels.
    let count = LANES.min(channels - channel);
    if let Some(residual) = layer.residual {
        values += load(simd, &residual[here..][..count]);
    }
    store(values, &mut out[here..][..count]);
}

/// Two vectors of channels of four neighbors of a row at a time, at the ends fewer.
#[inline(always)]
fn depthwise<S: Simd>(simd: S, layer: &Layer<'_>, pixels: &[f32], out: &mut [f32]) {
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
