//! From light to bytes: blur, exposure, the display curve and noise.

use super::nuisance::Camera;
use super::random::scramble;
use super::scene::Rgb;
use super::{FRAME_HEIGHT, FRAME_WIDTH};
use image::RgbImage;

/// Takes the picture. `canvas` is linear light, rows from the top.
pub(super) fn expose(camera: &Camera, mut canvas: Vec<Rgb>) -> RgbImage {
    for pixel in &mut canvas {
        (0..3).for_each(|c| pixel[c] *= camera.gain[c]);
    }
    blur(&mut canvas, camera.blur_sigma_px);
    for value in canvas.as_flattened_mut() {
        *value = 255.0 * shoulder(*value + camera.veil).sqrt();
    }
    let mut bytes = vec![0; canvas.len() * 3];
    for (i, (pixel, out)) in canvas.iter().zip(bytes.chunks_exact_mut(3)).enumerate() {
        let noise = noise(camera.noise_seed ^ scramble(i as u32));
        for c in 0..3 {
            // The cast rounds after the half is added, and clamps.
            out[c] = (pixel[c] + camera.noise_sigma * noise[c] + 0.5) as u8;
        }
    }
    RgbImage::from_raw(FRAME_WIDTH, FRAME_HEIGHT, bytes)
        .expect("the canvas has the size of a frame")
}

/// Linear up to a half, then ever flatter towards one, so that bright skin keeps its shades.
fn shoulder(light: f32) -> f32 {
    if light < 0.5 {
        light
    } else {
        1.0 - 0.25 / light
    }
}

/// Three nearly normal numbers of unit variance: each the sum of two uniform ones.
fn noise(seed: u32) -> Rgb {
    let first = scramble(seed);
    let second = scramble(first ^ 0x9e37_79b9);
    let part = |shift: u32| (first >> shift & 0x3ff) + (second >> shift & 0x3ff);
    [0, 10, 20].map(|shift| (part(shift) as i32 - 1023) as f32 * (2.45 / 1023.0))
}

/// Blurs with five taps each way; the edge pixels repeat.
fn blur(canvas: &mut [Rgb], sigma_px: f32) {
    let taps = taps(sigma_px);
    let (width, height) = (FRAME_WIDTH as usize, FRAME_HEIGHT as usize);
    let mut rows = vec![[0.0; 3]; canvas.len()];
    let mut padded = vec![[0.0; 3]; width + 4];
    for (line, row) in canvas.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        padded[..2].fill(line[0]);
        padded[2..width + 2].copy_from_slice(line);
        padded[width + 2..].fill(line[width - 1]);
        weigh(&taps, [0, 1, 2, 3, 4].map(|k| &padded[k..k + width]), row);
    }
    for (y, row) in canvas.chunks_exact_mut(width).enumerate() {
        let start = |k: usize| (y + k).saturating_sub(2).min(height - 1) * width;
        weigh(
            &taps,
            [0, 1, 2, 3, 4].map(|k| &rows[start(k)..start(k) + width]),
            row,
        );
    }
}

/// The weighted sum of five rows of equal length.
fn weigh(taps: &[f32; 5], rows: [&[Rgb]; 5], sum: &mut [Rgb]) {
    // Flat slices of one length, so that the compiler works on four values at a time.
    let sum = sum.as_flattened_mut();
    let [a, b, c, d, e] = rows.map(|row| &row.as_flattened()[..sum.len()]);
    for i in 0..sum.len() {
        sum[i] = taps[0] * (a[i] + e[i]) + taps[1] * (b[i] + d[i]) + taps[2] * c[i];
    }
}

/// A Gaussian cut after two pixels, symmetric; it sums to one.
fn taps(sigma_px: f32) -> [f32; 5] {
    let weight = |d: f32| libm::expf(-0.5 * d * d / (sigma_px * sigma_px));
    let raw = [2.0, 1.0, 0.0, 1.0, 2.0].map(weight);
    let sum: f32 = raw.iter().sum();
    raw.map(|w| w / sum)
}
