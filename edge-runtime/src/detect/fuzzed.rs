//! What a network may give for a frame, as fuzzers call it.

use super::decode::{self, Grid};
use super::view::View;
use crate::fuzzed::floats;
use image::RgbImage;
use shared::detector::{CellOrder, DetectorLayout, DetectorLevel, FrameSpec, ScoreKind};
use shared::preprocess::PixelOrder;

const THRESHOLD: f32 = 0.5;
/// Cells of a frame of 64 x 48 pixels, 16 pixels from one to the next.
const CELLS: usize = 12;

/// Two scores a cell, then ten landmarks a cell; the last byte says in which order, and what a
/// score is.
pub(crate) fn detections(bytes: &[u8]) -> bool {
    let kind = bytes.last().copied().unwrap_or(0);
    let numbers: [f32; 12 * CELLS] = floats(bytes);
    let (scores, landmarks) = numbers.split_at(2 * CELLS);
    let outputs = [&scores[..CELLS], &scores[CELLS..], landmarks].map(<[f32]>::to_vec);
    let layout = DetectorLayout {
        order: [CellOrder::NumbersFirst, CellOrder::CellsFirst][usize::from(kind & 1)],
        score: [ScoreKind::Logit, ScoreKind::Probability][usize::from(kind >> 1 & 1)],
        anchor: 0.5,
        levels: vec![DetectorLevel {
            stride: 16,
            scores: vec!["0".into(), "1".into()],
            landmarks: "2".into(),
        }],
    };
    let input = FrameSpec {
        width: 64,
        height: 48,
        pixel_order: PixelOrder::Rgb,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let find = |name: &str, _| Ok(name.parse().unwrap_or(0));
    let grids = Grid::all(&layout, &input, find).expect("all outputs are there");
    let candidates = grids[0].candidates(&outputs, THRESHOLD);
    assert!(candidates.len() <= CELLS);
    let faces = decode::merge(candidates);
    for face in &faces {
        assert!((THRESHOLD..=1.0).contains(&face.score), "{face:?}");
        let points = face.landmarks.0.iter();
        assert!(
            points.clone().all(|p| p.x.is_finite() && p.y.is_finite()),
            "{face:?}"
        );
        assert!(face.side.is_finite() && face.side > 0.0, "{face:?}");
        // However small the face is, a close look takes no more than what the network takes.
        let image = RgbImage::new(128, 96);
        if let Some(view) = View::around(&image, face, 0.8, &input) {
            assert_eq!(view.of(&image, &input).len(), input.rgb_len());
        }
    }
    !faces.is_empty()
}
