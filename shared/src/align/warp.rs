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
        // Coordinates beyond every image saturate rather than overflow.
        let (right, below) = (x.saturating_add(1), y.saturating_add(1));
        let corners = [
            (self.pixel(x, y), (1.0 - fx) * (1.0 - fy)),
            (self.pixel(right, y), fx * (1.0 - fy)),
            (self.pixel(x, below), (1.0 - fx) * fy),
            (self.pixel(right, below), fx * fy),
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
/// [`UnusableLandmarks`] as [`Similarity::fit`].
pub fn align(
    image: RgbImage<'_>,
    landmarks: &Landmarks,
    template: AlignTemplate,
) -> Result<AlignedFace, UnusableLandmarks> {
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
