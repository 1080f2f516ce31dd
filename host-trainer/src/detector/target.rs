//! What each cell of the detector's grids should say about a frame.

use super::place::Pose;
use crate::backbone::detector::{cells, strides};
use shared::align::Landmarks;

/// From the frame's corner, which what the network says is measured from, to the middle of its
/// first pixel, which poses and landmarks of frames are.
const CORNER_PX: f32 = 0.5;
/// Where in its cell the anchor lies, in strides.
pub(super) const ANCHOR: f32 = 0.5;
/// Sides of the faces that a level is for, in its strides: from the first up to the second.
const SIDES: [f32; 2] = [3.5, 7.0];
/// A level takes faces that are this much beyond, too.
const BEYOND: f32 = 1.2;
/// Cells whose anchor is as near to the middle of the landmarks, in strides, are to find the face.
const NEAR: f32 = 1.0;
/// Cells as near, in sides of the face, need not say that there is none.
const UNDECIDED: f32 = 0.25;
/// A level that a face is too small or large for must say that there is none, unless by less than
/// this.
const FAR: f32 = 2.0;

/// A face to be found.
pub(super) const FACE: f32 = 1.0;
/// No face.
const NONE: f32 = 0.0;
/// Either.
pub(super) const EITHER: f32 = -1.0;

/// Targets of one frame, over all cells of all levels.
pub(super) struct Targets {
    /// [`FACE`], [`NONE`] or [`EITHER`], `[cells]`.
    pub(super) kinds: Vec<f32>,
    /// Landmarks from the anchor, in sides of the face, `[cells, 10]`.
    pub(super) offsets: Vec<f32>,
    /// Sides of the face in strides, `[cells]`; 1 where there is none.
    pub(super) sides: Vec<f32>,
}

impl Targets {
    pub(super) fn of(faces: &[(Pose, Landmarks)]) -> Self {
        let len = len();
        let mut targets = Self {
            kinds: vec![NONE; len],
            offsets: vec![0.0; 10 * len],
            sides: vec![1.0; len],
        };
        for (pose, landmarks) in faces {
            targets.add(pose, landmarks);
        }
        targets
    }

    fn add(&mut self, pose: &Pose, landmarks: &Landmarks) {
        let mean = |axis: fn(&shared::align::Point) -> f32| {
            landmarks.0.iter().map(axis).sum::<f32>() / 5.0 + CORNER_PX
        };
        let (x, y) = (mean(|p| p.x), mean(|p| p.y));
        let mut first = 0;
        for stride in strides() {
            let [columns, rows] = cells(stride).map(|n| n as usize);
            let stride = stride as f32;
            let fit = misfit(pose.side / stride, stride);
            for cell in 0..columns * rows {
                let anchor = |index: usize| (index as f32 + ANCHOR) * stride;
                let (ax, ay) = (anchor(cell % columns), anchor(cell / columns));
                let distance = (ax - x).abs().max((ay - y).abs());
                let at = first + cell;
                if fit <= BEYOND && distance <= NEAR * stride {
                    self.kinds[at] = FACE;
                    self.sides[at] = pose.side / stride;
                    let from = [ax - CORNER_PX, ay - CORNER_PX];
                    let offsets = landmarks.0.iter();
                    let offsets = offsets.flat_map(|p| [p.x - from[0], p.y - from[1]]);
                    let own = &mut self.offsets[10 * at..10 * at + 10];
                    own.iter_mut()
                        .zip(offsets)
                        .for_each(|(o, d)| *o = d / pose.side);
                } else if fit <= FAR
                    && distance <= (UNDECIDED * pose.side).max(stride)
                    && self.kinds[at] == NONE
                {
                    self.kinds[at] = EITHER;
                }
            }
            first += columns * rows;
        }
    }
}

/// How many times a face of `side` strides is smaller or larger than what a level is for; at most 1
/// if it is neither.
fn misfit(side: f32, stride: f32) -> f32 {
    let small = match strides().next() {
        Some(first) if first as f32 == stride => 0.0,
        _ => SIDES[0] / side,
    };
    let large = match strides().last() {
        Some(last) if last as f32 == stride => 0.0,
        _ => side / SIDES[1],
    };
    small.max(large)
}

/// Cells of all levels.
pub(super) fn len() -> usize {
    strides()
        .map(|s| cells(s).iter().product::<i64>())
        .sum::<i64>() as usize
}
