//! Loss over the steps, with the drops of the learning rate.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::ReportError;
use super::super::figures;
use super::super::records::Progress;
use super::{BLUE, Drawn, GRAY, framed, quiet, svg, text};

const HEIGHT_PX: u32 = 300;
// More points than this fall on the same pixels.
const MAX_POINTS: usize = 600;
// A learning rate that falls below this part of the one before has dropped; less is a glide.
const DROP: f64 = 0.7;
// More drops than this are a glide too, and their marks would hide the curve.
const MAX_DROPS: usize = 8;

/// Draws the curve; `progress` has one line or more, by rising step.
pub(crate) fn draw(progress: &[Progress]) -> Result<String, ReportError> {
    svg("loss", HEIGHT_PX, |area| plot(area, progress))
}

/// The steps at which the learning rate dropped, and to what; none if it glides.
pub(crate) fn drops(progress: &[Progress]) -> Vec<(u64, f64)> {
    let found: Vec<_> = progress
        .windows(2)
        .filter(|pair| pair[1].learning_rate < DROP * pair[0].learning_rate)
        .map(|pair| (pair[1].step, pair[1].learning_rate))
        .collect();
    if found.len() <= MAX_DROPS {
        found
    } else {
        Vec::new()
    }
}

fn plot(area: &super::Area<'_>, progress: &[Progress]) -> Drawn {
    let last = progress.last().map_or(1, |line| line.step).max(1) as f64;
    let top = progress
        .iter()
        .map(|line| line.loss)
        .fold(0.0, f64::max)
        .max(1e-6)
        * 1.05;
    let mut chart = framed(area).build_cartesian_2d(0.0..last, 0.0..top)?;
    let mut mesh = chart.configure_mesh();
    quiet(&mut mesh)
        .disable_x_mesh()
        .x_label_formatter(&|step| figures::count(step.round() as u64))
        .y_label_formatter(&|loss| figures::rounded(*loss))
        .x_desc("step")
        .y_desc("loss")
        .draw()?;
    for (index, (step, rate)) in drops(progress).into_iter().enumerate() {
        let line = [(step as f64, 0.0), (step as f64, top)];
        chart.draw_series(DashedLineSeries::new(line, 4, 4, GRAY.stroke_width(1)))?;
        // Neighbors stand at two heights, or they would overlap.
        let at = top * (0.99 - 0.07 * (index % 2) as f64);
        let right = Pos::new(HPos::Right, VPos::Top);
        let label = format!("rate {} \u{a0}", figures::rounded(rate));
        chart.draw_series([Text::new(label, (step as f64, at), text(GRAY).pos(right))])?;
    }
    let every = progress.len().div_ceil(MAX_POINTS);
    let raw = progress
        .iter()
        .step_by(every)
        .map(|line| (line.step as f64, line.loss));
    chart.draw_series(LineSeries::new(raw, BLUE.mix(0.35).stroke_width(1)))?;
    let mean = smooth(progress).into_iter().step_by(every);
    chart.draw_series(LineSeries::new(mean, BLUE.stroke_width(2)))?;
    Ok(())
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
    #[test]
    fn marks_drops_and_not_glides() {
        let line = |step, learning_rate| Progress {
            step,
            learning_rate,
            epoch: 1,
            loss: 1.0,
            images_per_s: 1.0,
            elapsed_s: 1.0,
            validation_eer: None,
        };
        let check = |rates: &[f64], expected: &[(u64, f64)]| {
            let lines: Vec<_> = (1..)
                .zip(rates)
                .map(|(step, &rate)| line(step, rate))
                .collect();
            assert_eq!(super::drops(&lines), expected);
        };
        check(&[0.1, 0.1, 0.01, 0.01, 0.001], &[(3, 0.01), (5, 0.001)]);
        check(&[0.1, 0.09, 0.08, 0.07], &[]);
        let halves: Vec<f64> = (0..20).map(|step| 0.5_f64.powi(step)).collect();
        check(&halves, &[]);
    }

    #[test]
    fn smooths_without_bending_the_ends() {
        let lines: Vec<_> = (0..200)
            .map(|step| Progress {
                step,
                learning_rate: 0.1,
                epoch: 1,
                loss: 500.0 - step as f64,
                images_per_s: 1.0,
                elapsed_s: 1.0,
                validation_eer: None,
            })
            .collect();
        assert!(
            smooth(&lines)
                .iter()
                .all(|(step, loss)| (step + loss - 500.0).abs() < 1e-9)
        );
    }
}
