//! True accepts over false accepts, with a logarithmic axis of false accepts.

use plotters::prelude::*;

use super::super::ReportError;
use super::super::figures;
use super::super::records::Evaluation;
use super::{Area, BLUE, Drawn, GRAY, ORANGE, framed, quiet, svg};

const HEIGHT_PX: u32 = 340;

/// Draws both networks' curves, chance and the raw pixels' equal error. The operating points are of
/// other pairs, so none lies on a curve here.
pub(crate) fn draw(evaluation: &Evaluation) -> Result<String, ReportError> {
    svg("ROC", HEIGHT_PX, |area| plot(area, evaluation))
}

fn plot(area: &Area<'_>, evaluation: &Evaluation) -> Drawn {
    // One pair is the least that can be told apart from none.
    let floor = -(evaluation.impostor.max(10) as f64).log10();
    let decades = floor.floor()..0.0;
    let labels = 1 - decades.start as i64;
    let mut chart = framed(area).build_cartesian_2d(decades, 0.0..1.0)?;
    let mut mesh = chart.configure_mesh();
    quiet(&mut mesh)
        .x_labels(labels as usize)
        .x_label_formatter(&|exponent| figures::power_of_ten(exponent.round() as i64))
        .y_label_formatter(&|tar| figures::percent(*tar))
        .x_desc("false accept rate")
        .y_desc("true accept rate")
        .draw()?;

    let chance = (0..=100).map(|part| floor * f64::from(part) / 100.0);
    let chance = chance.map(|exponent| (exponent, 10_f64.powf(exponent)));
    chart.draw_series(DottedLineSeries::new(chance, 0, 5, |at| {
        Circle::new(at, 1, GRAY.filled())
    }))?;
    let float = curve(&evaluation.float.roc, floor);
    chart.draw_series(DashedLineSeries::new(float, 9, 4, ORANGE.stroke_width(3)))?;
    let quantized = curve(&evaluation.quantized.roc, floor);
    chart.draw_series(LineSeries::new(quantized, BLUE.stroke_width(2)))?;
    if let Some(eer) = evaluation.raw_pixels_eer {
        let at = (eer.log10().max(floor), 1.0 - eer);
        chart.draw_series([Cross::new(at, 5, GRAY.stroke_width(2))])?;
    }
    Ok(())
}

/// Points by the logarithm of their false accept rate, without those that share a pixel.
fn curve(roc: &[(f64, f64)], floor: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (index, &(far, tar)) in roc.iter().enumerate() {
        let point = (far.log10().max(floor), tar);
        let is_far = kept.last().is_none_or(|last| {
            (point.0 - last.0).abs() > 0.003 || (point.1 - last.1).abs() > 0.002
        });
        if is_far || index + 1 == roc.len() {
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_rate_of_zero_at_the_floor() {
        let points = [(0.0, 0.5), (0.01, 0.9), (0.010_001, 0.9), (1.0, 1.0)];
        assert_eq!(curve(&points, -4.0), [(-4.0, 0.5), (-2.0, 0.9), (0.0, 1.0)]);
    }
}
