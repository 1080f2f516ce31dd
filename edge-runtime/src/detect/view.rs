//! How a part of a frame lies in what the network takes.

use super::Detection;
use super::decode::Square;
use image::RgbImage;
use image::imageops::{self, FilterType};
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
        let [left, top, columns, rows] = self.from;
        let part = imageops::crop_imm(frame, left, top, columns, rows);
        let [left, top, columns, rows] = self.to;
        // Averages over what becomes one pixel, so that no detail turns into a false one.
        let part = imageops::resize(&*part, columns, rows, FilterType::Triangle);
        let mut fitted = RgbImage::new(width, height);
        imageops::replace(&mut fitted, &part, left.into(), top.into());
        Cow::Owned(fitted.into_raw())
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
