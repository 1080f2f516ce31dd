//! Color, exposure, low light.

use super::step::{Step, fill_random, luma, per_image};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Bytes that are added to a nearly normal number: mean 4 x 127.5, variance 4 x (256^2 - 1) / 12.
const BYTES: usize = 4;
const BYTES_MEAN: f64 = 510.0;
const BYTES_DEVIATION: f64 = 147.800_766;

/// Other gains of the channels, which moves hues, and another saturation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Color {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The largest change of each channel's gain from 1, 0 to 1.
    pub max_gain: f32,
    /// The largest change of the saturation from 1 (0 would be gray), 0 to 1.
    pub max_saturation: f32,
}

/// Gains of red, green and blue, then the saturation.
pub(super) type Tint = [f32; 4];

impl Step for Color {
    const NAME: &'static str = "color";
    type Drawn = Tint;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        let good = [self.max_gain, self.max_saturation].map(|x| (0.0..=1.0).contains(&x));
        (good != [true; 2]).then_some("max_gain and max_saturation must be in 0 to 1")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Tint {
        let most = [
            self.max_gain,
            self.max_gain,
            self.max_gain,
            self.max_saturation,
        ];
        most.map(|most| random.random_range(1.0 - most..=1.0 + most))
    }

    fn apply(images: &Tensor, drawn: &[Tint]) -> Tensor {
        let tint = per_image(drawn.iter().copied(), images.device());
        let (gains, saturation) = (tint.narrow(1, 0, 3), tint.narrow(1, 3, 1));
        luma(images).lerp_tensor(images, &saturation) * gains
    }
}

/// Light times a gain, cut off at white, then to the power of gamma.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The largest gain or loss in stops (factors of 2), 0 to 4.
    pub max_stops: f32,
    /// The largest gamma, 1 to 4; the smallest is one by it.
    pub max_gamma: f32,
}

impl Step for Exposure {
    const NAME: &'static str = "exposure";
    /// Gain and gamma.
    type Drawn = [f32; 2];

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        if !(0.0..=4.0).contains(&self.max_stops) {
            return Some("max_stops must be in 0 to 4");
        }
        (!(1.0..=4.0).contains(&self.max_gamma)).then_some("max_gamma must be in 1 to 4")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> [f32; 2] {
        let stops = random.random_range(-self.max_stops..=self.max_stops);
        let power = random.random_range(-1.0..=1.0);
        [stops.exp2(), self.max_gamma.powf(power)]
    }

    fn apply(images: &Tensor, drawn: &[[f32; 2]]) -> Tensor {
        let numbers = per_image(drawn.iter().copied(), images.device());
        let (gain, gamma) = (numbers.narrow(1, 0, 1), numbers.narrow(1, 1, 1));
        (images * (gain / 255.0)).clamp_max_(1.0).pow(&gamma) * 255.0
    }
}

/// Little light, with a sensor's noise: normal, independent between pixels and channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowLight {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The smallest factor of the brightness, 0.05 to 1.
    pub darkest: f32,
    /// The largest standard deviation of the noise, levels of 255, 0 to 64.
    pub max_noise: f32,
}

/// The light that is left, the noise's deviation in levels, and its seed.
pub(super) struct Dusk {
    light: f32,
    noise: f32,
    seed: u64,
}

impl Step for LowLight {
    const NAME: &'static str = "low_light";
    type Drawn = Dusk;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        if !(0.05..=1.0).contains(&self.darkest) {
            return Some("darkest must be in 0.05 to 1");
        }
        (!(0.0..=64.0).contains(&self.max_noise)).then_some("max_noise must be in 0 to 64")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Dusk {
        Dusk {
            light: random.random_range(self.darkest..=1.0),
            noise: random.random_range(0.0..=self.max_noise),
            seed: random.random(),
        }
    }

