//! From a detector's outputs to faces.

use super::Detection;
use crate::network::NetworkError;
use shared::align::{AlignTemplate, Landmarks, Point, Similarity};
use shared::detector::{CellOrder, DetectorLayout, FrameSpec, ScoreKind};
use std::collections::VecDeque;
use std::iter;

/// Squares of two faces that overlap by more than this share of both together are one face.
const SAME_FACE: f32 = 0.3;

/// A level, with its outputs found among those of the network.
pub(super) struct Grid {
    stride: f32,
    anchor: f32,
    columns: usize,
    cells: usize,
    order: CellOrder,
    score: ScoreKind,
    /// Indices of outputs.
    scores: Vec<usize>,
    landmarks: usize,
}

impl Grid {
    /// The levels of a layout; `find` knows which output has that name and length.
    ///
    /// # Errors
    /// Those of `find`.
    pub(super) fn all(
        layout: &DetectorLayout,
        input: &FrameSpec,
        find: impl Fn(&str, usize) -> Result<usize, NetworkError>,
    ) -> Result<Vec<Self>, NetworkError> {
        let levels = layout.levels.iter().map(|level| {
            let side = |side: u16| usize::from(side.div_ceil(level.stride));
            let columns = side(input.width);
            let cells = columns * side(input.height);
            let scores: Result<_, _> = level.scores.iter().map(|name| find(name, cells)).collect();
            Ok(Self {
                stride: level.stride.into(),
                anchor: layout.anchor,
                columns,
                cells,
                order: layout.order,
                score: layout.score,
                scores: scores?,
                landmarks: find(&level.landmarks, 10 * cells)?,
            })
        });
        levels.collect()
    }

    /// What the cells with at least that score say.
    pub(super) fn candidates(&self, outputs: &[Vec<f32>], threshold: f32) -> Vec<Candidate> {
        let candidate = |cell: usize| {
            let score = self.score(outputs, cell);
            // A score that is not a number is below every threshold.
            (score >= threshold).then(|| (score, self.landmarks(&outputs[self.landmarks], cell)))
        };
        (0..self.cells).filter_map(candidate).collect()
    }

    fn score(&self, outputs: &[Vec<f32>], cell: usize) -> f32 {
        let probability = |output: &usize| match self.score {
            ScoreKind::Logit => 1.0 / (1.0 + (-outputs[*output][cell]).exp()),
            ScoreKind::Probability => outputs[*output][cell].clamp(0.0, 1.0),
        };
        let product: f32 = self.scores.iter().map(probability).product();
        match self.scores.len() {
            1 => product,
            2 => product.sqrt(),
            n => product.powf(1.0 / n as f32),
        }
    }

    fn landmarks(&self, output: &[f32], cell: usize) -> Landmarks {
        let anchor = |index: usize| (index as f32 + self.anchor) * self.stride;
        let (x, y) = (anchor(cell % self.columns), anchor(cell / self.columns));
        let number = |i: usize| {
            let offset = match self.order {
                CellOrder::NumbersFirst => output[i * self.cells + cell],
                CellOrder::CellsFirst => output[cell * 10 + i],
            };
            offset * self.stride
        };
        Landmarks(std::array::from_fn(|i| {
            Point::new(x + number(2 * i), y + number(2 * i + 1))
        }))
    }
}

/// Score and landmarks that a cell gives.
pub(super) type Candidate = (f32, Landmarks);

/// The square that a crop of the face would show.
#[derive(Clone, Copy)]
pub(super) struct Square {
    pub(super) center: Point,
    pub(super) side: f32,
}

impl Square {
    /// `None` where the landmarks make no face.
    pub(super) fn of(landmarks: &Landmarks) -> Option<Self> {
        let template = AlignTemplate::Arcface112x112;
        let to_crop = Similarity::fit_any_size(landmarks, &template.landmarks()).ok()?;
        let side = template.width() as f32;
        Some(Self {
            center: to_crop.inverted().apply(Point::new(side / 2.0, side / 2.0)),
            side: side / to_crop.scale(),
        })
    }

    /// What both cover, of what either covers.
    fn overlap(&self, other: &Self) -> f32 {
        let shared = |a: f32, b: f32| {
            let low = (a - self.side / 2.0).max(b - other.side / 2.0);
            let high = (a + self.side / 2.0).min(b + other.side / 2.0);
            (high - low).max(0.0)
        };
        let both = shared(self.center.x, other.center.x) * shared(self.center.y, other.center.y);
        both / (self.side * self.side + other.side * other.side - both)
    }
}

/// Whether two looks found one face.
pub(super) fn is_same(a: &Detection, b: &Detection) -> bool {
    let squares = (Square::of(&a.landmarks), Square::of(&b.landmarks));
    matches!(squares, (Some(a), Some(b)) if a.overlap(&b) > SAME_FACE)
}

/// One face of all candidates that overlap: the surest one's score, and the mean of their
/// landmarks by their scores, which is nearer to the truth than those of one cell.
pub(super) fn merge(mut candidates: Vec<Candidate>) -> Vec<Detection> {
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let squared = candidates.iter().map(|c| Some((*c, Square::of(&c.1)?)));
    let mut rest: VecDeque<(Candidate, Square)> = squared.flatten().collect();
    let mut faces = Vec::new();
    while let Some(surest) = rest.pop_front() {
        let ((score, _), square) = surest;
        let (overlapping, other): (VecDeque<_>, _) = rest
            .into_iter()
            .partition(|(_, s)| s.overlap(&square) > SAME_FACE);
        // So far out that pixels have no numbers, a square does not even overlap itself.
        let same: Vec<_> = iter::once(surest).chain(overlapping).collect();
        rest = other;
        let landmarks = mean(&same);
        // The mean of faces is one, but for rounding.
        let side = Square::of(&landmarks).unwrap_or(square).side;
        faces.push(Detection {
            score,
            landmarks,
            side,
        });
    }
    faces
}

fn mean(candidates: &[(Candidate, Square)]) -> Landmarks {
    let weights: f32 = candidates.iter().map(|((score, _), _)| score).sum();
    Landmarks(std::array::from_fn(|i| {
        let sum = |axis: fn(&Point) -> f32| -> f32 {
            let terms = candidates
                .iter()
                .map(|((score, l), _)| score * axis(&l.0[i]));
            terms.sum()
        };
        Point::new(sum(|p| p.x) / weights, sum(|p| p.y) / weights)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_at_any_distance_is_found_once() {
        let at = |x: f32| {
            let face = AlignTemplate::Arcface112x112.landmarks().0;
            Landmarks(face.map(|p| Point::new(x + 1e6 * p.x, p.y * 1e6)))
        };
        for x in [0.0, 1e12, 1e20, 1e30] {
            assert!(merge(vec![(0.9, at(x)); 3]).len() <= 3, "{x}");
        }
        assert_eq!(merge(vec![(0.9, at(0.0)); 3]).len(), 0);
        let near = AlignTemplate::Arcface112x112.landmarks();
        let far = Landmarks(near.0.map(|p| Point::new(p.x + 1e9, p.y)));
        assert_eq!(merge(vec![(0.9, near); 3]).len(), 1);
        assert!((1..=3).contains(&merge(vec![(0.9, far); 3]).len()));
    }
}
