//! The light of a face.

use shared::align::{AlignTemplate, AlignedFace};
use std::ops::Range;

/// Pixels of the crop to each side of an eye, across and down, that belong to it.
const EYE: [usize; 2] = [9, 6];

/// Brightness of the inner face: from above the brows to below the mouth, without hair and
/// background.
pub(super) struct Luma {
    template: AlignTemplate,
    columns: Range<usize>,
    rows: Range<usize>,
    values: Vec<f32>,
}

impl Luma {
    pub(super) fn of(face: &AlignedFace) -> Self {
        let template = face.template();
        let side = template.width() / 4;
        let (columns, rows) = (side..template.width() - side, 36..104);
        let at = |x: usize, y: usize| {
            let rgb = &face.pixels()[3 * (y * template.width() + x)..][..3];
            // BT.601, as photographs are.
            0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])
        };
        let pixels = rows
            .clone()
            .flat_map(|y| columns.clone().map(move |x| (x, y)));
        Self {
            values: pixels.map(|(x, y)| at(x, y)).collect(),
            template,
            columns,
            rows,
        }
    }

    pub(super) fn mean(&self) -> f32 {
        self.values.iter().sum::<f32>() / self.values.len() as f32
    }

    pub(super) fn glare(&self) -> f32 {
        let bright = self.values.iter().filter(|v| **v >= 250.0).count();
        bright as f32 / self.values.len() as f32
    }

    /// Zero for a face of one color.
    pub(super) fn sharpness(&self) -> f32 {
        let (near, far) = (self.apart(1), self.apart(4));
        if far < 1.0 { 0.0 } else { near / far }
    }

    /// Mean difference of two pixels so many columns or rows from each other.
    fn apart(&self, step: usize) -> f32 {
        let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>();
        let across = |row: &[f32]| sum(row, &row[step..]);
        let across = self
            .values
            .chunks(self.columns.len())
            .map(across)
            .sum::<f32>();
        let down = sum(&self.values, &self.values[step * self.columns.len()..]);
        (across + down) / (2 * self.values.len()) as f32
    }

    /// The smaller of both eyes' deviations by the face's; zero for a face of one color.
    pub(super) fn eyes(&self) -> f32 {
        let [right, left, ..] = self.template.landmarks().0;
        let [right, left] = [right, left].map(|eye| deviation(self.around(eye.x, eye.y)));
        let face = deviation(self.values.iter().copied());
        if face < 1.0 {
            0.0
        } else {
            right.min(left) / face
        }
    }

    /// The part of the inner face around an eye.
    fn around(&self, x: f32, y: f32) -> impl Iterator<Item = f32> + Clone {
        let near = |center: f32, reach: usize, within: &Range<usize>| {
            let center = center.round() as usize;
            let (from, to) = (center - reach, center + reach + 1);
            from.max(within.start) - within.start..to.min(within.end) - within.start
        };
        let columns = near(x, EYE[0], &self.columns);
        let rows = near(y, EYE[1], &self.rows);
        let lines = self.values.chunks(self.columns.len()).skip(rows.start);
        let lines = lines.take(rows.len());
        lines.flat_map(move |line| line[columns.clone()].iter().copied())
    }
}

/// The standard deviation.
fn deviation(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let count = values.clone().count() as f32;
    let mean = values.clone().sum::<f32>() / count;
    (values.map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt()
}
