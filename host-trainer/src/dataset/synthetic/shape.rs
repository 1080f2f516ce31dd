//! Signed distances (negative inside) of the few shapes that a drawn face is made of.

use super::random::{ease, floor};

/// Distance to an ellipse about (0, 0), exact to first order near its edge.
pub(super) fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> f32 {
    let (u, v) = (x / rx, y / ry);
    let (gu, gv) = (u / rx, v / ry);
    let k = (u * u + v * v).sqrt();
    k * (k - 1.0) / (gu * gu + gv * gv).sqrt().max(1e-6)
}

/// Distance to a box about (0, 0) with half sides `hx`, `hy` and corners of radius `r`.
pub(super) fn rounded_box(x: f32, y: f32, hx: f32, hy: f32, r: f32) -> f32 {
    let (dx, dy) = (x.abs() - hx + r, y.abs() - hy + r);
    let outside = (dx.max(0.0) * dx.max(0.0) + dy.max(0.0) * dy.max(0.0)).sqrt();
    outside + dx.max(dy).min(0.0) - r
}

/// Distance to the straight stroke from `a` to `b` of half thickness `r`.
pub(super) fn stroke(x: f32, y: f32, a: [f32; 2], b: [f32; 2], r: f32) -> f32 {
    let (px, py, bx, by) = (x - a[0], y - a[1], b[0] - a[0], b[1] - a[1]);
    let t = ((px * bx + py * by) / (bx * bx + by * by).max(1e-9)).clamp(0.0, 1.0);
    let (dx, dy) = (px - t * bx, py - t * by);
    (dx * dx + dy * dy).sqrt() - r
}

/// The larger of two distances with the corner rounded over `k`.
pub(super) fn smooth_max(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.max(b) + h * h * k * 0.25
}

/// The smaller of two distances with the notch filled over `k`.
pub(super) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    -smooth_max(-a, -b, k)
}

/// How much of a pixel lies inside: 1 inside, 0 outside, a ramp of width `soft` at the edge.
pub(super) fn cover(distance: f32, soft: f32) -> f32 {
    ease(0.5 - distance / soft)
}

/// A wave in `-1..1` of period one: a sine in all but name, without the library's rounding.
pub(super) fn wave(t: f32) -> f32 {
    let zigzag = 4.0 * (t - floor(t + 0.5) as f32).abs() - 1.0;
    zigzag * (1.5 - 0.5 * zigzag * zigzag)
}
