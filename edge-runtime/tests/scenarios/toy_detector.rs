//! A detector that takes bright squares for faces.

use crate::onnx;
use image::{Rgb, RgbImage};
use shared::align::{AlignTemplate, Landmarks, Point};
use shared::bundle::Precision;
use shared::detector::{
    CellOrder, DetectorLayout, DetectorLevel, DetectorManifest, FrameSpec, ScoreKind,
};
use shared::digest::Digest;
use shared::preprocess::PixelOrder;

pub(crate) const WIDTH: u32 = 96;
pub(crate) const HEIGHT: u32 = 64;
/// Side of the faces that it finds, in pixels.
pub(crate) const SIDE: f32 = 16.0;

/// Landmarks of a face around a point, as the template has them.
pub(crate) fn face_at(x: f32, y: f32) -> Landmarks {
    let place = |p: Point| {
        let unit = |at: f32| (at - 56.0) / 112.0 * SIDE;
        Point::new(x + unit(p.x), y + unit(p.y))
    };
    Landmarks(AlignTemplate::Arcface112x112.landmarks().0.map(place))
}

/// Cells of 8x8 pixels; the score is the mean brightness, the landmarks are always the same.
pub(crate) fn detector(order: CellOrder) -> (DetectorManifest, Vec<u8>) {
    detector_of(order, SIDE)
}

/// The same with faces of another side, in pixels.
pub(crate) fn detector_of(order: CellOrder, side: f32) -> (DetectorManifest, Vec<u8>) {
    let scaled = |p: Point| Point::new(p.x * side / SIDE, p.y * side / SIDE);
    detector_with(order, &Landmarks(face_at(0.0, 0.0).0.map(scaled)))
}

/// The same with these landmarks, as seen from the middle of a bright cell.
pub(crate) fn detector_with(order: CellOrder, face: &Landmarks) -> (DetectorManifest, Vec<u8>) {
    let offsets = face.0.map(|p| [p.x / 8.0, p.y / 8.0]);
    let model = onnx::bytes(&onnx::bright_cells(
        [HEIGHT as usize, WIDTH as usize],
        offsets.as_flattened(),
        order == CellOrder::CellsFirst,
    ));
    let manifest = DetectorManifest {
        name: "bright squares".into(),
        precision: Precision::F32,
        input: FrameSpec {
            width: WIDTH as u16,
            height: HEIGHT as u16,
            pixel_order: PixelOrder::Rgb,
            mean: [0.0; 3],
            std: [255.0; 3],
        },
        layout: DetectorLayout {
            order,
            score: ScoreKind::Probability,
            anchor: 0.5,
            levels: vec![DetectorLevel {
                stride: 8,
                scores: vec!["score".into(), "score".into()],
                landmarks: "landmarks".into(),
            }],
        },
        threshold: 0.5,
        close_look: None,
        digest: Digest::of(&model),
        self_test: vec![],
        provenance: String::new(),
    };
    (manifest, model)
}

/// A black frame with bright rectangles: left, top, width, height, brightness.
pub(crate) fn frame(width: u32, height: u32, bright: &[[u32; 5]]) -> RgbImage {
    let inside = |[left, top, w, h, _]: &&[u32; 5], x: u32, y: u32| {
        (*left..left + w).contains(&x) && (*top..top + h).contains(&y)
    };
    RgbImage::from_fn(width, height, |x, y| {
        let found = bright.iter().find(|r| inside(r, x, y));
        Rgb([found.map_or(0, |r| r[4] as u8); 3])
    })
}

pub(crate) fn assert_face(landmarks: &Landmarks, x: f32, y: f32, scale: f32) {
    let expected = face_at(0.0, 0.0).0;
    for (own, unit) in landmarks.0.iter().zip(expected) {
        let (dx, dy) = (own.x - (x + unit.x * scale), own.y - (y + unit.y * scale));
        assert!(
            dx.abs() < 0.06 * scale && dy.abs() < 0.06 * scale,
            "{landmarks:?}"
        );
    }
}
