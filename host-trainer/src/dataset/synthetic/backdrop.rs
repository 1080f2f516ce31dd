//! What is behind the person.

use super::grid;
use super::nuisance::Backdrop;
use super::random::{ease, value_noise};
use super::scene::{Rgb, blend};
use super::shape::{cover, wave};
use super::{FRAME_HEIGHT, FRAME_WIDTH};

/// Paints the whole frame, out of focus. Linear light, rows from the top.
pub(super) fn paint(backdrop: &Backdrop) -> Vec<Rgb> {
    let mut canvas = grid::fill(|p| color(backdrop, p.x, p.y));
    add_spots(backdrop, &mut canvas);
    canvas
}

fn color(b: &Backdrop, x: f32, y: f32) -> Rgb {
    let (u, v) = (x - 160.0, y - 120.0);
    let along = (u * b.gradient[0] + v * b.gradient[1]) / 320.0 + 0.5;
    let stripe = (u * b.stripes[0] + v * b.stripes[1]) / b.period_px;
    let grain = value_noise(x / b.grain_px, y / b.grain_px, b.salt);
    let ground = blend(b.colors[0], b.colors[1], ease(along));
    let striped = blend(
        ground,
        b.colors[2],
        b.stripe_depth * ease(0.5 + 0.7 * wave(stripe)),
    );
    striped.map(|c| c * (1.0 - b.texture_depth * grain))
}

fn add_spots(b: &Backdrop, canvas: &mut [Rgb]) {
    for [cx, cy, radius, brightness] in b.spots {
        let around = |middle: f32, end: u32| {
            let from = (middle - radius - 2.0).max(0.0) as u32;
            from..((middle + radius + 2.0) as u32).min(end)
        };
        let (columns, rows) = (around(cx, FRAME_WIDTH), around(cy, FRAME_HEIGHT));
        for y in rows {
            for x in columns.clone() {
                let (dx, dy) = (x as f32 - cx, y as f32 - cy);
                let inside = cover((dx * dx + dy * dy).sqrt() - radius, 3.0);
                if inside > 0.0 && radius > 0.0 {
                    let pixel = &mut canvas[(y * FRAME_WIDTH + x) as usize];
                    *pixel = pixel.map(|c| c + inside * brightness * (0.3 + c));
                }
            }
        }
    }
}
