//! The warp: cuts a face out of an image so that its landmarks lie on the template.

use super::{AlignTemplate, Landmarks, Point, Similarity, UnusableLandmarks};
use alloc::vec::Vec;

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
    fn pixel(&self, x: i32, y: i32) -> [u8; 3] {
        let inside = |i: i32, side: usize| usize::try_from(i).ok().filter(|i| *i < side);
        let (Some(x), Some(y)) = (inside(x, self.width), inside(y, self.height)) else {
            return [0; 3];
        };
        let at = (y * self.width + x) * 3;
        [0, 1, 2].map(|c| self.pixels[at + c])
    }

    /// The pixel, the one to its right, and the two below.
    fn corners(&self, x: i32, y: i32) -> [[u8; 3]; 4] {
        // Nearly always all are inside.
        if let (Ok(column), Ok(row)) = (usize::try_from(x), usize::try_from(y))
            && column + 1 < self.width
            && row + 1 < self.height
        {
            let at = (row * self.width + column) * 3;
            let (above, below) = (
                &self.pixels[at..][..6],
                &self.pixels[at + 3 * self.width..][..6],
            );
            let of = |row: &[u8]| [[row[0], row[1], row[2]], [row[3], row[4], row[5]]];
            let ([a, b], [c, d]) = (of(above), of(below));
            return [a, b, c, d];
        }
        [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].map(|(x, y)| self.pixel(x, y))
    }

    /// Whether something within that many pixels of the place may be more than black.
    fn touches(&self, p: Point, reach: f32) -> bool {
        let near = |x: f32, side: usize| (-1.0 - reach..side as f32 + reach).contains(&x);
        near(p.x, self.width) && near(p.y, self.height)
    }

    /// Bilinear sample.
    fn sample(&self, p: Point) -> [f32; 3] {
        if !self.touches(p, 0.0) {
            return [0.0; 3];
        }
        let (x, y) = (floor(p.x), floor(p.y));
        let (fx, fy) = (p.x - x as f32, p.y - y as f32);
        let weights = [
            (1.0 - fx) * (1.0 - fy),
            fx * (1.0 - fy),
            (1.0 - fx) * fy,
            fx * fy,
        ];
        let corners = self.corners(x, y);
        [0, 1, 2].map(|c| {
            let terms = corners.iter().zip(weights);
            terms
                .map(|(pixel, weight)| f32::from(pixel[c]) * weight)
                .sum()
        })
    }
}

/// The largest integer that is not larger, without what a function for every float must ask.
fn floor(x: f32) -> i32 {
    let toward_zero = x as i32;
    toward_zero - i32::from(toward_zero as f32 > x)
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
/// [`UnusableLandmarks`] as [`Similarity::fit`].
pub fn align(
    image: RgbImage<'_>,
    landmarks: &Landmarks,
    template: AlignTemplate,
) -> Result<AlignedFace, UnusableLandmarks> {
    let to_crop = Similarity::fit(landmarks, &template.landmarks())?;
    let area = Area::new(image, to_crop.inverted());
    let mut pixels = Vec::with_capacity(template.rgb_len());
    for y in 0..template.height() {
        for x in 0..template.width() {
            pixels.extend(area.mean(x as f32, y as f32));
        }
    }
    Ok(AlignedFace { template, pixels })
}

/// The most samples of a crop pixel along each axis.
const MOST: usize = 8;

/// Averages what a crop pixel covers of the image, from as many samples along either axis as it
/// covers pixels, so that a large photograph does not alias.
struct Area<'a> {
    image: RgbImage<'a>,
    to_image: Similarity,
    /// How far from a crop pixel's center its samples lie, in pixels of the image, or less.
    reach: f32,
    /// Where they lie, in pixels of the crop; the first `len`.
    offsets: [f32; MOST],
    len: usize,
}

impl<'a> Area<'a> {
    fn new(image: RgbImage<'a>, to_image: Similarity) -> Self {
        let reach = to_image.scale();
        let len = libm::roundf(reach).clamp(1.0, MOST as f32) as usize;
        let offsets = core::array::from_fn(|i| (i as f32 + 0.5) / len as f32 - 0.5);
        Self {
            image,
            to_image,
            reach,
            offsets,
            len,
        }
    }

    fn mean(&self, x: f32, y: f32) -> [u8; 3] {
        let at = |x, y| self.to_image.apply(Point::new(x, y));
        if !self.image.touches(at(x, y), self.reach) {
            return [0; 3];
        }
        let offsets = &self.offsets[..self.len];
        let mut sum = [0.0_f32; 3];
        for dy in offsets {
            for dx in offsets {
                let sample = self.image.sample(at(x + dx, y + dy));
                (0..3).for_each(|c| sum[c] += sample[c]);
            }
        }
        sum.map(|s| round(s / (self.len * self.len) as f32))
    }
}

