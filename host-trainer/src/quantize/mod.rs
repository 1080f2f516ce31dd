//! Numbers in bytes. Of weights alone: symmetric, with one scale for each output channel. Of
//! activations, too: `layout` says which, `calibrate` between which numbers, `scheme` with what
//! scales, `fit` puts these together and measures; `tune` trains on with the rounding in place, and
//! `finish` does it all and makes the bundle.

mod affine;
mod calibrate;
mod error;
mod finish;
mod fit;
mod histogram;
mod layout;
mod scheme;
#[cfg(test)]
mod tests;
mod tune;

pub use affine::Affine;
pub use calibrate::{Calibration, LEAST_FACES, calibrate};
pub use error::QuantizeError;
pub use finish::{Faces, Figures, Finish, FinishError, REPORT_FILE, Report};
pub use fit::{Agreement, fit};
pub use histogram::Method;
pub use layout::{Kind, Layout, quantizable};
pub(crate) use scheme::IntegerLayer;
pub use scheme::{Layer, Scheme, Value};
pub use tune::{Tuning, tune, tuning};

/// Bytes and scales such that `weight ~ bytes * scale` for each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedWeights {
    /// As many as there were weights, in -127 to 127.
    pub bytes: Vec<i8>,
    /// One for each output channel, above 0.
    pub scales: Vec<f32>,
}

/// Quantizes `weights`, whose first dimension has `channels` entries. The largest weight of a
/// channel becomes 127; a channel of zeros gets scale 1.
pub fn per_channel(weights: &[f32], channels: usize) -> QuantizedWeights {
    let rows = weights.chunks_exact(weights.len() / channels);
    let scales: Vec<f32> = rows
        .map(|row| largest(row).map_or(1.0, |most| most / 127.0))
        .collect();
    let bytes = bytes(weights, &scales);
    QuantizedWeights { bytes, scales }
}

/// Weights in bytes with the given scales: one for all, or one for each output channel.
pub(crate) fn bytes(weights: &[f32], scales: &[f32]) -> Vec<i8> {
    let rows = weights.chunks_exact(weights.len() / scales.len());
    let rounded = |(row, scale): (&[f32], &f32)| -> Vec<i8> {
        let inverse = 1.0 / scale;
        row.iter().map(|w| steps(*w, inverse) as i8).collect()
    };
    rows.zip(scales).flat_map(rounded).collect()
}

/// A weight in whole steps, -127 to 127, of which `inverse` are 1. As libtorch rounds: ties to even,
/// and a product with the scale's inverse.
fn steps(weight: f32, inverse: f32) -> f32 {
    (weight * inverse).round_ties_even().clamp(-127.0, 127.0)
}

/// The largest size of weights; `None` for zeros, and where a 127th is no normal number.
fn largest(weights: &[f32]) -> Option<f32> {
    let most = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    (most / 127.0 >= f32::MIN_POSITIVE).then_some(most)
}

#[cfg(test)]
mod weights {
    use super::*;

    #[test]
    fn each_channel_has_its_own_scale() {
        let quantized = per_channel(&[1.27, -0.5, 0.0, 0.0, 0.0127, 0.001], 3);
        assert_eq!(quantized.bytes, [127, -50, 0, 0, 127, 10]);
        for (scale, expected) in quantized.scales.iter().zip([0.01, 1.0, 0.0001]) {
            assert!((scale / expected - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn no_weight_is_off_by_more_than_half_a_step() {
        let weights: Vec<f32> = (0..4096)
            .map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 311.0)
            .collect();
        let quantized = per_channel(&weights, 16);
        for (i, (weight, byte)) in weights.iter().zip(&quantized.bytes).enumerate() {
            let scale = quantized.scales[i / 256];
            assert!((weight - f32::from(*byte) * scale).abs() <= scale * 0.5001);
        }
    }
}
