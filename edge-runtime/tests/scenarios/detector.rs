//! A detector that takes bright squares for faces: what it finds, and where.

use crate::bundles::bundle_of;
use crate::scene::Scene;
use crate::toy_detector::{
    HEIGHT, SIDE, WIDTH, assert_face, detector, detector_of, face_at, frame,
};
use edge_runtime::bundle;
use edge_runtime::camera;
use edge_runtime::detect::Detector;
use edge_runtime::event::Outcome;
use edge_runtime::network::NetworkError;

use shared::bundle::{Bundle, BundleError};
use shared::detector::{CellOrder, DetectorManifest, SelfTestFrame};
use shared::digest::Digest;
use std::fs;

#[test]
fn faces_are_found_where_they_are_the_surest_first() {
    for order in [CellOrder::NumbersFirst, CellOrder::CellsFirst] {
        let (manifest, model) = detector(order);
        let detector = Detector::from_onnx(&model, &manifest).unwrap();
        let image = frame(WIDTH, HEIGHT, &[[8, 16, 8, 8, 204], [72, 40, 8, 8, 255]]);
        let found = detector.detect(&image).unwrap();
        assert_eq!(found.len(), 2);
        assert!((found[0].score - 1.0).abs() < 1e-5 && (found[1].score - 0.8).abs() < 1e-5);
        assert_face(&found[0].landmarks, 76.0, 44.0, 1.0);
        assert_face(&found[1].landmarks, 12.0, 20.0, 1.0);
        assert_eq!(detector.detect(&frame(WIDTH, HEIGHT, &[])).unwrap(), []);
    }
}

#[test]
fn what_overlaps_is_one_face_between_its_cells() {
    let (manifest, model) = detector(CellOrder::NumbersFirst);
    let detector = Detector::from_onnx(&model, &manifest).unwrap();
    // Two cells side by side, 255 and 153: their mean by weight lies at 3/8 of a cell.
    let image = frame(WIDTH, HEIGHT, &[[16, 16, 8, 8, 255], [24, 16, 8, 8, 153]]);
    let found = detector.detect(&image).unwrap();
    assert_eq!(found.len(), 1);
    assert_face(&found[0].landmarks, 20.0 + 3.0, 20.0, 1.0);
}

#[test]
fn frames_of_any_size_are_fitted_and_the_places_mapped_back() {
    let (manifest, model) = detector(CellOrder::NumbersFirst);
    let detector = Detector::from_onnx(&model, &manifest).unwrap();
    // Four times as large; and square, with bars left and right: 32 of 96 pixels. The corner
    // is 0 in both.
    let large = frame(4 * WIDTH, 4 * HEIGHT, &[[128, 96, 32, 32, 255]]);
    let found = detector.detect(&large).unwrap();
    assert_eq!(found.len(), 1);
    assert_face(&found[0].landmarks, 4.0 * 36.0, 4.0 * 28.0, 4.0);
    let square = frame(128, 128, &[[32, 64, 16, 16, 255]]);
    let found = detector.detect(&square).unwrap();
    assert_eq!(found.len(), 1);
    assert_face(&found[0].landmarks, 2.0 * 20.0, 2.0 * 36.0, 2.0);
}

#[test]
fn a_face_is_looked_at_again_in_the_middle_of_a_view_and_must_be_there() {
    let (mut manifest, model) = detector_of(CellOrder::NumbersFirst, 2.0 * SIDE);
    // As large as the toy's faces are.
    manifest.close_look = Some(2.0 * SIDE / HEIGHT as f32);
    let detector = Detector::from_onnx(&model, &manifest).unwrap();
    // Two cells wide and high, so that a middle on a corner of cells shows it whole; on the edge of
    // the frame, too. The larger frame is seen at the same scale.
    for (factor, [left, top]) in [(1, [24, 16]), (1, [80, 48]), (1, [0, 0]), (4, [40, 32])] {
        let scale = factor as f32;
        let [x, y, w, h] = [left, top, 16, 16].map(|side| factor * side);
        let image = frame(factor * WIDTH, factor * HEIGHT, &[[x, y, w, h, 255]]);
        let found = detector.detect(&image).unwrap();
        assert_eq!(found.len(), 1, "{factor} {left} {top}");
        let middle = |start: u32| scale * (start as f32 + 8.0);
        assert_face(&found[0].landmarks, middle(left), middle(top), 2.0 * scale);
    }
    // One cell: in the middle of a view it fills a quarter of four.
    let once = frame(WIDTH, HEIGHT, &[[8, 16, 8, 8, 255]]);
    assert_eq!(detector.detect(&once).unwrap(), []);
}

#[test]
fn a_layout_that_does_not_fit_the_network_is_refused() {
    let check = |change: &dyn Fn(&mut DetectorManifest), needle: &str| {
        let (mut manifest, model) = detector(CellOrder::NumbersFirst);
        change(&mut manifest);
        let error: NetworkError = Detector::from_onnx(&model, &manifest).err().unwrap();
        assert!(error.to_string().contains(needle), "{error}");
    };
    check(
        &|m| m.layout.levels[0].landmarks = "points".into(),
        "no output \"points\"",
    );
    check(
        &|m| m.layout.levels[0].stride = 16,
        "gives 96, the manifest says 24 numbers",
    );
    check(
        &|m| m.input.width = 64,
        "the network takes f32 [1, 3, 64, 96]",
    );
}

