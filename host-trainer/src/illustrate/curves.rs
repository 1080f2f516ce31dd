//! What each loss makes of the true class's cosine, over the angle.

use super::learned::{AM_SOFTMAX, loss};
use crate::loss::target_logit;
use crate::report::ReportError;
use crate::report::charts::{BLUE, GREEN, ORANGE, VERMILION, framed, quiet, svg};
use crate::report::figures;
use plotters::prelude::*;

const HEIGHT_PX: u32 = 360;
/// Below lies the tail of A-Softmax, which would press the others together.
const LOWEST: f64 = -3.0;

const ARCFACE: &str = "name = \"arcface\"\nscale = 64.0\nmargin = 0.5";
/// As it ends up, with nothing of `cos t` mixed in.
const A_SOFTMAX: &str = "name = \"a-softmax\"\nscale = \"feature-norm\"\nmargin = 4\n\
                         lambda = { from = 0.0, decay = 0.0, to = 0.0 }";

/// A loss with its name, its curve's color and its logit at every degree from 0 to 180.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) color: RGBColor,
    pub(super) logits: Vec<f64>,
}

/// Of the losses that the trainer has, with their papers' margins.
pub(super) fn curves() -> Vec<Curve> {
    let rows = [
        ("Softmax, NormFace: cos t", BLUE, "name = \"softmax\""),
        ("A-Softmax: ψ(t), m = 4", ORANGE, A_SOFTMAX),
        ("ArcFace: cos(t + 0.5)", GREEN, ARCFACE),
        ("AM-Softmax: cos t − 0.35", VERMILION, AM_SOFTMAX),
    ];
    let curve = |(name, color, toml)| {
        let config = loss(toml);
        let logits = (0..=180).map(|deg| target_logit(&config, f64::from(deg).to_radians().cos()));
        Curve {
            name,
            color,
            logits: logits.collect(),
        }
    };
    rows.map(curve).into()
}

/// Draws them, without what lies too low.
pub(super) fn draw(curves: &[Curve]) -> Result<String, ReportError> {
    svg("target logit", HEIGHT_PX, |area| {
        let mut chart = framed(area).build_cartesian_2d(0.0..6.0, LOWEST..1.1)?;
        let mut mesh = chart.configure_mesh();
        quiet(&mut mesh)
            .x_labels(7)
            .x_label_formatter(&|thirties| format!("{:.0}°", thirties * 30.0))
            .y_label_formatter(&|logit| figures::tick(*logit))
            .x_desc("angle t between feature and its class")
            .y_desc("target logit, scale 1")
            .draw()?;
        for curve in curves {
            let points = (0..)
                .map(|deg| f64::from(deg) / 30.0)
                .zip(curve.logits.iter().copied());
            let seen = points.filter(|(_, logit)| *logit >= LOWEST);
            chart.draw_series(LineSeries::new(seen, curve.color.stroke_width(2)))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fall_from_nought_to_a_half_turn() {
        for Curve { name, logits, .. } in curves() {
            assert_eq!(logits.len(), 181);
            assert!(
                logits.windows(2).all(|pair| pair[1] <= pair[0] + 1e-9),
                "{name}"
            );
        }
        let all = curves();
        assert!((all[0].logits[60] - 0.5).abs() < 1e-6);
        // cos(4 * 60 degrees) is -0.5, in the second piece: -(-0.5) - 2.
        assert!((all[1].logits[60] + 1.5).abs() < 1e-6);
        assert!((all[2].logits[60] - (60_f64.to_radians() + 0.5).cos()).abs() < 1e-6);
        assert!((all[3].logits[60] - 0.15).abs() < 1e-6);
    }
}
