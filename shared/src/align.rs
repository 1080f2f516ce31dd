//! Alignment: five landmarks, the template they are fitted to, and the warp that cuts the crop.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A position in pixels; the center of the top left pixel is (0, 0), y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
}

impl Point {
    /// A point from its coordinates in pixels.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

/// Five landmarks in pixels of their image: right eye, left eye, nose tip, right and left corner
/// of the mouth. Right and left are the subject's own, so the right eye lies left in the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Landmarks(pub [Point; 5]);

/// Where the landmarks of an aligned crop lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlignTemplate {
    /// 112x112, the positions that ArcFace made common.
    Arcface112x112,
    /// 112 high and 96 wide, as SphereFace and the AM-Softmax paper use: the same, 8 pixels cut left and right.
    Sphereface112x96,
}

const ARCFACE: [Point; 5] = [
    Point::new(38.2946, 51.6963),
    Point::new(73.5318, 51.5014),
    Point::new(56.0252, 71.7366),
    Point::new(41.5493, 92.3655),
    Point::new(70.7299, 92.2041),
];

impl AlignTemplate {
    /// Width of the crop in pixels.
    pub const fn width(self) -> usize {
        match self {
            Self::Arcface112x112 => 112,
            Self::Sphereface112x96 => 96,
        }
    }

    /// Height of the crop in pixels.
    pub const fn height(self) -> usize {
        112
    }

    /// Bytes of an RGB crop.
    pub const fn rgb_len(self) -> usize {
        self.width() * self.height() * 3
    }

    /// Where the five landmarks lie in the crop.
    pub fn landmarks(self) -> Landmarks {
        let cut = (112 - self.width()) as f32 / 2.0;
        Landmarks(ARCFACE.map(|p| Point::new(p.x - cut, p.y)))
    }
}

/// The landmarks span no face: they coincide or are not finite, so no similarity maps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the five landmarks coincide or are not finite; check the row of this image in landmarks.csv"
)]
pub struct DegenerateLandmarks;

/// Rotation, uniform scale and translation: `(a x - b y + tx, b x + a y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    a: f32,
    b: f32,
    tx: f32,
    ty: f32,
}

impl Similarity {
    /// The least-squares similarity without reflection that maps `from` to `to` (Umeyama 1991,
    /// in its closed form for two dimensions).
    ///
    /// # Errors
    /// [`DegenerateLandmarks`] if `from` or `to` has no extent, or a coordinate is not finite.
    pub fn fit(from: &Landmarks, to: &Landmarks) -> Result<Self, DegenerateLandmarks> {
        let (cf, ct) = (centroid(from), centroid(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (f, t) in from.0.iter().zip(&to.0) {
            let (fx, fy, tx, ty) = (f.x - cf.x, f.y - cf.y, t.x - ct.x, t.y - ct.y);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (a, b) = (dot / spread, cross / spread);
        let fit = Self {
            a,
            b,
            tx: ct.x - a * cf.x + b * cf.y,
            ty: ct.y - b * cf.x - a * cf.y,
        };
        // A face smaller than a tenth of a pixel, or larger than any sensor, is no face.
        let scale = fit.scale();
        let usable = (1e-4..1e4).contains(&scale) && fit.tx.is_finite() && fit.ty.is_finite();
        usable.then_some(fit).ok_or(DegenerateLandmarks)
    }

    /// Length of a unit vector after the map.
    pub fn scale(&self) -> f32 {
        libm::hypotf(self.a, self.b)
    }

    /// The image of a point.
    pub fn apply(&self, p: Point) -> Point {
        Point::new(
            self.a * p.x - self.b * p.y + self.tx,
            self.b * p.x + self.a * p.y + self.ty,
        )
    }
}

fn centroid(landmarks: &Landmarks) -> Point {
    let sum = |axis: fn(&Point) -> f32| landmarks.0.iter().map(axis).sum::<f32>() / 5.0;
    Point::new(sum(|p| p.x), sum(|p| p.y))
}

/// A borrowed image: RGB bytes, rows from the top, no padding.
#[derive(Clone, Copy)]
pub struct RgbImage<'a> {
    width: usize,
    height: usize,
    pixels: &'a [u8],
}

impl<'a> RgbImage<'a> {
    /// `pixels` must hold `width * height * 3` bytes and at least one pixel; otherwise `None`.
    pub fn new(width: usize, height: usize, pixels: &'a [u8]) -> Option<Self> {
        let len = width.checked_mul(height)?.checked_mul(3)?;
        (len > 0 && len == pixels.len()).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// The pixel, or black outside.
    fn pixel(&self, x: i64, y: i64) -> [f32; 3] {
        if x < 0 || y < 0 || x >= self.width as i64 || y >= self.height as i64 {
            return [0.0; 3];
        }
        let at = (y as usize * self.width + x as usize) * 3;
        [0, 1, 2].map(|c| f32::from(self.pixels[at + c]))
    }

    /// Bilinear sample.
    fn sample(&self, p: Point) -> [f32; 3] {
        let (x0, y0) = (libm::floorf(p.x), libm::floorf(p.y));
        let (fx, fy) = (p.x - x0, p.y - y0);
        let (x, y) = (x0 as i64, y0 as i64);
        let corners = [
            (self.pixel(x, y), (1.0 - fx) * (1.0 - fy)),
            (self.pixel(x + 1, y), fx * (1.0 - fy)),
            (self.pixel(x, y + 1), (1.0 - fx) * fy),
            (self.pixel(x + 1, y + 1), fx * fy),
        ];
        [0, 1, 2].map(|c| {
            corners
                .iter()
                .map(|(pixel, weight)| pixel[c] * weight)
                .sum()
        })
    }
}

/// A face cut out so that its landmarks lie on the template: RGB bytes, rows from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct AlignedFace {
    template: AlignTemplate,
    pixels: Vec<u8>,
}

impl core::fmt::Debug for AlignedFace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AlignedFace({:?}, pixels withheld)", self.template)
    }
}

