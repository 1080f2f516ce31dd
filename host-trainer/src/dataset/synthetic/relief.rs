//! The face as a height field: depth for turning, slopes for shading.

use super::traits::Traits;

/// Share of the nose's slope that the light sees.
const NOSE_SHADE: f32 = 0.45;

/// A smooth hill on an ellipse, with level rim and top.
#[derive(Clone, Copy)]
struct Hill {
    x: f32,
    y: f32,
    /// Inverse squares of the half axes.
    narrow: [f32; 2],
    height: f32,
}

impl Hill {
    fn new(x: f32, y: f32, rx: f32, ry: f32, height: f32) -> Self {
        Self {
            x,
            y,
            narrow: [1.0 / (rx * rx), 1.0 / (ry * ry)],
            height,
        }
    }

    /// `1 - r²` within the rim, 0 outside.
    fn inside(&self, x: f32, y: f32) -> f32 {
        let (u, v) = (x - self.x, y - self.y);
        (1.0 - u * u * self.narrow[0] - v * v * self.narrow[1]).max(0.0)
    }

    fn depth(&self, x: f32, y: f32) -> f32 {
        let q = self.inside(x, y);
        self.height * q * q
    }

    fn slope(&self, x: f32, y: f32) -> [f32; 2] {
        let steep = -4.0 * self.height * self.inside(x, y);
        [
            steep * (x - self.x) * self.narrow[0],
            steep * (y - self.y) * self.narrow[1],
        ]
    }
}

/// The surface of one person's face, in face units towards the viewer.
pub(super) struct Relief {
    /// Skull, bridge and tip of the nose: what moves visibly when the head turns.
    large: [Hill; 3],
    /// What only catches the light; these lie in pairs, mirrored.
    small: [Hill; 5],
}

impl Relief {
    /// The relief that a person's traits make.
    pub(super) fn new(t: &Traits) -> Self {
        let (head, nose) = (&t.head, &t.nose);
        let large = [
            Hill::new(0.0, 0.05, 0.95, 1.30, 0.55),
            Hill::new(
                0.0,
                nose.tip_y * 0.62,
                nose.bridge + 0.10,
                nose.tip_y * 0.75,
                nose.hump,
            ),
            Hill::new(
                nose.bend,
                nose.tip_y,
                nose.half_width + 0.07,
                0.17,
                nose.tip + 0.06,
            ),
        ];
        let small = [
            Hill::new(t.eyes.spacing, 0.0, 0.19, 0.13, -t.eyes.socket),
            Hill::new(t.eyes.spacing * 0.8, -t.brows.lift, 0.30, 0.12, 0.04),
            Hill::new(0.36, 0.30, 0.24, 0.22, head.cheekbone),
            Hill::new(0.0, head.chin_y - 0.13, 0.22, 0.16, head.chin_bump),
            Hill::new(t.mouth.half_width + 0.10, t.mouth.y, 0.14, 0.20, 0.03),
        ];
        Self { large, small }
    }

    /// Depth in face units, at least zero; zero beyond the skull.
    pub(super) fn depth(&self, x: f32, y: f32) -> f32 {
        self.large.iter().map(|hill| hill.depth(x, y)).sum()
    }

    /// Unit normal in the head's space (right, down, towards the viewer).
    pub(super) fn normal(&self, x: f32, y: f32) -> [f32; 3] {
        // The silhouette turns away from the viewer, which the level rim of the skull would hide.
        let bound = |v: f32| v.clamp(-1.0, 1.0);
        let mut slope = [-1.15 * bound(x / 0.72), -0.55 * bound((y - 0.05) / 1.05)];
        let mirrored = x.abs();
        for hill in &self.large[1..] {
            let [dx, dy] = hill.slope(x, y);
            // At full height the nose would be a black beak in light from the side.
            slope = [slope[0] + NOSE_SHADE * dx, slope[1] + NOSE_SHADE * dy];
        }
        for hill in &self.small {
            let [dx, dy] = hill.slope(mirrored, y);
            slope = [slope[0] + dx.copysign(dx * x), slope[1] + dy];
        }
        let length = (slope[0] * slope[0] + slope[1] * slope[1] + 1.0).sqrt();
        [-slope[0] / length, -slope[1] / length, 1.0 / length]
    }
}
