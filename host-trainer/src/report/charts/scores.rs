//! Scores of genuine and of impostor pairs, with the thresholds of the operating points.

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::ReportError;
use super::super::figures;
use super::super::records::{Histogram, OperatingPoint};
use super::{Area, BLUE, Drawn, GRAY, INK, VERMILION, framed, quiet, svg, text};

const HEIGHT_PX: u32 = 360;
/// Rows of the thresholds' labels.
const ROWS: usize = 6;
/// Width of such a label, and of the part of the chart that scores take.
const LABEL_PX: f64 = 46.0;
const PLOT_PX: f64 = 640.0;

/// Draws both densities and the operating points' thresholds, the door's among them.
pub(crate) fn draw(
    histogram: &Histogram,
    points: &[OperatingPoint],
    door: Option<&OperatingPoint>,
) -> Result<String, ReportError> {
    svg("score", HEIGHT_PX, |area| {
        plot(area, histogram, points, door)
    })
}

fn plot(
    area: &Area<'_>,
    histogram: &Histogram,
    points: &[OperatingPoint],
    door: Option<&OperatingPoint>,
) -> Drawn {
    let genuine = histogram.density(&histogram.genuine);
    let impostor = histogram.density(&histogram.impostor);
    let peak = genuine.iter().chain(&impostor).copied().fold(0.0, f64::max);
    let top = if peak > 0.0 { peak * 1.45 } else { 1.0 };
    let scores = seen(histogram, points);
    let width = scores.end - scores.start;
    let mut chart = framed(area).build_cartesian_2d(scores, 0.0..top)?;
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
    for (point, row) in points.iter().zip(rows(points, LABEL_PX / PLOT_PX * width)) {
        let is_door = Some(point) == door;
        let color = if is_door { INK } else { GRAY };
        let height = top * (1.0 - 0.052 * row as f64);
        let line = [(point.threshold, 0.0), (point.threshold, height)];
        let stroke = color.stroke_width(if is_door { 2 } else { 1 });
        chart.draw_series(LineSeries::new(line, stroke))?;
        if row < ROWS {
            let style = text(color).pos(Pos::new(HPos::Left, VPos::Top));
            let label = Text::new(figures::percent(point.fmr), (4, 0), style);
            chart.draw_series([EmptyElement::at((point.threshold, height)) + label])?;
        }
    }
    Ok(())
}

/// In which row from the top each threshold's label stands, for labels of that width in scores:
/// below every label that its line would cross; [`ROWS`] where there is no room.
fn rows(points: &[OperatingPoint], label: f64) -> Vec<usize> {
    let mut taken: Vec<(f64, usize)> = Vec::new();
    let row = |point: &OperatingPoint| {
        let at = point.threshold;
        let crossed = taken
            .iter()
            .filter(|(start, _)| (*start..start + label).contains(&at));
        let row = crossed.map(|(_, row)| row + 1).max().unwrap_or(0).min(ROWS);
        if row < ROWS {
            taken.push((at, row));
        }
        row
    };
    points.iter().map(row).collect()
}

/// The part of the axis that has scores or thresholds, and a bin around it.
fn seen(histogram: &Histogram, points: &[OperatingPoint]) -> Range<f64> {
    let width = histogram.bin_width();
    let both = histogram.genuine.iter().zip(&histogram.impostor);
    let filled = || both.clone().map(|(a, b)| a + b > 0);
    let Some(first) = filled().position(|any| any) else {
        return histogram.from..histogram.to;
    };
    let last = filled().rposition(|any| any).unwrap_or(first);
    let thresholds = || points.iter().map(|point| point.threshold);
    let start = histogram.from + width * (first as f64 - 1.0);
    let end = histogram.from + width * (last as f64 + 2.0);
    thresholds().fold(start, f64::min).max(histogram.from)
        ..thresholds().fold(end, f64::max).min(histogram.to)
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

    fn point(threshold: f64) -> OperatingPoint {
        OperatingPoint {
            threshold,
            fmr: 0.0,
            fnmr: 1.0,
            impostor_pairs: 4,
            genuine_pairs: 4,
        }
    }

    #[test]
    fn shows_every_pair_and_the_threshold() {
        assert_eq!(seen(&of([0; 4]), &[]), -1.0..1.0);
        assert_eq!(seen(&of([0, 1, 0, 0]), &[]), -1.0..0.5);
        assert_eq!(seen(&of([0, 1, 0, 0]), &[point(0.9)]), -1.0..0.9);
    }

    #[test]
    fn no_threshold_crosses_the_label_of_another() {
        let check = |thresholds: &[f64], expected: &[usize]| {
            let points: Vec<_> = thresholds.iter().copied().map(point).collect();
            assert_eq!(rows(&points, 0.1), expected, "{thresholds:?}");
        };
        check(&[], &[]);
        check(&[0.1, 0.3, 0.5], &[0, 0, 0]);
        check(&[0.1, 0.15, 0.22, 0.28, 0.5], &[0, 1, 2, 3, 0]);
        check(&[0.1; 8], &[0, 1, 2, 3, 4, 5, ROWS, ROWS]);
    }
}
