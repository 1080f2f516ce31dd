//! The canvas and how parts of the head are painted on it.

use super::pose::Pose;
use super::shape::cover;
use super::surface::Texel;
use super::{FRAME_HEIGHT, FRAME_WIDTH};
use shared::align::Point;

/// Linear red, green and blue; 1 is a white surface in a light of one.
pub(super) type Rgb = [f32; 3];

/// A color by its display values in `0..1`, which are roughly roots of the linear ones.
pub(super) fn display(red: f32, green: f32, blue: f32) -> Rgb {
    [red * red, green * green, blue * blue]
}

/// The point between two colors; `t` runs from 0 (`a`) to 1 (`b`).
pub(super) fn blend(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [0, 1, 2].map(|c| a[c] + t * (b[c] - a[c]))
}

/// A part of the face in face units: left, top, right, bottom.
pub(super) type Area = [f32; 4];

/// What lies on one pixel: color and opacity.
pub(super) type Paint = (Rgb, f32);

/// Nothing lies there.
pub(super) const CLEAR: Paint = ([0.0; 3], 0.0);

/// A frame in the making, rows from the top.
pub(super) struct Scene<'a> {
    pose: &'a Pose,
    texels: Vec<Texel>,
    canvas: Vec<Rgb>,
    /// Width of a soft edge in face units: one and a half pixels.
    pub(super) soft: f32,
}

impl<'a> Scene<'a> {
    /// Puts the lit head, still unpainted, before `canvas`; both are of the size of a frame.
    pub(super) fn new(canvas: Vec<Rgb>, texels: Vec<Texel>, pose: &'a Pose) -> Self {
        Self {
            pose,
            texels,
            canvas,
            soft: 1.5 / pose.scale_px,
        }
    }

    /// Paints a part of the head. `paint` is given face units.
    pub(super) fn paint(&mut self, area: Area, paint: impl Fn(f32, f32) -> Paint) {
        let [columns, rows] = self.pixels(area);
        for row in rows[0]..rows[1] {
            let line = row * FRAME_WIDTH as usize;
            let span = line + columns[0]..line + columns[1];
            for (&[x, y, red, green, blue], pixel) in
                self.texels[span.clone()].iter().zip(&mut self.canvas[span])
            {
                let (color, opacity) = paint(x, y);
                if opacity > 0.0 {
                    let lit = [color[0] * red, color[1] * green, color[2] * blue];
                    *pixel = blend(*pixel, lit, opacity.min(1.0));
                }
            }
        }
    }

    /// Paints one color where `distance` is negative.
    pub(super) fn fill(
        &mut self,
        area: Area,
        color: Rgb,
        opacity: f32,
        distance: impl Fn(f32, f32) -> f32,
    ) {
        let soft = self.soft;
        self.paint(area, |x, y| (color, opacity * cover(distance(x, y), soft)));
    }

    /// Ends the painting. Linear light, rows from the top.
    pub(super) fn into_canvas(self) -> Vec<Rgb> {
        self.canvas
    }

    /// Columns and rows that `area` can cover, whatever its depth.
    fn pixels(&self, [left, top, right, bottom]: Area) -> [[usize; 2]; 2] {
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)];
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for (x, y) in corners {
            for z in [0.0, 0.75] {
                let Point { x, y } = self.pose.project(x, y, z);
                low = [low[0].min(x), low[1].min(y)];
                high = [high[0].max(x), high[1].max(y)];
            }
        }
        let limits = [FRAME_WIDTH as f32, FRAME_HEIGHT as f32];
        [0, 1].map(|i| {
            let from = (low[i] - 2.0).clamp(0.0, limits[i]);
            let to = (high[i] + 2.0).clamp(0.0, limits[i]);
            [from as usize, to as usize]
        })
    }
}