/// The nearest byte, halves up; likewise.
fn round(x: f32) -> u8 {
    let down = x as u8;
    down + u8::from(x - f32::from(down) >= 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

    #[test]
    fn an_image_on_the_template_is_copied_and_cut() {
        let pixels: Vec<u8> = (0..112 * 112 * 3).map(|i| (i * 31 % 251) as u8).collect();
        let image = RgbImage::new(112, 112, &pixels).unwrap();
        let same = align(image, &TEMPLATE.landmarks(), TEMPLATE).unwrap();
        assert!(
            same.pixels()
                .iter()
                .zip(&pixels)
                .all(|(a, b)| a.abs_diff(*b) <= 1)
        );
        let cut = align(
            image,
            &TEMPLATE.landmarks(),
            AlignTemplate::Sphereface112x96,
        )
        .unwrap();
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
        let landmarks = Landmarks(
            TEMPLATE
                .landmarks()
                .0
                .map(|p| Point::new(4.0 * p.x + 1.5, 4.0 * p.y + 1.5)),
        );
        let face = align(image, &landmarks, TEMPLATE).unwrap();
        let center = face.pixels()[(56 * 112 + 56) * 3];
        assert!(center.abs_diff(128) < 10, "{center}");
    }

    /// By its definition, in twice as many digits.
    fn defined(image: RgbImage<'_>, to_image: &Similarity, x: usize, y: usize) -> [f64; 3] {
        let n = libm::roundf(to_image.scale()).clamp(1.0, 8.0) as i32;
        let mut sum = [0.0; 3];
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let within = |i: i32| (f64::from(i) + 0.5) / f64::from(n) - 0.5;
            let at = (x as f64 + within(i), y as f64 + within(j));
            let [a, b, tx, ty] = [to_image.a, to_image.b, to_image.tx, to_image.ty].map(f64::from);
            let (u, v) = (a * at.0 - b * at.1 + tx, b * at.0 + a * at.1 + ty);
            for (row, column) in (-1..=1).flat_map(|j| (-1..=1).map(move |i| (j, i))) {
                let (column, row) = (u.floor() as i64 + column, v.floor() as i64 + row);
                let weight = |at: f64, pixel: i64| (1.0 - (at - pixel as f64).abs()).max(0.0);
                let weight = weight(u, column) * weight(v, row);
                let inside = |i: i64, side: usize| (0..side as i64).contains(&i);
                if inside(column, image.width) && inside(row, image.height) {
                    let at = (row as usize * image.width + column as usize) * 3;
                    (0..3).for_each(|c| sum[c] += weight * f64::from(image.pixels[at + c]));
                }
            }
        }
        sum.map(|s| s / f64::from(n * n))
    }

    #[test]
    fn every_pixel_is_what_the_definition_gives() {
        let (width, height) = (60, 40);
        let pixels: Vec<u8> = (0..width * height * 3)
            .map(|i| (i * 7919 % 251) as u8)
            .collect();
        let image = RgbImage::new(width, height, &pixels).unwrap();
        // Turned, of several sizes, over each edge.
        for (scale, turn, dx, dy) in [
            (0.3, 0.0, 10.0, 5.0),
            (0.4, 0.5, 30.0, -20.0),
            (1.0, -0.2, -50.0, 0.0),
            (2.3, 1.9, 40.0, 30.0),
            (9.0, 3.0, 500.0, 600.0),
        ] {
            let (sin, cos) = libm::sincosf(turn);
            let place = |p: Point| {
                let (x, y) = (p.x * scale, p.y * scale);
                Point::new(x * cos - y * sin + dx, x * sin + y * cos + dy)
            };
            let landmarks = Landmarks(TEMPLATE.landmarks().0.map(place));
            let face = align(image, &landmarks, TEMPLATE).unwrap();
            let to_crop = Similarity::fit(&landmarks, &TEMPLATE.landmarks()).unwrap();
            let to_image = to_crop.inverted();
            let mut seen = 0;
            for (i, pixel) in face.pixels().chunks_exact(3).enumerate() {
                let expected = defined(image, &to_image, i % 112, i / 112);
                for (got, expected) in pixel.iter().zip(expected) {
                    // A half, and what is lost in floats.
                    let off = (f64::from(*got) - expected).abs();
                    assert!(off < 0.52, "{scale}: pixel {i} is {got}, not {expected}");
                    seen += usize::from(*got > 0);
                }
            }
            assert!(seen > 100, "{scale}: {seen}");
        }
    }

    #[test]
    fn mirroring_twice_is_the_same_face() {
        let pixels: Vec<u8> = (0..112 * 96 * 3).map(|i| (i % 255) as u8).collect();
        let face = AlignedFace::from_pixels(AlignTemplate::Sphereface112x96, pixels).unwrap();
        assert_ne!(face.mirrored(), face);
        assert_eq!(face.mirrored().mirrored(), face);
        assert_eq!(face.mirrored().pixels()[..3], face.pixels()[95 * 3..96 * 3]);
    }

    #[test]
    fn landmarks_beyond_the_image_give_black() {
        let pixels = [255; 12];
        let image = RgbImage::new(2, 2, &pixels).unwrap();
        for far in [1e9, -1e9, 3e37] {
            let landmarks = Landmarks(TEMPLATE.landmarks().0.map(|p| Point::new(p.x + far, p.y)));
            if let Ok(face) = align(image, &landmarks, TEMPLATE) {
                assert!(face.pixels().iter().all(|byte| *byte == 0));
            }
        }
    }
}
