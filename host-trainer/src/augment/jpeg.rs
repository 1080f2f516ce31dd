//! JPEG (ITU-T T.81) without the lossless part: what an encoder and a decoder leave of an image.

use super::step::{LUMA, Step, luma};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use tch::{Device, Tensor};

/// Quantization of brightness at quality 50, rows of rising vertical frequency (T.81, table K.1).
#[rustfmt::skip]
const LUMA_TABLE: [i64; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];

/// Quantization of color at quality 50 (table K.2).
#[rustfmt::skip]
const CHROMA_TABLE: [i64; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// JPEG with the standard tables and a quarter of the color pixels (4:2:0), as libjpeg makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jpeg {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The smallest and the largest quality on libjpeg's scale, 1 to 100.
    pub quality: [u8; 2],
}

impl Step for Jpeg {
    const NAME: &'static str = "jpeg";
    /// Quality.
    type Drawn = u8;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        let [least, most] = self.quality;
        let good = 1 <= least && least <= most && most <= 100;
        (!good).then_some("quality must be two numbers in 1 to 100, the smaller one first")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> u8 {
        random.random_range(self.quality[0]..=self.quality[1])
    }

    fn apply(images: &Tensor, drawn: &[u8]) -> Tensor {
        let brightness = luma(images);
        let [red, blue] = [0, 2].map(|channel| {
            // A color plane is the channel less the brightness, scaled to the same range.
            let scale = 2.0 * (1.0 - LUMA[channel]);
            let color = (images.narrow(1, channel as i64, 1) - &brightness) / scale;
            color.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>)
        });
        let table = |base| tables(base, drawn, images.device());
        let color = Tensor::cat(&[red + 128.0, blue + 128.0], 1);
        let color = quantized(&color, &table(&CHROMA_TABLE)) - 128.0;
        let brightness = quantized(&brightness, &table(&LUMA_TABLE));
        let size = &images.size()[2..];
        let color = color.upsample_bilinear2d(size, false, None::<f64>, None::<f64>);
        let [red, blue] = [(0, 0), (1, 2)].map(|(plane, channel)| {
            let scale = 2.0 * (1.0 - LUMA[channel]);
            color.narrow(1, plane, 1) * scale + &brightness
        });
        let green = (brightness - &red * LUMA[0] - &blue * LUMA[2]) / LUMA[1];
        Tensor::cat(&[red, green, blue], 1).round_()
    }
}

/// libjpeg's tables of a quality each, `[N, 1, 64]`.
fn tables(base: &[i64; 64], qualities: &[u8], device: Device) -> Tensor {
    let table = |quality: &u8| {
        let percent = match i64::from(*quality) {
            quality @ ..50 => 5000 / quality,
            quality => 200 - 2 * quality,
        };
        base.map(|step| ((step * percent + 50) / 100).clamp(1, 255) as f32)
    };
    let tables: Vec<f32> = qualities.iter().flat_map(table).collect();
    Tensor::from_slice(&tables)
        .view([-1, 1, 64])
        .to_device(device)
}

/// Rounds `[N, C, H, W]` planes in 0 to 255 to whole levels and their spectra to the tables'
/// multiples, in blocks of 8 x 8.
fn quantized(planes: &Tensor, tables: &Tensor) -> Tensor {
    let size = planes.size();
    let (high, wide) = (size[1] * size[2] / 8, size[3] / 8);
    let cosines = cosines(planes.device());
    let blocks = (planes.round() - 128.0)
        .view([size[0], high, 8, wide, 8])
        .transpose(2, 3)
        .reshape([size[0], high * wide, 64]);
    let spectrum = (blocks.matmul(&cosines.tr()) / tables).round_() * tables;
    let blocks = spectrum.matmul(&cosines) + 128.0;
    blocks
        .view([size[0], high, wide, 8, 8])
        .transpose(2, 3)
        .reshape(&size[..])
        .round_()
        .clamp_(0.0, 255.0)
}

