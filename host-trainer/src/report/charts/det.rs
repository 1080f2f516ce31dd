//! Detection error tradeoff: false non-matches over false matches, both on normal-deviate axes
//! (Martin et al. 1997), on which scores of two normal distributions give a straight line.

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use std::f64::consts::SQRT_2;
use std::ops::Range;

use super::super::ReportError;
use super::super::figures;
use super::super::records::Evaluation;
use super::{Area, BLUE, Drawn, GRAY, ORANGE, framed, quiet, svg};

const HEIGHT_PX: u32 = 460;
/// Rates at which the axes are labeled, ascending.
const TICKS: [f64; 15] = [
    1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999,
];
/// Rates above are of no use to anybody, and are shown only where the other rate wants it.
const USEFUL: f64 = 0.4;

/// Draws both networks' curves, where both rates are equal, and the raw pixels' equal error. The
/// operating points are of other pairs, so none lies on a curve here.
pub(crate) fn draw(evaluation: &Evaluation) -> Result<String, ReportError> {
    svg("DET", HEIGHT_PX, |area| plot(area, evaluation))
}

fn plot(area: &Area<'_>, evaluation: &Evaluation) -> Drawn {
    let curves = [&evaluation.quantized.roc, &evaluation.float.roc];
    let missed = curves.into_iter().flatten().map(|(_, tar)| 1.0 - tar);
    let x = Deviates::new(evaluation.impostor, USEFUL);
    let y = Deviates::new(evaluation.genuine, missed.fold(0.0, f64::max));
    let both = x.lowest.max(y.lowest)..x.highest.min(y.highest);
    let mut chart = framed(area).build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    quiet(&mut mesh)
        .x_label_formatter(&|rate| figures::percent(*rate))
        .y_label_formatter(&|rate| figures::percent(*rate))
        .x_desc("false match rate")
        .y_desc("false non-match rate")
        .draw()?;
    let (from, to) = (deviate(both.start), deviate(both.end));
    let equal = (0..=100).map(|i| share(from + (to - from) * f64::from(i) / 100.0));
    let equal = equal.map(|rate| (rate, rate));
    chart.draw_series(DottedLineSeries::new(equal, 0, 5, |at| {
        Circle::new(at, 1, GRAY.filled())
    }))?;
    let float = curve(&evaluation.float.roc);
    chart.draw_series(DashedLineSeries::new(float, 9, 4, ORANGE.stroke_width(3)))?;
    let quantized = curve(&evaluation.quantized.roc);
    chart.draw_series(LineSeries::new(quantized, BLUE.stroke_width(2)))?;
    if let Some(eer) = evaluation.raw_pixels_eer {
        chart.draw_series([Cross::new((eer, eer), 5, GRAY.stroke_width(2))])?;
    }
    Ok(())
}

/// (False matches, false non-matches), as far as they are of use.
fn curve(roc: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + Clone {
    let useful = roc.iter().take_while(|(fmr, _)| *fmr <= USEFUL);
    useful.map(|(fmr, tar)| (*fmr, 1.0 - tar))
}

/// An axis of rates, each as far from the middle as its normal deviate. Rates outside stand at
/// its ends.
struct Deviates {
    lowest: f64,
    highest: f64,
}

impl Deviates {
    /// From what one of the `pairs` is, the least that can be told apart from none.
    fn new(pairs: u64, highest: f64) -> Self {
        Self {
            lowest: (1.0 / pairs.max(1) as f64).clamp(TICKS[0], 0.1),
            highest: highest.clamp(USEFUL, TICKS[TICKS.len() - 1]),
        }
    }
}

impl Ranged for Deviates {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, rate: &f64, (start, end): (i32, i32)) -> i32 {
        let [lowest, highest, at] = [
            self.lowest,
            self.highest,
            rate.clamp(self.lowest, self.highest),
        ]
        .map(deviate);
        start + ((at - lowest) / (highest - lowest) * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let ticks = TICKS.into_iter();
        ticks
            .filter(|tick| (self.lowest..=self.highest).contains(tick))
            .collect()
    }

    fn range(&self) -> Range<f64> {
        self.lowest..self.highest
    }
}

/// The share of a normal distribution below a deviate.
fn share(deviate: f64) -> f64 {
    libm::erfc(-deviate / SQRT_2) / 2.0
}

/// The deviate below which a share of a normal distribution lies, within -7 to 7.
fn deviate(rate: f64) -> f64 {
    let mut within = (-7.0, 7.0);
    for _ in 0..50 {
        let middle = (within.0 + within.1) / 2.0;
        match share(middle) < rate {
            true => within.0 = middle,
            false => within.1 = middle,
        }
    }
    within.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_are_those_of_the_tables() {
        // Quantiles of the standard normal distribution (NIST/SEMATECH e-Handbook, 1.3.6.7.1).
        for (rate, expected) in [
            (0.5, 0.0),
            (0.1, -1.281_551_6),
            (0.01, -2.326_347_9),
            (0.001, -3.090_232_3),
            (1e-6, -4.753_424_3),
            (0.95, 1.644_853_6),
            (0.0, -7.0),
            (1.0, 7.0),
        ] {
            assert!(
                (deviate(rate) - expected).abs() < 1e-6,
                "{rate} {}",
                deviate(rate)
            );
        }
    }

    #[test]
    fn an_axis_begins_at_one_pair_and_ends_where_the_curve_does() {
        for (pairs, highest, expected) in [
            (2_000, 0.2, 0.0005..0.4),
            (2, 0.97, 0.1..0.97),
            (1 << 40, 1.0, 1e-6..0.999),
        ] {
            let axis = Deviates::new(pairs, highest);
            assert_eq!(axis.range(), expected);
            assert_eq!(axis.map(&expected.start, (10, 110)), 10);
            assert_eq!(axis.map(&1.0, (10, 110)), 110);
        }
        // Equal steps of deviates are equal steps of the axis.
        let axis = Deviates::new(100, 0.4);
        let middle = share((deviate(0.01) + deviate(0.4)) / 2.0);
        assert_eq!(
            [0.01, middle, 0.4].map(|rate| axis.map(&rate, (400, 0))),
            [400, 200, 0]
        );
    }
}
