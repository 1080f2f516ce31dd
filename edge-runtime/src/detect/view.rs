//! How a part of a frame lies in what the network takes.

use super::Detection;
use super::decode::Square;
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{RgbImage, imageops};
use shared::align::Point;
use shared::detector::FrameSpec;
use std::borrow::Cow;

/// Smaller faces are not seen better by it, and cost as much memory as their smallness is.
const MOST_ZOOM: f32 = 4.0;

/// A rectangle of a frame, scaled, with black around.
pub(super) struct View {
    /// Left, top, width, height, in pixels of the frame.
    from: [u32; 4],
    /// Left, top, width, height, in pixels of the network.
    to: [u32; 4],
    /// Pixels of the network for one of the frame.
    pub(super) scale: [f32; 2],
}

impl View {
    /// The whole frame, as large as fits.
    pub(super) fn whole(frame: &RgbImage, input: &FrameSpec) -> Self {
        let from = [0, 0, frame.width().max(1), frame.height().max(1)];
        let sides = [input.width, input.height].map(u32::from);
        let scale = f64::min(
            f64::from(sides[0]) / f64::from(from[2]),
            f64::from(sides[1]) / f64::from(from[3]),
        );
        let [width, height] = [0, 1].map(|axis| {
            let scaled = (f64::from(from[2 + axis]) * scale).round() as u32;
            scaled.clamp(1, sides[axis])
        });
        let [left, top] = [(sides[0] - width) / 2, (sides[1] - height) / 2];
        Self::new(from, [left, top, width, height])
    }

    /// A face in the middle, its side as long as `side` says, by the shorter side of what the
    /// network takes. `None` if it lies outside of the frame.
    pub(super) fn around(
        frame: &RgbImage,
        face: &Detection,
        side: f32,
        input: &FrameSpec,
    ) -> Option<Self> {
        let square = Square::of(&face.landmarks)?;
        let sides = [input.width, input.height].map(f32::from);
        let zoom = (side * sides[0].min(sides[1]) / square.side).min(MOST_ZOOM);
        let center = [square.center.x, square.center.y];
        let frame = [frame.width(), frame.height()];
        let (mut from, mut to) = ([0; 4], [0; 4]);
        for axis in 0..2 {
            let start = center[axis] - sides[axis] / zoom / 2.0;
            let end = start + sides[axis] / zoom;
            let first = start.max(0.0).floor() as u32;
            let last = (end.ceil().max(0.0) as u32).min(frame[axis]);
            let left = ((first as f32 - start) * zoom).round().max(0.0);
            let width = (last.checked_sub(first)? as f32 * zoom).round();
            from[axis] = first;
            from[2 + axis] = last - first;
            to[axis] = left as u32;
            to[2 + axis] = width as u32;
        }
        let is_there = from[2] > 0 && from[3] > 0 && to[2] > 0 && to[3] > 0;
        is_there.then(|| Self::new(from, to))
    }

    fn new(from: [u32; 4], to: [u32; 4]) -> Self {
        let scale = [2, 3].map(|i| to[i] as f32 / from[i] as f32);
        Self { from, to, scale }
    }

