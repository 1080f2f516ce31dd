//! The nose: what the light alone does not show.

use super::head::{flush, skin};
use super::scene::{Scene, display};
use super::shape::{cover, ellipse};
use super::traits::Traits;

/// Paints the nose.
pub(super) fn paint(scene: &mut Scene<'_>, t: &Traits) {
    paint_bridge(scene, t);
    paint_wings(scene, t);
    paint_nostrils(scene, t);
}

fn paint_bridge(scene: &mut Scene<'_>, t: &Traits) {
    let (nose, shade) = (&t.nose, flush(skin(&t.head)));
    scene.paint([-0.3, -0.15, 0.3, nose.tip_y], |x, y| {
        let down = (y / nose.tip_y).clamp(0.0, 1.0);
        let axis = nose.bend * down * down;
        let half = nose.bridge * (1.25 - down) + 0.6 * nose.half_width * down * down;
        let ends = cover(y - nose.tip_y + 0.08, 0.14) * cover(-y - 0.08, 0.16);
        let side = cover(((x - axis).abs() - half - 0.012).abs() - 0.012, 0.045);
        (shade, nose.shade * side * ends)
    });
    let shine = skin(&t.head).map(|c| c * 1.25 + 0.05);
    scene.paint([-0.2, -0.1, 0.2, nose.tip_y + 0.08], |x, y| {
        let ball = cover(
            ellipse(
                x - nose.bend,
                y - nose.tip_y + 0.01,
                0.4 * nose.tip,
                0.3 * nose.tip,
            ),
            0.06,
        );
        let ridge =
            cover((x - 0.5 * nose.bend).abs() - 0.012, 0.05) * cover((y - 0.15).abs() - 0.12, 0.1);
        (shine, 0.55 * ball + 1.5 * nose.hump * ridge)
    });
}

fn paint_wings(scene: &mut Scene<'_>, t: &Traits) {
    let (nose, shade) = (&t.nose, flush(skin(&t.head)));
    let base = nose.tip_y + 0.035;
    let reach = nose.half_width + 0.08;
    scene.paint(
        [
            nose.bend - reach,
            base - 0.15,
            nose.bend + reach,
            base + 0.15,
        ],
        |x, y| {
            let (u, v) = ((x - nose.bend).abs(), y - base);
            let wing = ellipse(
                u - nose.half_width + 0.75 * nose.wing,
                v + 0.01,
                nose.wing,
                nose.wing * 1.05,
            );
            let outside = cover(
                nose.half_width - 0.6 * nose.wing - u - 0.4 * v.max(0.0),
                0.05,
            );
            let rim = cover(wing.abs() - 0.008, 0.022) * outside;
            let tip = ellipse(
                u,
                v - 0.5 * nose.tip + 0.035,
                0.9 * nose.tip,
                0.62 * nose.tip,
            );
            let under = cover(tip.abs() - 0.006, 0.03) * cover(-v, 0.05);
            (shade, 0.9 * rim + 0.55 * under)
        },
    );
}

fn paint_nostrils(scene: &mut Scene<'_>, t: &Traits) {
    let nose = &t.nose;
    let y = nose.tip_y + 0.06;
    let out = 0.48 * nose.half_width;
    let area = [nose.bend - 0.2, y - 0.1, nose.bend + 0.2, y + 0.1];
    let dark = flush(flush(skin(&t.head))).map(|c| c + display(0.06, 0.03, 0.03)[0]);
    scene.fill(area, dark, 0.85, |x, v| {
        let u = (x - nose.bend).abs() - out;
        ellipse(
            u,
            v - y + nose.flare * u,
            1.35 * nose.nostril,
            0.62 * nose.nostril,
        )
    });
}
