//! Mirror, jitter of the alignment, crop.

use super::step::{Step, per_image};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// libtorch's numbers for bilinear sampling, and for the edge going on beyond the image.
const BILINEAR: i64 = 0;
const EDGE: i64 = 1;

/// The face in a mirror.
pub(super) struct Mirror;

impl Step for Mirror {
    const NAME: &'static str = "mirror";
    type Drawn = ();

    fn probability(&self) -> f64 {
        0.5
    }

    fn fault(&self) -> Option<&'static str> {
        None
    }

    fn draw(&self, _: &mut ChaCha8Rng) {}

    fn apply(images: &Tensor, _: &[()]) -> Tensor {
        images.flip([3])
    }
}

/// A small similarity around the middle of the image; the edge pixels go on beyond it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The largest turn to either side, degrees, 0 to 45.
    pub max_rotation_deg: f32,
    /// The largest growth or shrinking as a share of the size, 0 to 0.5.
    pub max_scale: f32,
    /// The largest shift in each direction, pixels, 0 to 56.
    pub max_shift_px: f32,
}

/// Where a pixel of the new image is looked up in the old: both around their middles, turned by
/// `angle` (radians, clockwise as seen), stretched, then shifted.
pub(super) struct Lookup {
    angle: f32,
    stretch: f32,
    shift_px: [f32; 2],
}

impl Step for Jitter {
    const NAME: &'static str = "jitter";
    type Drawn = Lookup;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        let rows = [
            (
                45.0,
                self.max_rotation_deg,
                "max_rotation_deg must be in 0 to 45",
            ),
            (0.5, self.max_scale, "max_scale must be in 0 to 0.5"),
            (56.0, self.max_shift_px, "max_shift_px must be in 0 to 56"),
        ];
        let bad = rows.iter().find(|(most, x, _)| !(0.0..=*most).contains(x));
        bad.map(|(.., fault)| *fault)
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Lookup {
        let mut within = |most: f32| random.random_range(-most..=most);
        Lookup {
            angle: within(self.max_rotation_deg).to_radians(),
            stretch: 1.0 / (1.0 + within(self.max_scale)),
            shift_px: [within(self.max_shift_px), within(self.max_shift_px)],
        }
    }

    fn apply(images: &Tensor, drawn: &[Lookup]) -> Tensor {
        looked_up(images, drawn)
    }
}

/// A window of the image's shape, anywhere within it, at the size of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Of an image being changed, 0 to 1.
    pub probability: f64,
    /// The window's smallest side by the image's, 0.1 to 1.
    pub smallest_side: f32,
}

/// A window's side by the image's, and where it lies: -1 (left, top) to 1.
pub(super) struct Window {
    side: f32,
    place: [f32; 2],
}

impl Step for Crop {
    const NAME: &'static str = "crop";
    type Drawn = Window;

    fn probability(&self) -> f64 {
        self.probability
    }

    fn fault(&self) -> Option<&'static str> {
        let good = (0.1..=1.0).contains(&self.smallest_side);
        (!good).then_some("smallest_side must be in 0.1 to 1")
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Window {
        Window {
            side: random.random_range(self.smallest_side..=1.0),
            place: [0; 2].map(|_| random.random_range(-1.0..=1.0)),
        }
    }

    fn apply(images: &Tensor, drawn: &[Window]) -> Tensor {
        let size = images.size();
        let [width, height] = [size[3], size[2]].map(|side| side as f32);
        let lookup = |Window {
                          side,
                          place: [x, y],
                      }: &Window| {
            let room = 0.5 * (1.0 - side);
            Lookup {
                angle: 0.0,
                stretch: *side,
                shift_px: [x * room * width, y * room * height],
            }
        };
        looked_up(images, &drawn.iter().map(lookup).collect::<Vec<_>>())
    }
}

/// Samples each image anew.
fn looked_up(images: &Tensor, lookups: &[Lookup]) -> Tensor {
    let (device, size) = (images.device(), images.size());
    let (height, width) = (size[2] as f64, size[3] as f64);
    // Pixels from the middle, to the right and down.
    let along = |side: i64| Tensor::arange(side, (Kind::Float, device)) - 0.5 * (side - 1) as f64;
    let (x, y) = (along(size[3]).view([1, -1]), along(size[2]).view([-1, 1]));
    let numbers = lookups.iter().map(|l| {
        let (sin, cos) = l.angle.sin_cos();
        [
            l.stretch * cos,
            l.stretch * sin,
            l.shift_px[0],
            l.shift_px[1],
        ]
    });
    let numbers = per_image(numbers, device);
    let [cos, sin, right, down] = [0, 1, 2, 3].map(|i| numbers.select(1, i));
    let from_x = &cos * &x - &sin * &y + right;
    let from_y = &sin * &x + &cos * &y + down;
    // The sampler's coordinates span the image from -1 to 1.
    let grid = Tensor::stack(&[from_x * (2.0 / width), from_y * (2.0 / height)], -1);
    images.grid_sampler_2d(&grid, BILINEAR, EDGE, false)
}

