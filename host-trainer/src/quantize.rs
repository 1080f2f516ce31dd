//! Weight-only quantization: symmetric signed bytes with one scale for each output channel.

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
    let scale = |row: &[f32]| match row.iter().fold(0.0_f32, |max, w| max.max(w.abs())) {
        0.0 => 1.0,
        max => max / 127.0,
    };
    let scales: Vec<f32> = rows.clone().map(scale).collect();
    let bytes = rows
        .zip(&scales)
        .flat_map(|(row, scale)| {
            row.iter()
                .map(move |w| (w / scale).round().clamp(-127.0, 127.0) as i8)
        })
        .collect();
    QuantizedWeights { bytes, scales }
}

#[cfg(test)]
mod tests {
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