#[test]
fn a_bundle_keeps_its_detector_and_refuses_one_without_meaning() {
    let (manifest, model) = detector(CellOrder::NumbersFirst);
    let bundle = bundle_of(1)
        .with_detector(manifest.clone(), model.clone())
        .unwrap();
    let read = Bundle::decode(&bundle.encode().unwrap()).unwrap();
    assert_eq!(read.detector().unwrap(), (&manifest, model.as_slice()));
    assert!(Detector::load(&read).unwrap().is_some());
    assert!(Detector::load(&bundle_of(1)).unwrap().is_none());
    let check = |change: &dyn Fn(&mut DetectorManifest), needle: &str| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        let error: BundleError = bundle_of(1)
            .with_detector(manifest, model.clone())
            .unwrap_err();
        assert!(error.to_string().contains(needle), "{error}");
    };
    check(&|m| m.threshold = 1.0, "detector's threshold");
    check(&|m| m.threshold = f32::NAN, "detector's threshold");
    check(&|m| m.input.std[1] = 0.0, "detector's input");
    check(&|m| m.layout.levels[0].stride = 0, "detector's layout");
    check(&|m| m.layout.levels.clear(), "detector's layout");
    check(
        &|m| m.digest = Digest::of(b"another"),
        "put together from two",
    );
    let short = SelfTestFrame {
        pixels: vec![0; 5],
        score: 1.0,
        landmarks: face_at(0.0, 0.0),
    };
    check(
        &|m| m.self_test.push(short.clone()),
        "detector's self-test frame",
    );
}

#[test]
fn the_self_test_tells_another_face() {
    let (mut manifest, model) = detector(CellOrder::NumbersFirst);
    let detector = Detector::from_onnx(&model, &manifest).unwrap();
    let told = |manifest: &DetectorManifest| {
        let error = detector.self_test(manifest);
        error.map_or_else(|e| e.to_string(), |n| format!("{n} frames"))
    };
    assert!(told(&manifest).contains("no self-test frames"));
    let image = frame(WIDTH, HEIGHT, &[[16, 16, 8, 8, 255]]);
    manifest.self_test.push(SelfTestFrame {
        pixels: image.into_raw(),
        score: 1.0,
        landmarks: face_at(20.0, 20.0),
    });
    assert_eq!(told(&manifest), "1 frames");
    manifest.self_test[0].landmarks = face_at(20.1, 20.0);
    assert!(told(&manifest).contains("self-test frame 1"));
    manifest.self_test[0].landmarks = face_at(f32::NAN, 20.0);
    assert!(told(&manifest).contains("self-test frame 1"));
}

/// A door whose camera has no table of landmarks and whose bundle has the detector.
pub(crate) fn scene_without_table() -> Scene {
    let scene = Scene::new();
    let (mut manifest, model) = detector(CellOrder::NumbersFirst);
    manifest.self_test.push(SelfTestFrame {
        pixels: frame(WIDTH, HEIGHT, &[[16, 16, 8, 8, 255]]).into_raw(),
        score: 1.0,
        landmarks: face_at(20.0, 20.0),
    });
    let bundle = bundle_of(1).with_detector(manifest, model).unwrap();
    bundle::write(&scene.path("model.bundle"), &bundle).unwrap();
    fs::remove_file(scene.path("frames/landmarks.csv")).unwrap();
    scene
}

#[test]
fn the_door_looks_for_faces_itself_and_refuses_two() {
    let scene = scene_without_table();
    let show = |name: &str, bright: &[[u32; 5]]| {
        let image = frame(4 * WIDTH, 4 * HEIGHT, bright);
        image.save(scene.path("frames").join(name)).unwrap();
    };
    show("1.png", &[]);
    show("2.png", &[[32, 64, 32, 32, 255]]);
    show("3.png", &[[32, 64, 32, 32, 255], [256, 160, 32, 32, 255]]);
    let ran = scene.run(None);
    let told = |i: usize| (ran.frames()[i].outcome, ran.frames()[i].reason.as_str());
    assert_eq!(told(0), (Outcome::NoFace, "no face in the picture"));
    // A bright square is found, and is no face that can be compared.
    assert_eq!(told(1).0, Outcome::PoorFace, "{}", told(1).1);
    assert_eq!(told(2).0, Outcome::PoorFace);
    assert!(
        told(2).1.contains("2 faces: one person at a time"),
        "{}",
        told(2).1
    );
    ran.assert_stayed_locked();
}

#[test]
fn without_table_and_without_detector_the_door_does_not_start() {
    let scene = scene_without_table();
    frame(WIDTH, HEIGHT, &[])
        .save(scene.path("frames/1.png"))
        .unwrap();
    bundle::write(&scene.path("model.bundle"), &bundle_of(1)).unwrap();
    let settings = scene.config().camera;
    let error = camera::open(&settings, false).err();
    assert!(error.unwrap().to_string().contains("no landmarks.csv"));
    assert!(camera::open(&settings, true).is_ok());
}

#[test]
fn a_bundle_whose_detector_finds_something_else_here_is_not_loaded() {
    let scene = scene_without_table();
    let path = scene.path("model.bundle");
    let (mut manifest, model) = detector(CellOrder::NumbersFirst);
    for pixels in [None, Some(vec![0; manifest.input.rgb_len()])] {
        manifest.self_test = pixels
            .into_iter()
            .map(|pixels| SelfTestFrame {
                pixels,
                score: 1.0,
                landmarks: face_at(20.0, 20.0),
            })
            .collect();
        let bundle = bundle_of(1)
            .with_detector(manifest.clone(), model.clone())
            .unwrap();
        bundle::write(&path, &bundle).unwrap();
        let error = bundle::load(&path).err().unwrap().to_string();
        assert!(error.contains("self-test frame"), "{error}");
    }
}
