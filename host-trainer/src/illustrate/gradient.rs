//! The gradient that reaches a feature, against the feature's length.

use super::geometry::{Vector, unit};
use super::learned::{AM_SOFTMAX, loss};
use crate::generator::Generator;
use crate::loss::Head;
use crate::report::ReportError;
use crate::report::charts::{BLUE, VERMILION, framed, quiet, svg};
use crate::report::figures;
use plotters::prelude::*;
use tch::{Device, Kind, Tensor};

const HEIGHT_PX: u32 = 300;
/// Lengths that are measured.
pub(super) const LENGTHS: [f64; 7] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// Mean length of the gradient at each of [`LENGTHS`].
pub(super) struct Gradients {
    pub(super) normalized: Vec<f64>,
    pub(super) raw: Vec<f64>,
}

/// Gives features in these directions each length in turn, against class weights in the directions
/// of the people's centers, and asks libtorch for the gradient of each feature's loss.
pub(super) fn measure(directions: &[Vector], people: &[usize], centers: &[Vector]) -> Gradients {
    let of = |toml: &str| {
        let measured =
            LENGTHS.map(|length| mean_gradient(toml, directions, people, centers, length));
        measured.into()
    };
    Gradients {
        normalized: of(AM_SOFTMAX),
        raw: of("name = \"am-softmax\"\nscale = \"feature-norm\"\nmargin = 0.35"),
    }
}

fn mean_gradient(
    toml: &str,
    directions: &[Vector],
    people: &[usize],
    centers: &[Vector],
    length: f64,
) -> f64 {
    let rows = |rows: &[Vector], length: f64| {
        let numbers: Vec<f64> = rows
            .iter()
            .flat_map(|r| unit(r).map(|x| x * length))
            .collect();
        Tensor::from_slice(&numbers)
            .view([-1, 3])
            .to_kind(Kind::Float)
    };
    let shape = (centers.len() as i64, 3);
    let generator = Generator::seeded(0);
    let head = Head::new(&loss(toml), shape, 1.0, 0, Device::Cpu, &generator);
    drop(generator);
    let (_, mut weight) = head.tensors().swap_remove(0);
    tch::no_grad(|| weight.copy_(&rows(centers, 1.0)));
    let features = rows(directions, length).set_requires_grad(true);
    let labels: Vec<i64> = people.iter().map(|person| *person as i64).collect();
    let active = head.activate(&labels, 0);
    head.loss(&features, &labels, &active, 0).backward();
    // The loss is the mean over the features: each has its share of it.
    let gradients = features.grad() * people.len() as f64;
    let lengths = gradients.norm_scalaropt_dim(2.0, [1].as_slice(), false);
    lengths.mean(Kind::Double).double_value(&[])
}

/// Draws both on logarithmic axes.
pub(super) fn draw(gradients: &Gradients) -> Result<String, ReportError> {
    let series = [(&gradients.normalized, VERMILION), (&gradients.raw, BLUE)];
    let points = |values: &[f64]| -> Vec<(f64, f64)> {
        let logarithms = LENGTHS
            .iter()
            .zip(values)
            .map(|(x, y)| (x.log2(), y.log10()));
        logarithms.filter(|(_, y)| y.is_finite()).collect()
    };
    let exponents = || {
        series
            .iter()
            .flat_map(|(values, _)| points(values))
            .map(|(_, y)| y)
    };
    let lowest = exponents().fold(0.0, f64::min).floor().max(-6.0);
    let highest = exponents().fold(0.0, f64::max).ceil();
    svg("gradient", HEIGHT_PX, |area| {
        let lengths = LENGTHS[0].log2()..LENGTHS[LENGTHS.len() - 1].log2();
        let mut chart = framed(area).build_cartesian_2d(lengths, lowest..highest)?;
        let mut mesh = chart.configure_mesh();
        quiet(&mut mesh)
            .x_labels(LENGTHS.len())
            .x_label_formatter(&|exponent| figures::rounded(exponent.exp2()))
            .y_labels((highest - lowest) as usize + 1)
            .y_label_formatter(&|exponent| figures::power_of_ten(exponent.round() as i64))
            .x_desc("length of the feature")
            .y_desc("length of its gradient")
            .draw()?;
        for (values, color) in series {
            let points = points(values).into_iter().filter(|(_, y)| *y >= lowest);
            let points: Vec<_> = points.collect();
            chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
            chart.draw_series(
                points
                    .into_iter()
                    .map(|at| Circle::new(at, 4, color.filled())),
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normalized_features_gradient_halves_as_its_length_doubles() {
        let centers = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let directions = [[0.8, 0.5, 0.1], [0.3, 0.9, -0.4]];
        let Gradients { normalized, raw } = measure(&directions, &[0, 1], &centers);
        for pair in normalized.windows(2) {
            assert!((pair[0] / pair[1] - 2.0).abs() < 1e-3, "{normalized:?}");
        }
        assert!(
            raw.windows(2)
                .any(|pair| (pair[0] / pair[1] - 2.0).abs() > 0.2),
            "{raw:?}"
        );
    }
}
