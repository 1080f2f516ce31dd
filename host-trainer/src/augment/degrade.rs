//! Blur and low resolution: linear along each axis, so a matrix for each image and axis.

use super::step::{Step, per_image};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The least blur, pixels: below it, nothing is to be seen.
const LEAST_SIGMA_PX: f32 = 0.1;

/// Gaussian blur; the image goes on mirrored at its edges, which keeps its mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blur {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The largest standard deviation, pixels, 0.1 to 10.
    pub max_sigma_px: f32,
}

impl Step for Blur {
    const NAME: &'static str = "blur";
    /// Standard deviation in pixels.
    type Drawn = f32;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        let good = (LEAST_SIGMA_PX..=10.0).contains(&self.max_sigma_px);
        (!good).then_some("max_sigma_px must be in 0.1 to 10")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> f32 {
        random.random_range(LEAST_SIGMA_PX..=self.max_sigma_px)
    }

    fn apply(images: &Tensor, drawn: &[f32]) -> Tensor {
        let sigmas = per_image(drawn.iter().map(|sigma| [*sigma]), images.device()).squeeze_dim(1);
        along_both_axes(images, |side| {
            let to = Tensor::arange(side, (Kind::Float, images.device()));
            let (to, from) = (to.view([-1, 1]), to.view([1, -1]));
            // Numbers so small that the processor handles them slowly are cut off.
            let bell = |distance: Tensor| {
                ((distance / &sigmas).square() * -0.5)
                    .clamp_min_(-80.0)
                    .exp_()
            };
            // The pixel itself and its images behind the two mirrors.
            let weights = bell(&to - &from)
                + bell(&to + &from + 1.0)
                + bell(&to + &from - (2 * side - 1) as f64);
            let total = weights.sum_dim_intlist([-1].as_slice(), true, Kind::Float);
            weights / total
        })
    }
}

/// Made smaller by averaging areas, then bilinearly as large as before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowResolution {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The smallest and the largest width that is left, pixels, 4 to 96; the height in proportion.
    pub width_px: [u8; 2],
}

impl Step for LowResolution {
    const NAME: &'static str = "low_resolution";
    /// Width in pixels.
    type Drawn = u8;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        let [least, most] = self.width_px;
        let good = 4 <= least && least <= most && most <= 96;
        (!good).then_some("width_px must be two numbers in 4 to 96, the smaller one first")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> u8 {
        random.random_range(self.width_px[0]..=self.width_px[1])
    }

    fn apply(images: &Tensor, drawn: &[u8]) -> Tensor {
        let (device, width) = (images.device(), images.size()[3] as f32);
        along_both_axes(images, |side| {
            let sides = drawn
                .iter()
                .map(|w| [(f32::from(*w) * side as f32 / width).round()]);
            let sides = per_image(sides, device).squeeze_dim(1);
            let place = Tensor::arange(side, (Kind::Float, device));
            let (row, column) = (place.view([-1, 1]), place.view([1, -1]));
            let step = sides.reciprocal() * side as f64;
            // A small pixel is the mean of the large ones that it covers; those beyond the small
            // side lie outside and have no weight in what follows.
            let end = ((&row + 1.0) * &step).minimum(&(&column + 1.0));
            let down = (end - (&row * &step).maximum(&column)).clamp_min(0.0) / &step;
            // A large pixel lies between the middles of two small ones.
            let at = ((&row + 0.5) / &step - 0.5)
                .clamp_min(0.0)
                .minimum(&(&sides - 1.0));
            let up = (1.0f64 - (at - &column).abs()).clamp_min(0.0);
            up.bmm(&down)
        })
    }
}

/// Multiplies the columns and the rows of `[N, C, H, W]` by `matrix(H)` and `matrix(W)`, which are
/// `[N, side, side]`, from the right to the left.
fn along_both_axes(images: &Tensor, matrix: impl Fn(i64) -> Tensor) -> Tensor {
    let size = images.size();
    let (columns, rows) = (matrix(size[2]), matrix(size[3]));
    let images = images
        .view([size[0], -1, size[3]])
        .bmm(&rows.transpose(1, 2));
    columns.unsqueeze(1).matmul(&images.view(&size[..]))
}

