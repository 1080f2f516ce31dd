//! Features on the unit sphere, as SVG.

use super::geometry::{Spread, Vector, dot, unit};
use std::fmt::Write;

const RADIUS_PX: f64 = 180.0;
const SIZE_PX: f64 = 400.0;
/// Of the people; Okabe and Ito's, with a yellow that shows on white.
const COLORS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8a000", "#56b4e9", "#e69f00", "#1f2430",
];

/// Draws directions as seen from afar (orthographic): filled in front, hollow behind, with each
/// person's center as a numbered disc.
pub(super) fn draw(directions: &[Vector], people: &[usize], spread: &Spread) -> String {
    let view = View::tilted();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {SIZE_PX} {SIZE_PX}\" xmlns=\"http://www.w3.org/2000/svg\">\
         <circle cx=\"{0}\" cy=\"{0}\" r=\"{RADIUS_PX}\" fill=\"#fbfbfd\" stroke=\"#6b7280\"/>",
        SIZE_PX / 2.0
    );
    svg += &grid(&view);
    let mut seen: Vec<_> = directions
        .iter()
        .zip(people)
        .map(|(d, p)| (view.see(d), *p))
        .collect();
    // What is nearer is drawn later.
    seen.sort_by(|a, b| a.0.depth.total_cmp(&b.0.depth));
    for (at, person) in seen {
        let color = COLORS[person % COLORS.len()];
        let look = match at.depth < 0.0 {
            true => format!("fill=\"none\" stroke=\"{color}\" opacity=\"0.55\""),
            false => format!("fill=\"{color}\" opacity=\"0.8\""),
        };
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\" {look}/>",
            at.x, at.y
        );
    }
    for (person, center) in spread.centers.iter().enumerate() {
        svg += &label(&view.see(center), person);
    }
    svg + "</svg>"
}

fn label(at: &Seen, person: usize) -> String {
    let color = COLORS[person % COLORS.len()];
    let (fill, ink) = if at.depth < 0.0 {
        ("#fff", color)
    } else {
        (color, "#fff")
    };
    format!(
        "<circle cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"10\" fill=\"{fill}\" stroke=\"{color}\" stroke-width=\"2\"/>\
         <text x=\"{0:.1}\" y=\"{1:.1}\" dy=\"4.5\" text-anchor=\"middle\" font-size=\"13\" font-weight=\"700\" fill=\"{ink}\">{2}</text>",
        at.x,
        at.y,
        person + 1
    )
}

/// Meridians and parallels every 30 degrees, faint behind.
fn grid(view: &View) -> String {
    let point = |longitude: f64, latitude: f64| {
        let (a, b) = (longitude.to_radians(), latitude.to_radians());
        [b.cos() * a.cos(), b.sin(), b.cos() * a.sin()]
    };
    let meridians = (0..12).map(|i| {
        let longitude = f64::from(i) * 30.0;
        (-18..=18)
            .map(|j| point(longitude, f64::from(j) * 5.0))
            .collect::<Vec<_>>()
    });
    let parallels = (-2..=2).map(|i| {
        let latitude = f64::from(i) * 30.0;
        (0..=72)
            .map(|j| point(f64::from(j) * 5.0, latitude))
            .collect()
    });
    let mut svg = String::new();
    for line in meridians.chain(parallels) {
        for pair in line.windows(2) {
            let [a, b] = [&pair[0], &pair[1]].map(|p| view.see(p));
            let color = if a.depth + b.depth < 0.0 {
                "#eef0f4"
            } else {
                "#cfd4dd"
            };
            let _ = write!(
                svg,
                "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{color}\"/>",
                a.x, a.y, b.x, b.y
            );
        }
    }
    svg
}

/// From where the sphere is looked at: right, up, and towards the eye.
struct View([Vector; 3]);

struct Seen {
    x: f64,
    y: f64,
    depth: f64,
}

impl View {
    fn tilted() -> Self {
        let towards = unit(&[0.45, 0.4, 0.8]);
        let right = unit(&[towards[2], 0.0, -towards[0]]);
        let up = [
            towards[1] * right[2] - towards[2] * right[1],
            towards[2] * right[0] - towards[0] * right[2],
            towards[0] * right[1] - towards[1] * right[0],
        ];
        Self([right, up, towards])
    }

    fn see(&self, at: &Vector) -> Seen {
        let [x, y, depth] = [0, 1, 2].map(|axis| dot(at, &self.0[axis]));
        Seen {
            x: SIZE_PX / 2.0 + RADIUS_PX * x,
            y: SIZE_PX / 2.0 - RADIUS_PX * y,
            depth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_turns_and_does_not_stretch() {
        let View(axes) = View::tilted();
        for a in 0..3 {
            for b in 0..3 {
                let expected = f64::from(u8::from(a == b));
                assert!(
                    (dot(&axes[a], &axes[b]) - expected).abs() < 1e-12,
                    "{a} {b}"
                );
            }
        }
        // Up on the sphere is up on the page; what faces the eye is in the middle and in front.
        let view = View::tilted();
        assert!(view.see(&[0.0, 1.0, 0.0]).y < SIZE_PX / 2.0);
        let middle = view.see(&axes[2]);
        assert!((middle.x - SIZE_PX / 2.0).abs() + (middle.y - SIZE_PX / 2.0).abs() < 1e-9);
        assert!(middle.depth > 0.999);
    }
}