#[cfg(test)]
mod tests {
    use super::super::step::pictures;
    use super::*;

    const STILL: Lookup = Lookup {
        angle: 0.0,
        stretch: 1.0,
        shift_px: [0.0; 2],
    };

    #[test]
    fn a_mirror_turns_left_to_right_and_back() {
        let images = pictures(2, [112, 96]);
        let once = Mirror::apply(&images, &[(); 2]);
        assert!(once.select(3, 0).equal(&images.select(3, 95)) && !once.equal(&images));
        assert!(Mirror::apply(&once, &[(); 2]).equal(&images));
    }

    /// Where the light of a soft spot lies, from the middle of the image.
    fn spot_after(lookup: Lookup, spot: [f64; 2], [height, width]: [i64; 2]) -> [f64; 2] {
        let along = |side: i64| {
            Tensor::arange(side, (Kind::Float, tch::Device::Cpu)) - 0.5 * (side - 1) as f64
        };
        let (x, y) = (along(width).view([1, -1]), along(height).view([-1, 1]));
        let distance = (&x - spot[0]).square() + (&y - spot[1]).square();
        let image = (distance / -8.0).exp().expand([1, 3, height, width], false);
        let moved = Jitter::apply(&image.contiguous(), &[lookup]).get(0).get(1);
        let total = moved.sum(Kind::Double).double_value(&[]);
        [&x, &y].map(|axis| (&moved * axis).sum(Kind::Double).double_value(&[]) / total)
    }

    #[test]
    fn jitter_moves_a_spot_to_where_it_is_looked_up() {
        let check = |lookup: Lookup, spot, expected: [f64; 2]| {
            for size in [[112, 112], [112, 96]] {
                let found = spot_after(Lookup { ..lookup }, spot, size);
                let off = [0, 1].map(|i| (found[i] - expected[i]).abs());
                assert!(
                    off.iter().all(|off| *off < 0.02),
                    "{found:?}, not {expected:?}"
                );
            }
        };
        let lookup = |degrees: f32, stretch, shift_px| Lookup {
            angle: degrees.to_radians(),
            stretch,
            shift_px,
        };
        check(STILL, [12.0, -20.0], [12.0, -20.0]);
        check(lookup(90.0, 1.0, [0.0; 2]), [10.0, 20.0], [20.0, -10.0]);
        // 20 (cos 30, -sin 30): what is looked up 30 degrees clockwise moves as far back.
        check(lookup(30.0, 1.0, [0.0; 2]), [20.0, 0.0], [17.3205, -10.0]);
        check(lookup(0.0, 0.5, [0.0; 2]), [7.0, -9.0], [14.0, -18.0]);
        check(lookup(0.0, 1.0, [3.5, -2.0]), [10.0, 5.0], [6.5, 7.0]);
    }

    #[test]
    fn a_crop_shows_its_window_at_full_size() {
        // Each pixel's level is its place across, so what is looked up can be read off.
        let ramp = Tensor::arange(96, (Kind::Float, tch::Device::Cpu))
            .expand([1, 3, 112, 96], false)
            .contiguous();
        let check = |place: f32, left: f64| {
            let window = Window {
                side: 0.5,
                place: [place, 0.0],
            };
            let row = Crop::apply(&ramp, &[window]).get(0).get(2).get(40);
            for x in [1, 30, 94] {
                let expected = left + (x as f64 + 0.5) * 0.5 - 0.5;
                assert!((row.double_value(&[x]) - expected).abs() < 1e-3);
            }
        };
        check(-1.0, 0.0);
        check(0.0, 24.0);
        check(1.0, 48.0);
    }

    #[test]
    fn draws_fill_their_range_and_stay_in_it() {
        use rand::SeedableRng;
        let jitter = Jitter {
            probability: 1.0,
            max_rotation_deg: 5.0,
            max_scale: 0.1,
            max_shift_px: 2.0,
        };
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<Lookup> = (0..1000).map(|_| jitter.draw(&mut random)).collect();
        let check = |of: fn(&Lookup) -> f32, least: f32, most: f32| {
            let [low, high] = [f32::min, f32::max].map(|f| drawn.iter().map(of).reduce(f).unwrap());
            let slack = 0.02 * (most - least);
            assert!((least..least + slack).contains(&low), "{low}");
            assert!((most - slack..=most).contains(&high), "{high}");
        };
        check(|l| l.angle.to_degrees(), -5.00001, 5.00001);
        check(|l| 1.0 / l.stretch, 0.89999, 1.10001);
        check(|l| l.shift_px[0], -2.0, 2.0);
        check(|l| l.shift_px[1], -2.0, 2.0);
    }
}