/// The two-dimensional cosine transform of 64 pixels as a matrix, orthonormal; `[64, 64]`.
fn cosines(device: Device) -> Tensor {
    let wave = |frequency: usize, place: usize| {
        let norm: f64 = if frequency == 0 { 0.125 } else { 0.25 };
        norm.sqrt() * (PI / 16.0 * (frequency * (2 * place + 1)) as f64).cos()
    };
    let entry =
        |(out, from): (usize, usize)| (wave(out / 8, from / 8) * wave(out % 8, from % 8)) as f32;
    let entries = (0..64 * 64).map(|i: usize| entry((i / 64, i % 64)));
    Tensor::from_slice(&entries.collect::<Vec<_>>())
        .view([64, 64])
        .to_device(device)
}

#[cfg(test)]
mod tests {
    use super::super::step::pictures;
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageFormat, load_from_memory_with_format};
    use tch::Kind;

    fn decoded(jpeg: &[u8]) -> Tensor {
        let image = load_from_memory_with_format(jpeg, ImageFormat::Jpeg).unwrap();
        let image = image.into_rgb8();
        Tensor::from_slice(image.as_raw())
            .view([1, i64::from(image.height()), i64::from(image.width()), 3])
            .permute([0, 3, 1, 2])
            .to_kind(Kind::Float)
            .contiguous()
    }

    /// By the `image` crate, which keeps all color pixels (4:4:4).
    fn coded(image: &Tensor, quality: u8) -> Tensor {
        let bytes = image
            .permute([0, 2, 3, 1])
            .to_kind(Kind::Uint8)
            .flatten(0, -1);
        let (height, width) = (image.size()[2] as u32, image.size()[3] as u32);
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, quality)
            .encode(
                &Vec::<u8>::try_from(bytes).unwrap(),
                width,
                height,
                ExtendedColorType::Rgb8,
            )
            .unwrap();
        decoded(&jpeg)
    }

    /// Mean absolute difference in levels.
    fn apart(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().mean(Kind::Double).double_value(&[])
    }

    #[test]
    fn brightness_comes_out_as_the_image_crate_leaves_it() {
        // The crate keeps all color pixels, so that colors must differ; brightness must not.
        let colored = pictures(1, [112, 96]);
        let gray = luma(&colored)
            .round()
            .expand([1, 3, 112, 96], false)
            .contiguous();
        let check = |image: &Tensor, quality| {
            let ours = luma(&Jpeg::apply(image, &[quality]));
            let off = |quality| apart(&ours, &luma(&coded(image, quality)));
            let (same, other) = (off(quality), off(quality / 2));
            assert!(same < 0.4 && other > 0.8, "{quality}: {same}, {other}");
        };
        for quality in [5, 30, 49, 50, 80, 100] {
            check(&gray, quality);
            check(&colored, quality);
        }
    }

    #[test]
    fn quarter_color_comes_out_as_libjpeg_leaves_it() {
        // Made with Pillow 13.0 (libjpeg-turbo): quality 40, subsampling 4:2:0.
        let theirs = decoded(include_bytes!("quality-40-420.jpg"));
        let level = |i: usize| {
            let (x, y) = (i % 32, i / 32 % 32);
            [8 * x, 8 * y, 255 * ((x / 8 + y / 8) % 2)][i / 1024] as f32
        };
        let levels: Vec<f32> = (0..3 * 1024).map(level).collect();
        let image = Tensor::from_slice(&levels).view([1, 3, 32, 32]);
        let ours = |quality| Jpeg::apply(&image, &[quality]).clamp(0.0, 255.0);
        let off = |quality| apart(&ours(quality), &theirs);
        // Decoders differ in how they interpolate color, by a level.
        assert!(off(40) < 1.2, "{}", off(40));
        for other in [38, 42] {
            assert!(off(other) > 2.0, "{other}: {}", off(other));
        }
        assert!(apart(&coded(&image, 40), &theirs) > 10.0);
    }
}
