//! Hair and beard.

use super::head::Outline;
use super::random::{ease, line_noise, value_noise};
use super::scene::{CLEAR, Rgb, Scene, blend, display};
use super::shape::{cover, ellipse, rounded_box, smooth_max, smooth_min, wave};
use super::traits::{Hair, Traits};

/// The color of a person's hair.
pub(super) fn color(hair: &Hair) -> Rgb {
    let [black, brown, fair] = [
        display(0.13, 0.11, 0.11),
        display(0.40, 0.26, 0.17),
        display(0.80, 0.66, 0.44),
    ];
    let tone = if hair.tone < 0.5 {
        blend(black, brown, 2.0 * hair.tone)
    } else {
        blend(brown, fair, 2.0 * hair.tone - 1.0)
    };
    let tone = blend(tone, display(0.62, 0.27, 0.13), 0.5 * hair.red.max(0.0));
    blend(tone, display(0.74, 0.74, 0.75), hair.gray.max(0.0))
}

/// Light and dark strands: a factor on the color. They run downwards and follow the waves.
fn strands(hair: &Hair, x: f32, y: f32, salt: u32) -> f32 {
    let bent = x + hair.wave * wave(0.5 * hair.wave_count * y + hair.phase);
    let fan = bent / (1.25 + y).max(0.5);
    0.62 + 0.75 * line_noise(hair.strands * fan, salt)
}

/// The hair above and around the skull, as far as it stands out.
fn cap(t: &Traits, x: f32, y: f32) -> f32 {
    let out = t.hair.volume;
    ellipse(
        x,
        y + 0.30,
        t.head.skull_width + 0.02 + 0.8 * out,
        0.75 + out,
    )
}

/// Paints the hair that falls behind face, ears and neck.
pub(super) fn paint_behind(scene: &mut Scene<'_>, t: &Traits, salt: u32) {
    let (hair, soft) = (&t.hair, scene.soft);
    let shade = color(hair).map(|c| c * 0.55);
    let half = 0.5 * (hair.length + 0.45);
    // Short hair keeps to the skull, long hair falls as wide as it is thick.
    let (narrow, wide) = (
        t.head.skull_width - 0.1,
        hair.spread.min(t.head.skull_width + 0.12 + hair.volume),
    );
    let width = narrow + (wide - narrow) * ease(half / 0.5);
    let reach = width.max(t.head.skull_width + hair.volume) + 0.06;
    scene.paint(
        [
            -reach,
            -1.1 - hair.volume,
            reach,
            hair.length.max(0.4) + 0.1,
        ],
        |x, y| {
            // The face hides the middle, so that its strands need not be drawn.
            if x.abs() < 0.3 && y.abs() < 0.6 {
                return CLEAR;
            }
            let ripple = 0.5 * hair.wave * wave(0.5 * hair.wave_count * y + hair.phase);
            let fall = rounded_box(x + ripple, y + 0.3 - half, width, half, half.min(0.2));
            let distance = smooth_min(cap(t, x, y), fall + 0.02, 0.3);
            let hairy = cover(distance, soft);
            if hairy == 0.0 {
                return CLEAR;
            }
            let dark = strands(hair, x, y, salt);
            (shade.map(|c| c * dark), hairy)
        },
    );
}

/// Height of the hairline over `x`.
fn hairline(t: &Traits, x: f32) -> f32 {
    let hair = &t.hair;
    let side = (x / (t.head.cheek_width + 0.02)).abs();
    let steep = side * side * (hair.temple + (1.0 - hair.temple) * side * side * side * side);
    let peak = hair.peak * (1.0 - 5.0 * x.abs()).max(0.0);
    let wave = hair.wave * wave(hair.wave_count * x + hair.phase);
    hair.line_y + hair.part * x + peak + wave + (hair.sideburn - hair.line_y) * steep
}

/// Paints the hair over the forehead and the temples.
pub(super) fn paint_front(scene: &mut Scene<'_>, t: &Traits, salt: u32) {
    let (hair, soft) = (&t.hair, scene.soft);
    let base = color(hair);
    let reach = t.head.skull_width + hair.volume + 0.06;
    scene.paint([-reach, -1.1 - hair.volume, reach, 0.5], |x, y| {
        let line = y - hairline(t, x);
        if line > 0.1 {
            return CLEAR;
        }
        let cap = cap(t, x, y);
        if cap > 0.1 {
            return CLEAR;
        }
        // Below the hairline lies its own soft shadow.
        let shadow = 0.35 * cover(line - 0.03, 0.08);
        let distance = smooth_max(cap, line * 0.8, 0.12);
        let hairy = cover(distance, soft + 0.015);
        let gloss = 1.0 + 0.35 * cover((y + 0.78 + 0.3 * x * x).abs() - 0.05, 0.25);
        let tone = strands(hair, x, y, salt) * gloss * (1.0 - 0.35 * ease(1.0 + line / 0.12));
        let inside = cover(cap + 0.1, 0.1);
        let bare = shadow * inside * (1.0 - hairy);
        (base.map(|c| c * tone * hairy), hairy.max(bare))
    });
}

/// Paints beard and mustache.
pub(super) fn paint_beard(scene: &mut Scene<'_>, t: &Traits, outline: &Outline, salt: u32) {
    let (beard, mouth) = (&t.beard, &t.mouth);
    let (density, mustache) = (beard.density.max(0.0).sqrt(), beard.mustache.max(0.0));
    if density == 0.0 {
        return;
    }
    let dark = color(&t.hair).map(|c| c * 0.7);
    let below = mouth.y + mouth.lower + 0.02;
    let above = mouth.y - mouth.upper - 0.035;
    let top = (0.68 - beard.reach).min(above - 0.05);
    scene.paint([-0.7, top, 0.7, 1.25], |x, y| {
        let out = x.abs() / 0.5;
        let edge = below + (0.75 - beard.reach - below) * out * out;
        let near_lip = x.abs() < 0.32 && (y - above).abs() < 0.12;
        if edge - y > 0.05 && !near_lip {
            return CLEAR;
        }
        let inside = cover(outline.distance(x, y) - 0.015, 0.03);
        let side = 0.62 - 0.42 * beard.chin_only;
        let around = cover(edge - y, 0.10) * cover(x.abs() - side, 0.08) * inside;
        let bend = above + 0.5 * x * x;
        let lip = cover(
            ((y - bend).abs() - 0.030).max(x.abs() - 1.1 * mouth.half_width),
            0.03,
        );
        let stubble = 0.6 + 0.4 * value_noise(38.0 * x, 22.0 * y, salt);
        (dark, 0.92 * stubble * density * around.max(mustache * lip))
    });
}
