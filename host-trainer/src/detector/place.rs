//! Where a face lies in a frame, and how a photograph is laid there.

use super::photos::Photo;
use crate::backbone::detector::FRAME;
use image::RgbImage;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use shared::align::{AlignTemplate, Landmarks, Point, Similarity};

/// Smallest and largest side of the square that a crop of the face would show, in pixels of the
/// network's frame: the distance from eyes to chin is five ninths of it.
const SIDE_PX: [f32; 2] = [26.0, 180.0];
/// No landmark is nearer to the edge of the frame, in pixels.
const MARGIN_PX: f32 = 2.0;
/// Standard deviation and limit of the roll, in radians.
const ROLL: [f32; 2] = [0.18, 0.6];

/// The square that an aligned crop of a face shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pose {
    pub(super) center: Point,
    /// In pixels.
    pub(super) side: f32,
    /// Clockwise in the image, in radians.
    pub(super) roll: f32,
}

impl Pose {
    /// `None` where the landmarks make no face.
    pub(super) fn of(landmarks: &Landmarks) -> Option<Self> {
        let template = AlignTemplate::Arcface112x112;
        let to_crop = Similarity::fit_any_size(landmarks, &template.landmarks()).ok()?;
        let (half, to_image) = (template.width() as f32 / 2.0, to_crop.inverted());
        let center = to_image.apply(Point::new(half, half));
        let right = to_image.apply(Point::new(half + 1.0, half));
        Some(Self {
            center,
            side: template.width() as f32 / to_crop.scale(),
            roll: (right.y - center.y).atan2(right.x - center.x),
        })
    }
}

/// The map from a frame to a photograph that puts the photograph's face at a pose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    pub(super) target: Pose,
    source: Pose,
    mirrored: bool,
}

impl Placement {
    /// Somewhere in the frame, at any size and turn, all landmarks inside; `None` after ten tries.
    pub(super) fn draw(photo: &Photo, random: &mut ChaCha8Rng) -> Option<Self> {
        (0..10).find_map(|_| {
            let [small, large] = SIDE_PX.map(f32::ln);
            let side = random.random_range(small..large).exp();
            let [width, height] = FRAME.map(|n| n as f32);
            let center = Point::new(
                random.random_range(0.0..width),
                random.random_range(0.0..height),
            );
            let bell: f32 = (0..4).map(|_| random.random_range(-1.0_f32..1.0)).sum();
            // Four uniform numbers have a variance of four thirds.
            let roll = (ROLL[0] * bell / (4.0_f32 / 3.0).sqrt()).clamp(-ROLL[1], ROLL[1]);
            let placement = Self {
                target: Pose { center, side, roll },
                source: photo.pose,
                mirrored: random.random_bool(0.5),
            };
            let inside = |p: &Point| {
                (MARGIN_PX..width - 1.0 - MARGIN_PX).contains(&p.x)
                    && (MARGIN_PX..height - 1.0 - MARGIN_PX).contains(&p.y)
            };
            let landmarks = placement.landmarks(&photo.landmarks);
            landmarks.0.iter().all(inside).then_some(placement)
        })
    }

    /// From the frame to the photograph.
    fn to_photo(self, p: Point) -> Point {
        let (target, source) = (&self.target, &self.source);
        let mut unit = turned(p, target.center, -target.roll, 1.0 / target.side);
        if self.mirrored {
            unit.x = -unit.x;
        }
        let place = turned(unit, Point::new(0.0, 0.0), source.roll, source.side);
        Point::new(place.x + source.center.x, place.y + source.center.y)
    }

    /// Where the photograph's landmarks lie in the frame.
    pub(super) fn landmarks(&self, landmarks: &Landmarks) -> Landmarks {
        let (target, source) = (&self.target, &self.source);
        let place = |p: Point| {
            let mut unit = turned(p, source.center, -source.roll, 1.0 / source.side);
            if self.mirrored {
                unit.x = -unit.x;
            }
            let place = turned(unit, Point::new(0.0, 0.0), target.roll, target.side);
            Point::new(place.x + target.center.x, place.y + target.center.y)
        };
        let [right_eye, left_eye, nose, mouth_right, mouth_left] = landmarks.0.map(place);
        Landmarks(match self.mirrored {
            true => [left_eye, right_eye, nose, mouth_left, mouth_right],
            false => [right_eye, left_eye, nose, mouth_right, mouth_left],
        })
    }

