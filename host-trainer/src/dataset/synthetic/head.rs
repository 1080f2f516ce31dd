//! Skull, jaw, ears, neck and shoulders.

use super::nuisance::Nuisance;
use super::scene::{CLEAR, Rgb, Scene, blend, display};
use super::shape::{cover, ellipse, rounded_box, smooth_max, smooth_min, wave};
use super::traits::{Head, Traits};

/// The silhouette of a head without hair and ears.
pub(super) struct Outline {
    skull_width: f32,
    /// Edges of the lower face as lines `a x + b y = c` with unit normals that point outwards.
    cheek: [f32; 3],
    jaw: [f32; 3],
    chin_y: f32,
    roundness: f32,
}

impl Outline {
    /// `jaw_drop` is how far the chin sinks when the mouth opens, in face units.
    pub(super) fn new(head: &Head, jaw_drop: f32) -> Self {
        let chin_y = head.chin_y + jaw_drop;
        let jaw = [head.jaw_width, head.jaw_y];
        Self {
            skull_width: head.skull_width,
            cheek: edge([head.cheek_width, 0.0], jaw),
            jaw: edge(jaw, [head.chin_width, chin_y]),
            chin_y,
            roundness: head.roundness,
        }
    }

    /// Signed distance in face units, negative inside.
    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        let beyond = |[a, b, c]: [f32; 3]| a * x.abs() + b * y - c;
        let sides = smooth_max(beyond(self.cheek), beyond(self.jaw), self.roundness);
        let lower = smooth_max(sides, y - self.chin_y, self.roundness);
        let lower = smooth_max(lower, -0.25 - y, 0.2);
        smooth_min(ellipse(x, y + 0.27, self.skull_width, 0.76), lower, 0.12)
    }
}

/// The line through `from` and `to`, clockwise around the face.
fn edge(from: [f32; 2], to: [f32; 2]) -> [f32; 3] {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = (dx * dx + dy * dy).sqrt();
    let (a, b) = (dy / length, -dx / length);
    [a, b, a * from[0] + b * from[1]]
}

/// The color of a person's skin.
pub(super) fn skin(head: &Head) -> Rgb {
    let [fair, tan, dark] = [
        display(0.95, 0.79, 0.69),
        display(0.81, 0.60, 0.46),
        display(0.50, 0.34, 0.25),
    ];
    let tone = if head.melanin < 0.5 {
        blend(fair, tan, 2.0 * head.melanin)
    } else {
        blend(tan, dark, 2.0 * head.melanin - 1.0)
    };
    [
        tone[0] * (1.0 + 0.1 * head.ruddiness),
        tone[1],
        tone[2] * (1.0 - 0.1 * head.ruddiness),
    ]
}

/// Skin where it is deep, thin or creased: darker and redder.
pub(super) fn flush(skin: Rgb) -> Rgb {
    [skin[0] * 0.52, skin[1] * 0.30, skin[2] * 0.27]
}

/// Neck, shoulders and ears: what the face hides a part of.
pub(super) fn paint_behind(scene: &mut Scene<'_>, t: &Traits, nuisance: &Nuisance) {
    let (skin, shade) = (skin(&t.head), flush(skin(&t.head)));
    let neck = 0.33 + 0.25 * (t.head.jaw_width - 0.43);
    let chin = t.head.chin_y;
    scene.paint([-0.8, 0.3, 0.8, 2.2], |x, y| {
        let flare = (y - 1.05).max(0.0) * 0.5;
        let under_chin = 1.0 - ((y - chin + 0.05) / 0.35).clamp(0.0, 1.0);
        let color = blend(skin, shade, 0.25 + 0.6 * under_chin);
        (color, cover(x.abs() - neck - flare, 0.03))
    });
    let clothes = nuisance.clothes;
    scene.paint([-2.4, 0.95, 2.4, 3.0], |x, y| {
        let shoulder = 1.14 + 0.30 * x * x - y;
        let collar = -ellipse(x, y - 1.06, neck + 0.12, 0.36);
        let covered = cover(shoulder.max(collar), 0.03);
        if covered == 0.0 {
            return CLEAR;
        }
        let fold = 0.92 + 0.08 * wave(1.3 * x + 0.7 * y);
        let seam = 1.0 - 0.35 * cover((collar + 0.05).abs() - 0.012, 0.02);
        (clothes.map(|c| c * fold * seam), covered)
    });
    paint_ears(scene, &t.head, skin, shade);
}

fn paint_ears(scene: &mut Scene<'_>, head: &Head, skin: Rgb, shade: Rgb) {
    for side in [-1.0_f32, 1.0] {
        let middle = side * (head.cheek_width + 0.02 + head.ear_out);
        let size = head.ear_size;
        let place = |x: f32, y: f32| (x - middle - 0.15 * side * (head.ear_y - y), y - head.ear_y);
        let area = [
            middle - 0.2,
            head.ear_y - 0.3,
            middle + 0.2,
            head.ear_y + 0.3,
        ];
        scene.fill(area, blend(skin, shade, 0.2), 1.0, |x, y| {
            let (x, y) = place(x, y);
            ellipse(x, y, 0.35 * size + 0.03, size)
        });
        scene.fill(area, shade, 0.55, |x, y| {
            let (x, y) = place(x, y);
            ellipse(x - 0.01 * side, y + 0.01, 0.2 * size, 0.62 * size).abs() - 0.008
        });
    }
}

/// The bare face.
pub(super) fn paint_face(scene: &mut Scene<'_>, t: &Traits, outline: &Outline) {
    let (head, soft) = (&t.head, scene.soft);
    let (skin, shade) = (skin(head), flush(skin(head)));
    let plain = blend(skin, shade, 0.03);
    scene.paint([-0.75, -1.1, 0.75, 1.25], |x, y| {
        // Far from the edge there is nothing to work out.
        if x.abs() < 0.2 && y.abs() < 0.5 {
            return (plain, 1.0);
        }
        let distance = outline.distance(x, y);
        let covered = cover(distance, soft);
        if covered == 0.0 {
            return CLEAR;
        }
        let edge = 0.45 * cover(-distance - 0.02, 0.16);
        (blend(plain, shade, edge), covered)
    });
    let rosy = [skin[0], skin[1] * 0.55, skin[2] * 0.55];
    scene.paint([-0.65, 0.05, 0.65, 0.7], |x, y| {
        let (u, v) = ((x.abs() - 0.34) / 0.24, (y - 0.36) / 0.20);
        let near = 1.0 - u * u - v * v;
        (rosy, head.blush * near.max(0.0))
    });
    let cleft = head.cleft.max(0.0);
    let chin = head.chin_y - 0.12;
    scene.paint([-0.3, chin - 0.2, 0.3, chin + 0.2], |x, y| {
        let dent = cover(rounded_box(x, y - chin, 0.004, 0.045, 0.004), 0.035);
        let fold = cover((y - chin + 0.10 + 0.8 * x * x).abs() - 0.004, 0.03)
            * cover(x.abs() - 0.12, 0.06);
        (shade, cleft * dent + 0.8 * head.chin_bump * fold)
    });
}