    fn apply(images: &Tensor, drawn: &[Dusk]) -> Tensor {
        let (device, size) = (images.device(), images.size());
        let len = BYTES * size[1..].iter().product::<i64>() as usize;
        let mut bytes = vec![0; drawn.len() * len];
        for (dusk, bytes) in drawn.iter().zip(bytes.chunks_exact_mut(len)) {
            fill_random(dusk.seed, bytes);
        }
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| f32::from(*byte)).sum();
        let sums: Vec<f32> = bytes.chunks_exact(BYTES).map(sum).collect();
        let sums = Tensor::from_slice(&sums).view(&size[..]).to_device(device);
        let numbers = drawn.iter().map(|dusk| [dusk.light, dusk.noise]);
        let numbers = per_image(numbers, device);
        let noise = (sums - BYTES_MEAN) * (numbers.narrow(1, 1, 1) / BYTES_DEVIATION);
        images * numbers.narrow(1, 0, 1) + noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn flat(rgb: [f32; 3]) -> Tensor {
        let color = per_image([rgb].into_iter(), Device::Cpu);
        color.expand([1, 3, 112, 112], false).contiguous()
    }

    fn pixel(image: &Tensor) -> [f64; 3] {
        [0, 1, 2].map(|plane| image.double_value(&[0, plane, 50, 60]))
    }

    fn check(found: [f64; 3], expected: [f64; 3]) {
        let close = [0, 1, 2].map(|i| (found[i] - expected[i]).abs() < 1e-3);
        assert_eq!(close, [true; 3], "{found:?}, not {expected:?}");
    }

    #[test]
    fn color_scales_the_saturation_and_the_channels() {
        let red = flat([200.0, 100.0, 50.0]);
        // Brightness 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2.
        let tint = |tint| pixel(&Color::apply(&red, &[tint]));
        check(tint([1.0, 1.0, 1.0, 1.0]), [200.0, 100.0, 50.0]);
        check(tint([1.0, 1.0, 1.0, 0.0]), [124.2, 124.2, 124.2]);
        check(tint([1.0, 1.0, 1.0, 1.5]), [237.9, 87.9, 12.9]);
        check(tint([0.5, 1.1, 2.0, 1.0]), [100.0, 110.0, 100.0]);
    }

    #[test]
    fn exposure_gains_then_bends() {
        let gray = flat([40.0, 160.0, 0.0]);
        let exposed = |numbers| pixel(&Exposure::apply(&gray, &[numbers]));
        check(exposed([2.0, 1.0]), [80.0, 255.0, 0.0]);
        // 255 (80 / 255) ^ 0.5 = sqrt(80 * 255)
        check(exposed([2.0, 0.5]), [142.8286, 255.0, 0.0]);
        // 255 (20 / 255) ^ 2 = 400 / 255; 80 * 80 / 255
        check(exposed([0.5, 2.0]), [1.5686, 25.0980, 0.0]);
    }

    #[test]
    fn low_light_leaves_dark_images_with_independent_noise() {
        let gray = flat([100.0; 3]);
        let dusk = |seed| Dusk {
            light: 0.5,
            noise: 8.0,
            seed,
        };
        let noise = |seed| LowLight::apply(&gray, &[dusk(seed)]) - 50.0;
        let (noise, other) = (noise(1), noise(2));
        let mean = |x: &Tensor| x.mean(Kind::Double).double_value(&[]);
        // 37,632 numbers: the mean's own deviation is 0.04.
        assert!(mean(&noise).abs() < 0.15, "{}", mean(&noise));
        assert!((mean(&noise.square()).sqrt() - 8.0).abs() < 0.1);
        let neighbor = noise.roll([1], [3]);
        let plane = noise.roll([1], [1]);
        for independent in [&neighbor, &plane, &other] {
            let correlation = mean(&(&noise * independent)) / 64.0;
            assert!(correlation.abs() < 0.03, "{correlation}");
        }
        // As bright as drawn, without noise.
        let still = Dusk {
            noise: 0.0,
            ..dusk(1)
        };
        check(pixel(&LowLight::apply(&gray, &[still])), [50.0; 3]);
    }
}
