//! Weights in the order that the kernel reads them.

use super::kernel::{BLOCK, LANES};

/// How many channels `channels` are packed as.
pub(super) fn packed(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// A number for each channel, zeros behind.
pub(super) fn numbers(values: &[f32]) -> Vec<f32> {
    let mut out = values.to_vec();
    out.resize(packed(values.len()), 0.0);
    out
}

/// From `[output, input, rows, columns]` to blocks of output channels, each
/// `[rows, columns, input, block]`; channels that are missing at the end are zeros.
pub(super) fn dense(weights: &[f32], [output, input, rows, columns]: [usize; 4]) -> Vec<f32> {
    let mut out = Vec::with_capacity(packed(output) * input * rows * columns);
    for block in (0..packed(output)).step_by(BLOCK) {
        let channels = block..packed(output).min(block + BLOCK);
        for (place, i) in (0..rows * columns).flat_map(|p| (0..input).map(move |i| (p, i))) {
            out.extend(channels.clone().map(|channel| {
                let at = (channel * input + i) * rows * columns + place;
                if channel < output { weights[at] } else { 0.0 }
            }));
        }
    }
    out
}

/// From `[channels, 1, rows, columns]` to `[rows, columns, channels]`, zeros behind the channels.
pub(super) fn depthwise(weights: &[f32], channels: usize) -> Vec<f32> {
    let places = weights.len() / channels;
    let of = |place| move |channel| weights[channel * places + place];
    let place = |place| numbers(&(0..channels).map(of(place)).collect::<Vec<_>>());
    (0..places).flat_map(place).collect()
}