    /// RGB bytes of what the network takes.
    pub(super) fn of<'a>(&self, frame: &'a RgbImage, input: &FrameSpec) -> Cow<'a, [u8]> {
        let [width, height] = [input.width, input.height].map(u32::from);
        let whole = [0, 0, width, height];
        if frame.dimensions() == (width, height) && self.from == whole && self.to == whole {
            return Cow::Borrowed(frame.as_raw());
        }
        let mut fitted = RgbImage::new(width, height);
        if let Some(part) = self.scaled(frame) {
            let [left, top, ..] = self.to.map(i64::from);
            imageops::replace(&mut fitted, &part, left, top);
        }
        Cow::Owned(fitted.into_raw())
    }

    /// The rectangle in its new size; `None` of a frame without pixels.
    fn scaled(&self, frame: &RgbImage) -> Option<RgbImage> {
        let [left, top, columns, rows] = self.from;
        let (width, height) = frame.dimensions();
        let frame = TypedImageRef::<U8x3>::from_buffer(width, height, frame.as_raw()).ok()?;
        let part = TypedCroppedImage::new(frame, left, top, columns, rows).ok()?;
        let [.., columns, rows] = self.to;
        let mut scaled = RgbImage::new(columns, rows);
        let mut pixels = TypedImage::<U8x3>::from_buffer(columns, rows, &mut scaled).ok()?;
        // Averages over what becomes one pixel, so that no detail turns into a false one.
        let averages = ResizeAlg::Convolution(FilterType::Bilinear);
        let options = ResizeOptions::new().resize_alg(averages);
        // For this kind of pixel alone: code for every kind would be a megabyte and a half.
        let resized = Resizer::new().resize_typed(&part, &mut pixels, &options);
        resized.ok().map(|()| scaled)
    }

    /// From the network's pixels to the frame's; the corner is 0 in both, as in `landmarks.csv`.
    pub(super) fn back(&self, p: Point) -> Point {
        let back = |at: f32, axis: usize| {
            let on = (at - self.to[axis] as f32) / self.scale[axis];
            on + self.from[axis] as f32
        };
        Point::new(back(p.x, 0), back(p.y, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use shared::align::AlignTemplate;
    use shared::preprocess::PixelOrder;

    const INPUT: FrameSpec = FrameSpec {
        width: 160,
        height: 120,
        pixel_order: PixelOrder::Rgb,
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    /// Every color and edge, and nothing that repeats.
    fn frame(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([x * 7 + y, x * y / 5, (x ^ (3 * y)) * 11].map(|c| c as u8))
        })
    }

    #[test]
    fn a_view_is_the_part_of_the_frame_averaged_and_black_around() {
        let face = |scale: f32, x: f32, y: f32| {
            let points = AlignTemplate::Arcface112x112.landmarks().0;
            let place = |p: Point| Point::new(p.x * scale + x, p.y * scale + y);
            Detection {
                score: 0.9,
                landmarks: shared::align::Landmarks(points.map(place)),
                side: 112.0 * scale,
            }
        };
        for (width, height) in [(320, 240), (192, 192), (640, 360), (90, 60), (1, 300)] {
            let frame = frame(width, height);
            let around = [
                (0.5, 20.0, 10.0),
                (2.0, 100.0, -80.0),
                (0.2, -9.0, 40.0),
                (0.1, 50.0, 50.0),
            ]
            .map(|(scale, x, y)| View::around(&frame, &face(scale, x, y), 0.8, &INPUT));
            let views = [Some(View::whole(&frame, &INPUT))]
                .into_iter()
                .chain(around);
            for view in views.flatten() {
                let fitted = view.of(&frame, &INPUT);
                let [left, top, columns, rows] = view.from;
                let part = imageops::crop_imm(&frame, left, top, columns, rows);
                let [left, top, columns, rows] = view.to;
                let filter = imageops::FilterType::Triangle;
                let part = imageops::resize(&*part, columns, rows, filter);
                for (i, pixel) in fitted.chunks_exact(3).enumerate() {
                    let [x, y] = [i as u32 % 160, i as u32 / 160];
                    let at = [x.wrapping_sub(left), y.wrapping_sub(top)];
                    let expected = part.get_pixel_checked(at[0], at[1]);
                    let expected = expected.map_or([0; 3], |pixel| pixel.0);
                    let off = pixel.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
                    assert!(off <= Some(1), "{width}x{height}, {x}, {y}: {off:?}");
                }
            }
        }
    }

    #[test]
    fn a_frame_without_pixels_is_black() {
        let empty = RgbImage::new(0, 5);
        let view = View::whole(&empty, &INPUT);
        assert!(view.of(&empty, &INPUT).iter().all(|byte| *byte == 0));
    }
}
