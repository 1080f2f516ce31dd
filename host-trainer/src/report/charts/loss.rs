//! Loss and learning rate over the steps.

use plotters::prelude::*;

use super::super::ReportError;
use super::super::figures;
use super::super::records::Progress;
use super::{BLUE, Drawn, GRAY, framed, quiet, svg, text};

const HEIGHT_PX: u32 = 300;
// More points than this fall on the same pixels.
const MAX_POINTS: usize = 600;
// A rate that glides to nothing would flatten all before it.
const MAX_DECADES: f64 = 5.0;

/// Draws both curves; `progress` has one line or more, by rising step.
pub(crate) fn draw(progress: &[Progress]) -> Result<String, ReportError> {
    svg("loss", HEIGHT_PX, |area| plot(area, progress))
}

fn plot(area: &super::Area<'_>, progress: &[Progress]) -> Drawn {
    let steps = 0.0..progress.last().map_or(1, |line| line.step).max(1) as f64;
    let highest = progress.iter().map(|line| line.loss).fold(1e-6, f64::max);
    let exponents = exponents(progress);
    let decades = decades(&exponents);
    let mut chart = framed(area)
        .right_y_label_area_size(62)
        .build_cartesian_2d(steps.clone(), 0.0..highest * 1.05)?
        .set_secondary_coord(steps, decades.clone());
    let mut mesh = chart.configure_mesh();
    quiet(&mut mesh)
        .disable_x_mesh()
        .x_label_formatter(&|step| figures::count(step.round() as u64))
        .y_label_formatter(&|loss| figures::rounded(*loss))
        .x_desc("step")
        .y_desc("loss")
        .draw()?;
    chart
        .configure_secondary_axes()
        .axis_style(GRAY)
        .label_style(text(GRAY))
        .axis_desc_style(text(GRAY))
        .y_labels((decades.end - decades.start) as usize + 1)
        .y_label_formatter(&|exponent| figures::power_of_ten(exponent.round() as i64))
        .y_desc("learning rate")
        .draw()?;
    let every = progress.len().div_ceil(MAX_POINTS);
    let at = |line: &Progress| line.step as f64;
    let rate = progress.iter().map(at).zip(exponents).step_by(every);
    chart.draw_secondary_series(LineSeries::new(rate, GRAY.stroke_width(2)))?;
    let raw = progress.iter().map(|line| (at(line), line.loss));
    chart.draw_series(LineSeries::new(
        raw.step_by(every),
        BLUE.mix(0.35).stroke_width(1),
    ))?;
    let mean = smooth(progress).into_iter().step_by(every);
    chart.draw_series(LineSeries::new(mean, BLUE.stroke_width(2)))?;
    Ok(())
}

/// Decimal logarithms of the learning rates, none too far below the highest.
fn exponents(progress: &[Progress]) -> Vec<f64> {
    let rates = progress.iter().map(|line| line.learning_rate.log10());
    let highest = rates.clone().fold(f64::NEG_INFINITY, f64::max);
    rates.map(|rate| rate.max(highest - MAX_DECADES)).collect()
}

/// The whole decades around the exponents.
fn decades(exponents: &[f64]) -> std::ops::Range<f64> {
    let lowest = exponents.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (lowest - 0.5).floor()..(highest + 0.5).ceil()
}

/// The mean over a fortieth of the run, around each step.
fn smooth(progress: &[Progress]) -> Vec<(f64, f64)> {
    let reach = progress.len() / 80;
    (0..progress.len())
        .map(|at| {
            // The same reach on both sides, or the ends of a falling curve would bend.
            let reach = reach.min(at).min(progress.len() - 1 - at);
            let around = &progress[at - reach..=at + reach];
            let sum: f64 = around.iter().map(|line| line.loss).sum();
            (progress[at].step as f64, sum / around.len() as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, loss: f64, learning_rate: f64) -> Progress {
        Progress {
            step,
            epoch: 1,
            loss,
            learning_rate,
            images_per_s: 1.0,
            elapsed_s: 1.0,
            validation_eer: None,
        }
    }

    #[test]
    fn the_axis_holds_every_rate_that_matters() {
        let check = |rates: &[f64], expected: std::ops::Range<f64>| {
            let lines: Vec<_> = rates.iter().map(|rate| line(1, 1.0, *rate)).collect();
            assert_eq!(decades(&exponents(&lines)), expected, "{rates:?}");
        };
        check(&[0.1], -2.0..0.0);
        check(&[0.1, 0.01, 0.001], -4.0..0.0);
        check(&[0.0, 0.03, 0.03, 1e-12], -8.0..-1.0);
    }

    #[test]
    fn smooths_without_bending_the_ends() {
        let lines: Vec<_> = (0..200)
            .map(|step| line(step, 500.0 - step as f64, 0.1))
            .collect();
        let smooth = smooth(&lines);
        assert!(
            smooth
                .iter()
                .all(|(step, loss)| (step + loss - 500.0).abs() < 1e-9)
        );
    }
}