    /// Lays the photograph over the frame where it covers it and, unless the whole of it, not
    /// farther from the face than `reach` sides.
    pub(super) fn lay(&self, frame: &mut RgbImage, photo: &Photo, reach: Option<f32>) {
        let scale = self.source.side / self.target.side;
        let level = photo.level(scale);
        let image = &photo.levels[level];
        let share = 0.5_f32.powi(level as i32);
        for (x, y, pixel) in frame.enumerate_pixels_mut() {
            let p = Point::new(x as f32, y as f32);
            let center = self.target.center;
            let far = (p.x - center.x).abs().max((p.y - center.y).abs());
            if reach.is_some_and(|reach| far > reach * self.target.side) {
                continue;
            }
            let at = self.to_photo(p);
            // Halving puts the middle of two pixels where one is.
            let at = Point::new((at.x + 0.5) * share - 0.5, (at.y + 0.5) * share - 0.5);
            if let Some(color) = sample(image, at) {
                pixel.0 = color;
            }
        }
    }
}

/// `p - center`, turned by `angle` and scaled.
fn turned(p: Point, center: Point, angle: f32, scale: f32) -> Point {
    let (sine, cosine) = angle.sin_cos();
    let (x, y) = ((p.x - center.x) * scale, (p.y - center.y) * scale);
    Point::new(cosine * x - sine * y, sine * x + cosine * y)
}

/// Bilinear; `None` outside.
pub(super) fn sample(image: &RgbImage, p: Point) -> Option<[u8; 3]> {
    let (width, height) = image.dimensions();
    let inside =
        p.x >= 0.0 && p.y >= 0.0 && p.x <= (width - 1) as f32 && p.y <= (height - 1) as f32;
    if !inside {
        return None;
    }
    let (x, y) = (p.x as u32, p.y as u32);
    let (fx, fy) = (p.x - x as f32, p.y - y as f32);
    let (right, below) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
    let corners = [
        (image.get_pixel(x, y), (1.0 - fx) * (1.0 - fy)),
        (image.get_pixel(right, y), fx * (1.0 - fy)),
        (image.get_pixel(x, below), (1.0 - fx) * fy),
        (image.get_pixel(right, below), fx * fy),
    ];
    let mix = |c: usize| {
        let sum: f32 = corners.iter().map(|(p, w)| f32::from(p.0[c]) * w).sum();
        (sum + 0.5) as u8
    };
    Some([mix(0), mix(1), mix(2)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::photos::tests::drawn;
    use rand::SeedableRng;

    #[test]
    fn the_laid_face_is_where_its_landmarks_say() {
        let photo = drawn(3);
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let (mut mirrored, mut sides) = (0, Vec::new());
        for _ in 0..40 {
            let placement = Placement::draw(&photo, &mut random).unwrap();
            let landmarks = placement.landmarks(&photo.landmarks);
            let found = Pose::of(&landmarks).unwrap();
            let target = placement.target;
            assert!(
                (found.side / target.side - 1.0).abs() < 0.02,
                "{found:?} {target:?}"
            );
            assert!((found.center.x - target.center.x).abs() < 0.02 * target.side);
            for (own, original) in landmarks.0.iter().zip(&photo.landmarks.0) {
                let back = placement.to_photo(*own);
                let swapped = photo.landmarks.0.iter().any(|p| near(*p, back));
                assert!(swapped && (placement.mirrored || near(*original, back)));
            }
            mirrored += usize::from(placement.mirrored);
            sides.push(target.side);
        }
        assert!((8..32).contains(&mirrored));
        assert!(sides.iter().any(|s| *s < 50.0) && sides.iter().any(|s| *s > 90.0));
    }

    fn near(a: Point, b: Point) -> bool {
        (a.x - b.x).hypot(a.y - b.y) < 0.01
    }
}