impl AlignedFace {
    /// Takes pixels that are aligned already; `None` if their number is not the template's.
    pub fn from_pixels(template: AlignTemplate, pixels: Vec<u8>) -> Option<Self> {
        (pixels.len() == template.rgb_len()).then_some(Self { template, pixels })
    }

    /// The template that the landmarks lie on.
    pub fn template(&self) -> AlignTemplate {
        self.template
    }

    /// RGB bytes, `height * width * 3`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The same face seen in a mirror.
    pub fn mirrored(&self) -> Self {
        let mut pixels = self.pixels.clone();
        mirror_rows(&mut pixels, self.template.width());
        Self {
            template: self.template,
            pixels,
        }
    }
}

/// Reverses every row of an RGB image of that width, in place.
pub fn mirror_rows(pixels: &mut [u8], width: usize) {
    for row in pixels.chunks_exact_mut(width * 3) {
        for x in 0..width / 2 {
            let other = width - 1 - x;
            for c in 0..3 {
                row.swap(x * 3 + c, other * 3 + c);
            }
        }
    }
}

/// Cuts the face out: every pixel of the crop is sampled where the fitted similarity puts it in
/// the image; what lies outside the image is black.
///
/// # Errors
/// [`DegenerateLandmarks`] as [`Similarity::fit`].
pub fn align(
    image: RgbImage<'_>,
    landmarks: &Landmarks,
    template: AlignTemplate,
) -> Result<AlignedFace, DegenerateLandmarks> {
    // Both ways are fitted rather than one inverted: the residual belongs to the crop.
    let to_crop = Similarity::fit(landmarks, &template.landmarks())?;
    let to_image = to_crop.inverted();
    let mut pixels = Vec::with_capacity(template.rgb_len());
    for y in 0..template.height() {
        for x in 0..template.width() {
            pixels.extend(sample_area(image, &to_image, x as f32, y as f32));
        }
    }
    Ok(AlignedFace { template, pixels })
}

impl Similarity {
    /// The map back; a fitted similarity has one.
    pub fn inverted(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self {
            a,
            b,
            tx: -(a * self.tx - b * self.ty),
            ty: -(b * self.tx + a * self.ty),
        }
    }
}

