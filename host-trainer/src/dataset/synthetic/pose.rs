//! How the head is turned and where it is in the frame.

use shared::align::Point;

/// The head turns about this height, in face units below the eyes.
const PIVOT_Y: f32 = 0.15;

/// Orthographic view of a turned head: face units to pixels.
pub(super) struct Pose {
    /// Rows of the rotation: image right, image down, towards the camera.
    axes: [[f32; 3]; 3],
    /// Pixels per face unit.
    pub(super) scale_px: f32,
    /// Where the pivot of the head lies in the frame.
    pub(super) center: Point,
}

impl Pose {
    /// Angles in radians: `yaw` turns to the image's right, `pitch` down, `roll` clockwise.
    pub(super) fn new(yaw: f32, pitch: f32, roll: f32, scale_px: f32) -> Self {
        let (sy, cy) = libm::sincosf(yaw);
        let (sp, cp) = libm::sincosf(pitch);
        let (sr, cr) = libm::sincosf(roll);
        let right = [cy, 0.0, sy];
        let down = [-sp * sy, cp, sp * cy];
        let mix = |a: f32, b: f32| [0, 1, 2].map(|i| a * right[i] + b * down[i]);
        let toward = [-cp * sy, -sp, cp * cy];
        let axes = [mix(cr, -sr), mix(sr, cr), toward];
        Self {
            axes,
            scale_px,
            center: Point::new(0.0, 0.0),
        }
    }

    /// Where a point of the head, in face units, is seen.
    pub(super) fn project(&self, x: f32, y: f32, z: f32) -> Point {
        let [r, d, _] = self
            .axes
            .map(|a| a[0] * x + a[1] * (y - PIVOT_Y) + a[2] * z);
        Point::new(
            self.center.x + self.scale_px * r,
            self.center.y + self.scale_px * d,
        )
    }

    /// The inverse of [`Pose::project`] where the depth is known from the place: a fixed point,
    /// since the surface is less steep than the turned line of sight.
    pub(super) fn unproject(&self, seen: Point, depth: impl Fn(f32, f32) -> f32) -> [f32; 2] {
        let [r, d, _] = self.axes;
        let u = (seen.x - self.center.x) / self.scale_px;
        let v = (seen.y - self.center.y) / self.scale_px;
        let det = r[0] * d[1] - r[1] * d[0];
        let at = |z: f32| {
            let (a, b) = (u - r[2] * z, v - d[2] * z);
            [
                (a * d[1] - b * r[1]) / det,
                (b * r[0] - a * d[0]) / det + PIVOT_Y,
            ]
        };
        let mut place = at(0.25);
        for _ in 0..4 {
            place = at(depth(place[0], place[1]));
        }
        place
    }

    /// A direction of the camera's space (right, down, towards the camera) in the head's.
    pub(super) fn to_head(&self, direction: [f32; 3]) -> [f32; 3] {
        let a = &self.axes;
        [0, 1, 2].map(|i| (0..3).map(|j| a[j][i] * direction[j]).sum())
    }
}
