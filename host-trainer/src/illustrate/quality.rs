//! The length of a feature against the quality of the image: the same faces, made worse in steps.

use super::geometry::norm;
use super::learned::Learned;
use crate::report::ReportError;
use crate::report::charts::{BLUE, GREEN, VERMILION, framed, quiet, svg};
use image::RgbImage;
use image::imageops::{FilterType, blur, resize};
use plotters::prelude::*;
use rayon::prelude::*;

const HEIGHT_PX: u32 = 300;

/// A way to make an image worse, and how much at each step; the first step changes nothing.
pub(super) struct Harm {
    pub(super) name: &'static str,
    pub(super) color: RGBColor,
    pub(super) steps: [&'static str; 6],
    amounts: [f32; 6],
    apply: fn(&RgbImage, f32) -> RgbImage,
}

/// Mean length of the features at each step of a harm, relative to that of the clean images.
pub(super) struct Lengths {
    pub(super) harm: Harm,
    pub(super) relative: Vec<f64>,
}

fn harms() -> [Harm; 3] {
    [
        Harm {
            name: "blurred",
            color: BLUE,
            steps: ["clean", "σ 1 px", "σ 2 px", "σ 3 px", "σ 5 px", "σ 8 px"],
            amounts: [0.0, 1.0, 2.0, 3.0, 5.0, 8.0],
            apply: |face, sigma_px| blur(face, sigma_px),
        },
        Harm {
            name: "darkened",
            color: VERMILION,
            steps: ["clean", "60 %", "40 %", "20 %", "10 %", "5 %"],
            amounts: [1.0, 0.6, 0.4, 0.2, 0.1, 0.05],
            apply: |face, share| {
                let mut face = face.clone();
                face.iter_mut()
                    .for_each(|x| *x = (f32::from(*x) * share).round() as u8);
                face
            },
        },
        Harm {
            name: "shrunk",
            color: GREEN,
            steps: ["clean", "56 px", "28 px", "20 px", "14 px", "8 px"],
            amounts: [112.0, 56.0, 28.0, 20.0, 14.0, 8.0],
            apply: |face, side_px| {
                let side = side_px as u32;
                let small = resize(face, side, side, FilterType::Triangle);
                resize(&small, face.width(), face.height(), FilterType::Triangle)
            },
        },
    ]
}

/// Measures a network.
pub(super) fn measure(learned: &Learned) -> Vec<Lengths> {
    let mean_length = |faces: &[Vec<u8>]| {
        learned.features(faces).iter().map(norm).sum::<f64>() / faces.len() as f64
    };
    let clean = mean_length(&learned.faces);
    let of = |harm: Harm| {
        let harmed = harm.amounts[1..].iter().map(|amount| {
            let faces = learned
                .faces
                .par_iter()
                .map(|face| harm.harmed(face, *amount));
            mean_length(&faces.collect::<Vec<_>>()) / clean
        });
        let relative = std::iter::once(1.0).chain(harmed).collect();
        Lengths { harm, relative }
    };
    harms().into_iter().map(of).collect()
}

impl Harm {
    fn harmed(&self, pixels: &[u8], amount: f32) -> Vec<u8> {
        let side = (pixels.len() / 3).isqrt() as u32;
        let face = RgbImage::from_raw(side, side, pixels.to_vec()).expect("a crop is square");
        (self.apply)(&face, amount).into_raw()
    }
}

/// Draws the lengths over the steps.
pub(super) fn draw(lengths: &[Lengths]) -> Result<String, ReportError> {
    let highest = lengths
        .iter()
        .flat_map(|of| &of.relative)
        .copied()
        .fold(1.0, f64::max);
    svg("feature length", HEIGHT_PX, |area| {
        let mut chart = framed(area).build_cartesian_2d(0.0..5.0, 0.0..highest * 1.1)?;
        let mut mesh = chart.configure_mesh();
        quiet(&mut mesh)
            .disable_x_mesh()
            .x_labels(6)
            .x_label_formatter(&|step| format!("{step:.0}"))
            .x_desc("step of harm; the table says how much")
            .y_desc("feature length, clean = 1")
            .draw()?;
        for Lengths { harm, relative } in lengths {
            let points: Vec<_> = (0..).map(f64::from).zip(relative.iter().copied()).collect();
            chart.draw_series(LineSeries::new(points.clone(), harm.color.stroke_width(2)))?;
            chart.draw_series(
                points
                    .into_iter()
                    .map(|at| Circle::new(at, 4, harm.color.filled())),
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_harm_takes_more_of_the_picture_at_each_step() {
        // A checkerboard of 4x4 squares: what is left of its contrast or of its light.
        let square = |i: usize| (i / 3 % 112 / 4 + i / 336 / 4).is_multiple_of(2);
        let face: Vec<u8> = (0..112 * 112 * 3)
            .map(|i| if square(i) { 200 } else { 40 })
            .collect();
        for harm in harms() {
            let left = |amount: &f32| {
                let harmed = harm.harmed(&face, *amount);
                let pairs = harmed.iter().zip(&face);
                pairs
                    .map(|(a, b)| f64::from(*a) * (f64::from(*b) - 60.0))
                    .sum::<f64>()
            };
            let left: Vec<f64> = harm.amounts.iter().map(left).collect();
            let falls = left.windows(2).all(|pair| pair[1] <= pair[0] * 1.01);
            assert!(falls && left[5] < left[0] / 1.5, "{} {left:?}", harm.name);
            assert_eq!(harm.harmed(&face, harm.amounts[0]).len(), face.len());
        }
    }
}