/// Averages as many samples a crop pixel as it covers image pixels along each axis, so that a
/// large photograph does not alias; at most 8.
fn sample_area(image: RgbImage<'_>, to_image: &Similarity, x: f32, y: f32) -> [u8; 3] {
    let n = libm::roundf(to_image.scale()).clamp(1.0, 8.0) as usize;
    let offset = |i: usize| (i as f32 + 0.5) / n as f32 - 0.5;
    let mut sum = [0.0_f32; 3];
    for j in 0..n {
        for i in 0..n {
            let sample = image.sample(to_image.apply(Point::new(x + offset(i), y + offset(j))));
            (0..3).for_each(|c| sum[c] += sample[c]);
        }
    }
    sum.map(|s| libm::roundf(s / (n * n) as f32) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn moved(a: f32, b: f32, tx: f32, ty: f32) -> Landmarks {
        let map = Similarity { a, b, tx, ty };
        Landmarks(ARCFACE.map(|p| map.apply(p)))
    }

    #[test]
    fn fit_recovers_a_similarity() {
        for (a, b, tx, ty) in [
            (1.0, 0.0, 0.0, 0.0),
            (0.5, 0.3, 20.0, -7.0),
            (-2.0, 1.0, 300.0, 40.0),
        ] {
            let found = Similarity::fit(&Landmarks(ARCFACE), &moved(a, b, tx, ty)).unwrap();
            for (got, want) in [(found.a, a), (found.b, b), (found.tx, tx), (found.ty, ty)] {
                assert!((got - want).abs() < 1e-3, "{found:?}");
            }
            let back = found.inverted().apply(found.apply(Point::new(12.0, 34.0)));
            assert!((back.x - 12.0).abs() < 1e-3 && (back.y - 34.0).abs() < 1e-3);
        }
    }

    #[test]
    fn landmarks_without_extent_are_refused() {
        for p in [
            Point::new(3.0, 3.0),
            Point::new(f32::NAN, 1.0),
            Point::new(f32::INFINITY, 1.0),
        ] {
            let landmarks = Landmarks([p; 5]);
            assert_eq!(
                Similarity::fit(&landmarks, &Landmarks(ARCFACE)),
                Err(DegenerateLandmarks)
            );
        }
    }

    #[test]
    fn an_image_on_the_template_is_copied_and_cut() {
        let pixels: Vec<u8> = (0..112 * 112 * 3).map(|i| (i * 31 % 251) as u8).collect();
        let image = RgbImage::new(112, 112, &pixels).unwrap();
        let same = align(image, &Landmarks(ARCFACE), AlignTemplate::Arcface112x112).unwrap();
        assert!(
            same.pixels()
                .iter()
                .zip(&pixels)
                .all(|(a, b)| a.abs_diff(*b) <= 1)
        );
        let cut = align(image, &Landmarks(ARCFACE), AlignTemplate::Sphereface112x96).unwrap();
        assert!(cut.pixels()[0].abs_diff(pixels[8 * 3]) <= 1);
    }

    #[test]
    fn a_large_photograph_is_averaged_not_skipped_through() {
        // A checkerboard of single pixels at four times the template's scale must become grey.
        let side = 448;
        let mut pixels = vec![0; side * side * 3];
        for (i, p) in pixels.chunks_exact_mut(3).enumerate() {
            p.fill(if (i % side + i / side) % 2 == 0 {
                255
            } else {
                0
            });
        }
        let image = RgbImage::new(side, side, &pixels).unwrap();
        let landmarks = moved(4.0, 0.0, 1.5, 1.5);
        let face = align(image, &landmarks, AlignTemplate::Arcface112x112).unwrap();
        let center = face.pixels()[(56 * 112 + 56) * 3];
        assert!(center.abs_diff(128) < 10, "{center}");
    }

    #[test]
    fn mirroring_twice_is_the_same_face() {
        let pixels: Vec<u8> = (0..112 * 96 * 3).map(|i| (i % 255) as u8).collect();
        let face = AlignedFace::from_pixels(AlignTemplate::Sphereface112x96, pixels).unwrap();
        assert_ne!(face.mirrored(), face);
        assert_eq!(face.mirrored().mirrored(), face);
        assert_eq!(face.mirrored().pixels()[..3], face.pixels()[95 * 3..96 * 3]);
    }
}
