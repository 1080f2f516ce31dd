//! Eyes and brows.

use super::hair;
use super::head::{flush, skin};
use super::nuisance::Expression;
use super::random::value_noise;
use super::scene::{Rgb, Scene, blend, display};
use super::shape::cover;
use super::traits::{Eyes, Traits};

/// One eye as it is held open in this picture.
struct Lids<'a> {
    eyes: &'a Eyes,
    /// -1 for the subject's right eye, which is left in the image; 1 for the left one.
    side: f32,
    open: f32,
}

impl Lids<'_> {
    /// Face units to the eye's own: outwards in half widths, down from the line of its corners.
    fn place(&self, x: f32, y: f32) -> [f32; 2] {
        let out = self.side * x - self.eyes.spacing;
        [out / self.eyes.half_width, y + self.eyes.slant * out]
    }

    /// Heights of the edges of the upper and the lower lid.
    fn edges(&self, u: f32) -> [f32; 2] {
        let arc = 1.0 - u * u;
        let skewed = arc * (1.0 + self.eyes.skew * u);
        let shut = 0.6 * self.eyes.lower * (1.0 - self.open);
        [
            shut * arc - self.open * self.eyes.upper * skewed,
            self.eyes.lower * arc,
        ]
    }

    /// Signed distance to the visible part of the eyeball.
    fn distance(&self, u: f32, v: f32) -> f32 {
        let [top, bottom] = self.edges(u);
        (top - v).max(v - bottom) * 0.85
    }
}

/// Paints both eyes.
pub(super) fn paint(scene: &mut Scene<'_>, t: &Traits, expression: &Expression) {
    let eyes = &t.eyes;
    for side in [-1.0, 1.0] {
        let lids = Lids {
            eyes,
            side,
            open: 1.0 - expression.eye_closure,
        };
        let reach = eyes.half_width + 0.05;
        let x = side * eyes.spacing;
        let area = [x - reach, -0.22, x + reach, 0.20];
        paint_skin_around(scene, t, &lids, area);
        paint_ball(scene, eyes, &lids, expression.gaze, area);
        paint_lashes(scene, &lids, area);
    }
}

fn paint_skin_around(scene: &mut Scene<'_>, t: &Traits, lids: &Lids<'_>, area: [f32; 4]) {
    let (eyes, shade) = (lids.eyes, flush(skin(&t.head)));
    scene.paint(area, |x, y| {
        let [u, v] = lids.place(x, y);
        let [top, bottom] = lids.edges(u.clamp(-1.0, 1.0));
        let along = (1.1 - u * u).max(0.0);
        let crease = cover((v - top + eyes.crease).abs() - 0.005, 0.022) * along;
        let lid = cover(
            (v - top + 0.5 * eyes.crease).abs() - 0.5 * eyes.crease,
            0.03,
        ) * along;
        let bag = cover((v - bottom - 0.045).abs() - 0.012, 0.05) * along;
        (shade, 0.75 * crease + 0.22 * lid + eyes.bag * bag)
    });
}

fn paint_ball(scene: &mut Scene<'_>, eyes: &Eyes, lids: &Lids<'_>, gaze: [f32; 2], area: [f32; 4]) {
    let (soft, iris_color) = (scene.soft, iris(eyes.iris_hue));
    let white = display(0.93, 0.92, 0.91);
    let middle = 0.35 * (eyes.lower - eyes.upper);
    scene.paint(area, |x, y| {
        let [u, v] = lids.place(x, y);
        // The gaze moves both irises the same way, so the side must be taken out again.
        let dx = u * eyes.half_width - lids.side * gaze[0] * eyes.half_width * 0.6;
        let dy = v - middle - gaze[1] * eyes.half_width;
        let r = (dx * dx + dy * dy).sqrt();
        let rim = 1.0 - 0.55 * cover(eyes.iris * 0.82 - r, 0.02);
        let mut color = blend(
            white,
            iris_color.map(|c| c * rim),
            cover(r - eyes.iris, soft),
        );
        color = blend(color, [0.004; 3], cover(r - 0.45 * eyes.iris, soft));
        let (hx, hy) = (dx * lids.side + 0.35 * eyes.iris, dy + 0.4 * eyes.iris);
        color = blend(
            color,
            [1.6; 3],
            cover((hx * hx + hy * hy).sqrt() - 0.22 * eyes.iris, soft),
        );
        let under_lid = 1.0 - 0.55 * cover(v - lids.edges(u)[0] - 0.02, 0.05);
        (
            color.map(|c| c * under_lid),
            cover(lids.distance(u, v), soft),
        )
    });
}

fn paint_lashes(scene: &mut Scene<'_>, lids: &Lids<'_>, area: [f32; 4]) {
    let (eyes, soft) = (lids.eyes, scene.soft);
    let dark = display(0.13, 0.09, 0.08);
    scene.paint(area, |x, y| {
        let [u, v] = lids.place(x, y);
        let [top, bottom] = lids.edges(u.clamp(-1.0, 1.0));
        let ends = cover(u.abs() - 1.06, 0.12);
        let thick = eyes.lash * (0.75 + 0.35 * u);
        let upper = cover((v - top).abs() - thick, soft) * ends;
        let lower = 0.45 * cover((v - bottom).abs() - 0.004, soft) * ends;
        (dark, upper.max(lower))
    });
}

fn iris(hue: f32) -> Rgb {
    let [brown, green, blue] = [
        display(0.33, 0.19, 0.10),
        display(0.42, 0.47, 0.28),
        display(0.38, 0.54, 0.70),
    ];
    if hue < 0.5 {
        blend(brown, green, 2.0 * hue)
    } else {
        blend(green, blue, 2.0 * hue - 1.0)
    }
}

/// Paints both brows.
pub(super) fn paint_brows(scene: &mut Scene<'_>, t: &Traits, expression: &Expression, salt: u32) {
    let (brows, soft) = (&t.brows, scene.soft);
    let color = blend(
        skin(&t.head),
        hair::color(&t.hair).map(|c| c * 0.45),
        brows.darkness,
    );
    for side in [-1.0, 1.0] {
        let height = brows.lift + expression.brow_raise + side * brows.lopsided;
        let area = if side < 0.0 {
            [-0.62, -0.45, -0.02, 0.05]
        } else {
            [0.02, -0.45, 0.62, 0.05]
        };
        scene.paint(area, |x, y| {
            let s = (side * x - brows.inner) / (brows.outer - brows.inner);
            let bend = brows.arch * 4.0 * s * (1.0 - s) + brows.slant * (s - 0.5);
            // The outer end of a brow turns down around the skull.
            let line = -height - bend + 0.05 * s * s;
            let thick = brows.thickness * (1.0 - brows.taper * s.clamp(0.0, 1.0));
            let ends = (-s).max(s - 1.0) * (brows.outer - brows.inner);
            let distance = ((y - line).abs() - thick).max(ends);
            let hairs = 0.75 + 0.25 * value_noise(60.0 * x + 25.0 * y, 14.0 * y, salt);
            (color, hairs * cover(distance, soft + 0.012))
        });
    }
}