#[cfg(test)]
mod tests {
    use super::super::step::pictures;
    use super::*;
    use tch::Device;

    #[test]
    fn blur_keeps_the_mean_and_has_its_variance() {
        let images = pictures(2, [112, 96]);
        let blurred = Blur::apply(&images, &[2.0, 10.0]);
        let mean = |x: &Tensor, row| x.get(row).mean(Kind::Double).double_value(&[]);
        for row in [0, 1] {
            assert!((mean(&blurred, row) - mean(&images, row)).abs() < 1e-3);
        }
        let check = |sigma: f32| {
            let point = Tensor::zeros([1, 3, 112, 112], (Kind::Float, Device::Cpu));
            let _ = point.narrow(2, 50, 1).narrow(3, 60, 1).fill_(100.0);
            let spread = Blur::apply(&point, &[sigma]).get(0).get(1) / 100.0;
            let variance = |axis: i64, middle: f64| {
                let place = Tensor::arange(112, (Kind::Double, Device::Cpu)) - middle;
                let along = spread.sum_dim_intlist([1 - axis].as_slice(), false, Kind::Double);
                (along * place.square()).sum(Kind::Double).double_value(&[])
            };
            let expected = f64::from(sigma * sigma);
            for found in [variance(0, 50.0), variance(1, 60.0)] {
                assert!((found / expected - 1.0).abs() < 1e-3, "{found}, {expected}");
            }
        };
        check(1.0);
        check(2.0);
        check(5.0);
    }

    #[test]
    fn the_least_blur_is_none() {
        let images = pictures(1, [112, 112]);
        let off = Blur::apply(&images, &[LEAST_SIGMA_PX]) - &images;
        assert!(off.abs().max().double_value(&[]) < 1e-3);
    }

    /// The same in one dimension, written as loops over areas and points.
    fn smaller_and_larger(line: &[f64], small: usize) -> Vec<f64> {
        let step = line.len() as f64 / small as f64;
        let area = |k: usize| {
            let (from, to) = (k as f64 * step, (k + 1) as f64 * step);
            let overlap = |j: usize| (to.min((j + 1) as f64) - from.max(j as f64)).max(0.0);
            (0..line.len()).map(|j| overlap(j) * line[j]).sum::<f64>() / step
        };
        let areas: Vec<f64> = (0..small).map(area).collect();
        let at = |i: usize| {
            let place = ((i as f64 + 0.5) / step - 0.5).clamp(0.0, (small - 1) as f64);
            let (left, part) = (place.floor() as usize, place.fract());
            areas[left] * (1.0 - part) + areas[(left + 1).min(small - 1)] * part
        };
        (0..line.len()).map(at).collect()
    }

    #[test]
    fn low_resolution_averages_areas_and_interpolates() {
        let line: Vec<f64> = (0..96).map(|i| f64::from(i * 31 % 97) * 2.5).collect();
        let across = Tensor::from_slice(&line).to_kind(Kind::Float);
        let images = across.expand([3, 3, 112, 96], false).contiguous();
        let widths = [48, 20, 96];
        let lowered = LowResolution::apply(&images, &widths);
        for (row, width) in widths.iter().enumerate() {
            let found = lowered.get(row as i64).get(2).get(70);
            let expected = smaller_and_larger(&line, usize::from(*width));
            for (x, expected) in expected.iter().enumerate() {
                let found = found.double_value(&[x as i64]);
                assert!((found - expected).abs() < 1e-2, "{found}, not {expected}");
            }
        }
        // Lines down the image are treated alike: 112 of 48 / 96 are 56 of 112.
        let line: Vec<f64> = (0..112).map(|i| f64::from(i * 31 % 97) * 2.5).collect();
        let down = Tensor::from_slice(&line)
            .to_kind(Kind::Float)
            .view([112, 1]);
        let images = down.expand([1, 3, 112, 96], false).contiguous();
        let found = LowResolution::apply(&images, &[48]).get(0).get(0);
        let expected = smaller_and_larger(&line, 56);
        assert!((found.double_value(&[33, 5]) - expected[33]).abs() < 1e-2);
    }
}
