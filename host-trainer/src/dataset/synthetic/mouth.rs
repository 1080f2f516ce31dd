//! The mouth, shut or open.

use super::head::{flush, skin};
use super::nuisance::Expression;
use super::scene::{Scene, blend, display};
use super::shape::cover;
use super::traits::{Mouth, Traits};

/// A mouth as it is held in this picture. Lengths in face units.
pub(super) struct Lips<'a> {
    mouth: &'a Mouth,
    /// Half the distance of the corners.
    pub(super) half_width: f32,
    /// How far the corners lie above the middle of the mouth.
    lift: f32,
    open: f32,
}

impl<'a> Lips<'a> {
    /// The expression pulls the lips of a person.
    pub(super) fn new(mouth: &'a Mouth, expression: &Expression) -> Self {
        let smile = expression.smile;
        Self {
            mouth,
            half_width: mouth.half_width * (1.0 + 0.14 * smile),
            lift: 0.025 + 0.06 * smile - mouth.corners,
            open: expression.mouth_open,
        }
    }

    /// A corner of the mouth: `side` is -1 for the image's left, 1 for its right.
    pub(super) fn corner(&self, side: f32) -> [f32; 2] {
        [
            self.mouth.offset + side * self.half_width,
            self.mouth.y - self.lift,
        ]
    }

    /// Heights at `u` half widths from the middle: upper edge, gap from and to, lower edge.
    fn lines(&self, u: f32) -> [f32; 4] {
        let arc = (1.0 - u * u).max(0.0);
        let line = self.mouth.y - self.lift * u * u;
        let notch = 1.0 - self.mouth.bow * (1.0 - 4.5 * u.abs()).max(0.0);
        let (upper, lower) = (line - 0.1 * self.open * arc, line + 0.9 * self.open * arc);
        let full = arc * (2.0 - arc);
        [
            upper - self.mouth.upper * full * notch,
            upper,
            lower,
            lower + self.mouth.lower * full,
        ]
    }
}

/// Paints lips, teeth and the folds around them.
pub(super) fn paint(scene: &mut Scene<'_>, t: &Traits, lips: &Lips<'_>) {
    let (mouth, soft) = (&t.mouth, scene.soft);
    let (skin, shade) = (skin(&t.head), flush(skin(&t.head)));
    let red = blend(
        skin,
        [skin[0] * 0.75, skin[1] * 0.30, skin[2] * 0.33],
        0.25 + mouth.redness,
    );
    let (cave, teeth) = (display(0.18, 0.06, 0.06), display(0.88, 0.86, 0.80));
    let reach = lips.half_width + 0.06;
    let area = [
        mouth.offset - reach,
        mouth.y - 0.2,
        mouth.offset + reach,
        mouth.y + 0.3,
    ];
    scene.paint(area, |x, y| {
        let u = (x - mouth.offset) / lips.half_width;
        let [top, from, to, bottom] = lips.lines(u);
        let shine = cover((y - 0.5 * (to + bottom)).abs() - 0.008, 0.05) * (1.0 - u * u).max(0.0);
        let tone = if y < from { 0.78 } else { 1.0 + 0.25 * shine };
        let lip = red.map(|c| c * tone);
        let inside = if y - from < 0.035 { teeth } else { cave };
        let gap = cover((from - y).max(y - to), soft);
        let ends = (u.abs() - 1.0) * lips.half_width;
        let seam = cover(((y - from).abs() - 0.005).max(ends), soft + 0.004);
        let color = blend(blend(lip, inside, gap), cave, 0.85 * seam);
        let distance = (top - y).max(y - bottom).max(ends);
        (color, cover(distance, soft).max(seam))
    });
    scene.paint([-0.3, mouth.y - 0.3, 0.3, mouth.y + 0.3], |x, y| {
        let [top, _, _, bottom] = lips.lines(0.0);
        let x = x - mouth.offset;
        let below = cover((y - bottom - 0.035).abs() - 0.008, 0.04) * cover(x.abs() - 0.08, 0.1);
        let groove = cover((x.abs() - 0.026).abs() - 0.004, 0.02)
            * cover((y - top + 0.05).abs() - 0.025, 0.03);
        (shade, 0.35 * below + mouth.philtrum * groove)
    });
}
