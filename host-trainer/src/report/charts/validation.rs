//! Equal error rate on held-out people over the steps.

use plotters::prelude::*;

use super::super::ReportError;
use super::super::figures;
use super::super::records::Progress;
use super::{BLUE, framed, quiet, svg};

const HEIGHT_PX: u32 = 240;

/// Draws the rates that were measured during the training; none if there are none.
pub(crate) fn draw(progress: &[Progress]) -> Result<Option<String>, ReportError> {
    let rates: Vec<_> = progress
        .iter()
        .filter_map(|line| Some((line.step as f64, line.validation_eer?)))
        .collect();
    let Some(last) = progress.last().filter(|_| !rates.is_empty()) else {
        return Ok(None);
    };
    let highest = rates.iter().map(|(_, eer)| *eer).fold(0.01, f64::max);
    let drawn = svg("validation", HEIGHT_PX, |area| {
        let mut chart =
            framed(area).build_cartesian_2d(0.0..last.step as f64, 0.0..highest * 1.1)?;
        let mut mesh = chart.configure_mesh();
        quiet(&mut mesh)
            .disable_x_mesh()
            .x_label_formatter(&|step| figures::count(step.round() as u64))
            .y_label_formatter(&|eer| figures::percent(*eer))
            .y_labels(6)
            .x_desc("step")
            .y_desc("equal error rate")
            .draw()?;
        chart.draw_series(LineSeries::new(rates.clone(), BLUE.stroke_width(2)))?;
        chart.draw_series(
            rates
                .into_iter()
                .map(|at| Circle::new(at, 3, BLUE.filled())),
        )?;
        Ok(())
    });
    drawn.map(Some)
}
