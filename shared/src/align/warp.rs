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
mod tests;
