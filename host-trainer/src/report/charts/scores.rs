//! Scores of genuine and of impostor pairs, with the door's threshold between them.

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::ReportError;
use super::super::figures;
use super::super::records::{Histogram, OperatingPoint};
use super::{Area, BLUE, Drawn, INK, VERMILION, framed, quiet, svg, text};

const HEIGHT_PX: u32 = 320;

/// Draws both densities and the threshold.
pub(crate) fn draw(
    histogram: &Histogram,
    door: Option<&OperatingPoint>,
) -> Result<String, ReportError> {
    svg("score", HEIGHT_PX, |area| plot(area, histogram, door))
}

fn plot(area: &Area<'_>, histogram: &Histogram, door: Option<&OperatingPoint>) -> Drawn {
    let genuine = histogram.density(&histogram.genuine);
    let impostor = histogram.density(&histogram.impostor);
    let peak = genuine.iter().chain(&impostor).copied().fold(0.0, f64::max);
    let top = if peak > 0.0 { peak * 1.08 } else { 1.0 };
    let scores = seen(histogram, door);
    let mut chart = framed(area).build_cartesian_2d(scores.clone(), 0.0..top)?;
    let mut mesh = chart.configure_mesh();
    quiet(&mut mesh)
        .disable_x_mesh()
        .x_label_formatter(&|score| figures::tick(*score))
        .y_labels(6)
        .x_desc("score (cosine)")
        .y_desc("density")
        .draw()?;
    for (density, color) in [(&impostor, VERMILION), (&genuine, BLUE)] {
        let outline = steps(histogram, density);
        let area = AreaSeries::new(outline, 0.0, color.mix(0.28));
        chart.draw_series(area.border_style(color.stroke_width(2)))?;
    }
    let Some(point) = door else { return Ok(()) };
    let line = [(point.threshold, 0.0), (point.threshold, top)];
    chart.draw_series(LineSeries::new(line, INK.stroke_width(2)))?;
    // The label stands where there is more room.
    let middle = (scores.start + scores.end) / 2.0;
    let (side, shift) = match point.threshold > middle {
        true => (HPos::Right, -8),
        false => (HPos::Left, 8),
    };
    // Its rates do not stand here: they are of other pairs than these.
    let label = format!("threshold {}", figures::score(point.threshold));
    let style = text(INK).pos(Pos::new(side, VPos::Top));
    let label = Text::new(label, (shift, 4), style);
    chart.draw_series([EmptyElement::at((point.threshold, top)) + label])?;
    Ok(())
}

/// The part of the axis that has scores or the threshold, and a bin around it.
fn seen(histogram: &Histogram, door: Option<&OperatingPoint>) -> Range<f64> {
    let width = histogram.bin_width();
    let both = histogram.genuine.iter().zip(&histogram.impostor);
    let filled = || both.clone().map(|(a, b)| a + b > 0);
    let Some(first) = filled().position(|any| any) else {
        return histogram.from..histogram.to;
    };
    let last = filled().rposition(|any| any).unwrap_or(first);
    let threshold = door.map(|point| point.threshold);
    let start = histogram.from + width * (first as f64 - 1.0);
    let end = histogram.from + width * (last as f64 + 2.0);
    start.min(threshold.unwrap_or(start)).max(histogram.from)
        ..end.max(threshold.unwrap_or(end)).min(histogram.to)
}

/// The outline of the bars from the first that is not empty to the last.
fn steps(histogram: &Histogram, density: &[f64]) -> Vec<(f64, f64)> {
    let edge = |bin: usize| histogram.from + histogram.bin_width() * bin as f64;
    let filled = |&height: &f64| height > 0.0;
    let first = density.iter().position(filled).unwrap_or(0);
    let last = density.iter().rposition(filled).unwrap_or(0);
    let bars =
        (first..=last).flat_map(|bin| [(edge(bin), density[bin]), (edge(bin + 1), density[bin])]);
    // Down to the axis at both ends.
    let begin = (edge(first), 0.0);
    let end = (edge(last + 1), 0.0);
    [begin].into_iter().chain(bars).chain([end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four bins from -1 to 1.
    fn of(genuine: [u64; 4]) -> Histogram {
        Histogram {
            from: -1.0,
            to: 1.0,
            genuine: genuine.to_vec(),
            impostor: vec![0; 4],
        }
    }

    #[test]
    fn outlines_the_bars_that_have_pairs() {
        let outline = steps(&of([0, 1, 3, 0]), &[0.0, 0.5, 1.5, 0.0]);
        let up = [(-0.5, 0.0), (-0.5, 0.5), (0.0, 0.5), (0.0, 1.5)];
        let down = [(0.5, 1.5), (0.5, 0.0)];
        assert_eq!(outline, [&up[..], &down].concat());
    }

    #[test]
    fn shows_every_pair_and_the_threshold() {
        let point = OperatingPoint {
            threshold: 0.9,
            fmr: 0.0,
            fnmr: 1.0,
            impostor_pairs: 4,
            genuine_pairs: 4,
        };
        assert_eq!(seen(&of([0; 4]), None), -1.0..1.0);
        assert_eq!(seen(&of([0, 1, 0, 0]), None), -1.0..0.5);
        assert_eq!(seen(&of([0, 1, 0, 0]), Some(&point)), -1.0..0.9);
    }
}
