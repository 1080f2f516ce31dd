//! Something before the face.

use super::step::{Step, fill_random, per_image};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How much longer one side of a patch may be than the other.
const MAX_ASPECT: f32 = 2.0;

/// A rectangle within the image, filled with one color or, as often, with noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occlusion {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The patch's largest share of the image's area, 0 to 0.5.
    pub max_share: f32,
}

/// A rectangle in shares of the image's sides, and what it is filled with.
pub(super) struct Patch {
    left_top: [f32; 2],
    right_bottom: [f32; 2],
    fill: Fill,
}

enum Fill {
    /// Red, green, blue.
    Color([u8; 3]),
    /// The seed of a color for each pixel.
    Noise(u64),
}

impl Step for Occlusion {
    const NAME: &'static str = "occlusion";
    type Drawn = Patch;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        (!(0.0..=0.5).contains(&self.max_share)).then_some("max_share must be in 0 to 0.5")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Patch {
        let share = random.random_range(0.0..=self.max_share);
        let longer = MAX_ASPECT.powf(random.random_range(-0.5..=0.5));
        let side = share.sqrt();
        let sides = [side * longer, side / longer];
        let left_top = sides.map(|side| random.random_range(0.0..=(1.0 - side).max(0.0)));
        Patch {
            left_top,
            right_bottom: [left_top[0] + sides[0], left_top[1] + sides[1]],
            fill: if random.random() {
                Fill::Color(random.random())
            } else {
                Fill::Noise(random.random())
            },
        }
    }

    fn apply(images: &Tensor, drawn: &[Patch]) -> Tensor {
        let (device, size) = (images.device(), images.size());
        let edges = |corner: fn(&Patch) -> [f32; 2]| per_image(drawn.iter().map(corner), device);
        let (left_top, right_bottom) = (edges(|p| p.left_top), edges(|p| p.right_bottom));
        // A pixel is covered if its middle is.
        let covered = |axis: i64, side: i64, shape: [i64; 4]| {
            let middle = (Tensor::arange(side, (Kind::Float, device)) + 0.5) / side as f64;
            let middle = middle.view(shape);
            let after = middle.ge_tensor(&left_top.narrow(1, axis, 1));
            after.logical_and(&middle.lt_tensor(&right_bottom.narrow(1, axis, 1)))
        };
        let (across, down) = (
            covered(0, size[3], [1, 1, 1, -1]),
            covered(1, size[2], [1, 1, -1, 1]),
        );
        let area = (size[2] * size[3]) as usize;
        let mut fill = vec![0; drawn.len() * 3 * area];
        for (patch, fill) in drawn.iter().zip(fill.chunks_exact_mut(3 * area)) {
            match patch.fill {
                Fill::Color(color) => {
                    let planes = fill.chunks_exact_mut(area).zip(color);
                    planes.for_each(|(plane, level)| plane.fill(level));
                }
                Fill::Noise(seed) => fill_random(seed, fill),
            }
        }
        let fill = Tensor::from_slice(&fill).view(&size[..]).to_device(device);
        fill.to_kind(Kind::Float)
            .where_self(&across.logical_and(&down), images)
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::pictures;
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_patch_covers_its_rectangle_and_nothing_else() {
        let images = pictures(2, [112, 96]);
        let patch = |fill| Patch {
            left_top: [0.25, 0.5],
            right_bottom: [0.5, 0.75],
            fill,
        };
        let patches = [patch(Fill::Color([0, 128, 255])), patch(Fill::Noise(1))];
        let covered = Occlusion::apply(&images, &patches);
        let window = |of: &Tensor| of.narrow(2, 56, 28).narrow(3, 24, 24);
        let [colored, noisy] = [0, 1].map(|row| window(&covered).get(row));
        for (plane, level) in [(0, 0.0), (1, 128.0), (2, 255.0)] {
            assert!(colored.get(plane).eq(level).all().int64_value(&[]) == 1);
        }
        // Uniform on 0 to 255: mean 127.5, deviation 73.9; 2,016 of them.
        let figures = [noisy.mean(Kind::Double), noisy.std(true)].map(|x| x.double_value(&[]));
        assert!((figures[0] - 127.5).abs() < 6.0 && (figures[1] - 73.9).abs() < 3.0);
        window(&covered).copy_(&window(&images));
        assert!(covered.equal(&images));
    }

    #[test]
    fn patches_lie_within_the_image_and_keep_to_their_share() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for max_share in [0.1, 0.5] {
            let occlusion = Occlusion {
                probability: 1.0,
                max_share,
            };
            let mut largest = 0.0f32;
            for patch in (0..1000).map(|_| occlusion.draw(&mut random)) {
                let sides = [0, 1].map(|i| patch.right_bottom[i] - patch.left_top[i]);
                assert!(patch.left_top.iter().all(|x| *x >= 0.0));
                assert!(patch.right_bottom.iter().all(|x| *x <= 1.0001));
                largest = largest.max(sides[0] * sides[1]);
            }
            let share = largest / max_share;
            assert!((0.98..1.001).contains(&share), "{share}");
        }
    }
}
