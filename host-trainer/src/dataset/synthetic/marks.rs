//! Moles, freckles, wrinkles and glasses.

use super::head::{flush, skin};
use super::random::{scramble, value_noise};
use super::scene::{Scene, blend, display};
use super::shape::{cover, rounded_box, stroke};
use super::traits::{Glasses, Traits};

/// Paints what age and sun leave on the skin.
pub(super) fn paint_skin(scene: &mut Scene<'_>, t: &Traits, salt: u32) {
    paint_wrinkles(scene, t);
    paint_freckles(scene, t, salt);
    let (marks, brown) = (&t.marks, display(0.25, 0.15, 0.11));
    for [x, y, r] in [
        [marks.mole_x, marks.mole_y, marks.mole_r],
        [marks.mole2_x, marks.mole2_y, marks.mole2_r],
    ] {
        // The face narrows downwards; a mole must not hang in the air.
        let x = x * (1.1 - 0.7 * y).min(1.0);
        let area = [x - 0.06, y - 0.06, x + 0.06, y + 0.06];
        let there = if r > 0.0 { 0.9 } else { 0.0 };
        scene.fill(area, brown, there, |u, v| {
            ((u - x) * (u - x) + (v - y) * (v - y)).sqrt() - r
        });
    }
}

fn paint_wrinkles(scene: &mut Scene<'_>, t: &Traits) {
    let (marks, shade) = (&t.marks, flush(skin(&t.head)));
    let lines = marks.forehead.max(0.0);
    let top = -t.brows.lift - 0.12;
    scene.paint([-0.45, top - 0.25, 0.45, top + 0.08], |x, y| {
        let along = (1.0 - (x / 0.40) * (x / 0.40)).max(0.0);
        let line = |k: f32| cover((y - top + 0.085 * k - 0.15 * x * x).abs() - 0.004, 0.022);
        (shade, lines * along * (line(0.0) + line(1.0) + line(2.0)))
    });
    let frown = marks.frown.max(0.0);
    scene.fill([-0.15, -0.3, 0.15, 0.0], shade, frown, |x, y| {
        stroke(x.abs(), y, [0.045, -0.22], [0.055, -0.08], 0.004)
    });
    let (nose, mouth) = (&t.nose, &t.mouth);
    let from = [nose.half_width + 0.02, nose.tip_y + 0.02];
    let to = [mouth.half_width + 0.06, mouth.y + 0.01];
    let folds = marks.folds.max(0.0);
    scene.paint([-0.4, nose.tip_y - 0.1, 0.4, mouth.y + 0.15], |x, y| {
        (
            shade,
            folds * cover(stroke(x.abs(), y, from, to, 0.006), 0.035),
        )
    });
}

fn paint_freckles(scene: &mut Scene<'_>, t: &Traits, salt: u32) {
    let amount = t.marks.freckles.max(0.0);
    if amount == 0.0 {
        return;
    }
    let shade = flush(skin(&t.head));
    scene.paint([-0.55, 0.05, 0.55, 0.55], |x, y| {
        let (u, v) = (x / 0.5, (y - 0.28) / 0.24);
        let near = (1.0 - u * u - v * v).max(0.0);
        let spot = value_noise(42.0 * x, 42.0 * y, scramble(salt));
        (shade, 0.8 * amount * near * cover(0.62 - spot, 0.2))
    });
}

/// Paints glasses on those who wear them.
pub(super) fn paint_glasses(scene: &mut Scene<'_>, t: &Traits) {
    let glasses = &t.glasses;
    // Nearly invisible frames would be an odd half-way; strength shows as how dark they are.
    let opacity = if glasses.strength > 0.0 {
        0.55 + 0.4 * glasses.strength
    } else {
        return;
    };
    let frame = blend(
        display(0.10, 0.09, 0.10),
        display(0.62, 0.42, 0.25),
        glasses.tone,
    );
    let middle = t.eyes.spacing.max(glasses.half_width + 0.035);
    let height = glasses.half_height.min(0.75 * glasses.half_width + 0.01);
    let hinge = t.head.cheek_width + 0.05;
    scene.fill([-0.75, -0.3, 0.75, 0.4], frame, opacity, |x, y| {
        let (u, v) = (x.abs() - middle, y - glasses.drop);
        let rim = rim(glasses, height, u, v).abs() - glasses.thickness;
        let bridge = stroke(
            x.abs(),
            v,
            [0.0, -0.035],
            [middle - glasses.half_width, -0.02],
            glasses.thickness,
        );
        let temple = stroke(
            x.abs(),
            v,
            [middle + glasses.half_width, -0.04],
            [hinge, -0.06],
            glasses.thickness,
        );
        rim.min(bridge).min(temple)
    });
    scene.fill([-0.65, -0.3, 0.65, 0.4], [0.9, 0.95, 1.0], 0.07, |x, y| {
        rim(glasses, height, x.abs() - middle, y - glasses.drop)
    });
}

/// Signed distance to the edge of a lens about (0, 0).
fn rim(glasses: &Glasses, height: f32, u: f32, v: f32) -> f32 {
    let corner = height * (1.0 - 0.75 * glasses.squareness);
    rounded_box(u, v, glasses.half_width, height, corner)
}
