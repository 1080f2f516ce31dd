//! Where each pixel lies on the face, and how much light falls there.

use super::grid;
use super::nuisance::Light;
use super::pose::Pose;
use super::relief::Relief;
use super::shape::cover;
use shared::align::Point;

/// What the surface is at a pixel: x, y in face units, then red, green, blue light, linear.
pub(super) type Texel = [f32; 5];

/// The texel of every pixel of the frame, rows from the top.
pub(super) fn texels(pose: &Pose, relief: &Relief, light: &Light) -> Vec<Texel> {
    let lamps = light.lamps.map(|lamp| pose.to_head(lamp));
    grid::fill(|seen| {
        let [x, y] = pose.unproject(seen, |x, y| relief.depth(x, y));
        let normal = relief.normal(x, y);
        let shade = shadow(light, pose, seen);
        let fall = lamps.map(|lamp| shade * lambert(normal, lamp));
        let lit = |c: usize| {
            light.ambient[c] + fall[0] * light.colors[0][c] + fall[1] * light.colors[1][c]
        };
        [x, y, lit(0), lit(1), lit(2)]
    })
}

/// Light from `lamp` on a surface; it wraps a little around the edge, as it does on skin.
fn lambert(normal: [f32; 3], lamp: [f32; 3]) -> f32 {
    let cosine: f32 = (0..3).map(|i| normal[i] * lamp[i]).sum();
    ((cosine + 0.15) / 1.15).max(0.0)
}

/// Share of the lamps' light that reaches a pixel.
fn shadow(light: &Light, pose: &Pose, seen: Point) -> f32 {
    let edge = &light.shadow;
    let u = (seen.x - pose.center.x) / pose.scale_px;
    let v = (seen.y - pose.center.y) / pose.scale_px;
    let across = u * edge.normal[0] + v * edge.normal[1] - edge.offset;
    1.0 - edge.depth * cover(across, edge.soft)
}
