use super::frame::compose;
use super::place::Pose;
use super::target::{EITHER, FACE, Targets};
use super::train::train_until;
use super::*;
use crate::backbone::detector::{cells, strides};
use crate::export;
use edge_runtime::detect::{Detection, Detector};
use shared::align::{Landmarks, Point};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn recipe_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/detector.toml")
}

/// Drawn people alone, few steps.
fn small(steps: u64) -> DetectorRecipe {
    let mut recipe = DetectorRecipe::read(&recipe_file()).unwrap();
    recipe.detector.width = 0.25;
    recipe.detector.least_threshold = None;
    recipe.data.folders.clear();
    recipe.data.backgrounds = None;
    recipe.data.drawn_people = 60;
    recipe.data.held_out = 0.3;
    recipe.optimizer.warmup_steps = 10;
    recipe.optimizer.average_decay = None;
    recipe.training.precision = crate::config::ComputePrecision::F32;
    recipe.training.batch_size = 16;
    recipe.training.steps = steps;
    recipe.training.checkpoint_every = 4;
    recipe
}

fn photos(recipe: &DetectorRecipe) -> [Photos; 2] {
    Photos::read(&recipe.data, None, recipe.seed).unwrap()
}

#[test]
fn the_same_number_gives_the_same_frame_and_faces_lie_where_they_say() {
    let [photos, _] = photos(&small(1));
    let (mut none, mut one, mut two) = (0, 0, 0);
    for number in 0..200 {
        let frame = compose(&photos, 0.3, 5, number);
        assert_eq!(frame.image.dimensions(), (160, 120));
        if number < 10 {
            let again = compose(&photos, 0.3, 5, number);
            assert!(frame.image == again.image && frame.faces == again.faces);
        }
        for (pose, landmarks) in &frame.faces {
            assert!((26.0..180.0).contains(&pose.side), "{pose:?}");
            let inside = |p: &Point| p.x > 0.0 && p.x < 159.0 && p.y > 0.0 && p.y < 119.0;
            assert!(landmarks.0.iter().all(inside), "{landmarks:?}");
        }
        match frame.faces.len() {
            0 => none += 1,
            1 => one += 1,
            _ => two += 1,
        }
    }
    assert!(
        (35..95).contains(&none) && one > 80 && two > 0,
        "{none} {one} {two}"
    );
    let faceless = (0..50).map(|n| compose(&photos, 1.0, 5, n).faces.len());
    assert_eq!(faceless.sum::<usize>(), 0);
}

/// A face of the template's shape.
fn face(x: f32, y: f32, side: f32) -> (Pose, Landmarks) {
    let template = shared::align::AlignTemplate::Arcface112x112;
    let place = |p: Point| {
        let unit = |at: f32| (at - 56.0) / 112.0 * side;
        Point::new(x + unit(p.x), y + unit(p.y))
    };
    let landmarks = Landmarks(template.landmarks().0.map(place));
    (Pose::of(&landmarks).unwrap(), landmarks)
}

#[test]
fn a_face_is_for_the_level_of_its_size_and_its_targets_lead_to_its_landmarks() {
    for (side, stride) in [(30.0, 8), (45.0, 8), (80.0, 16), (150.0, 32)] {
        let truth = face(75.0, 50.0, side);
        let targets = Targets::of(std::slice::from_ref(&truth));
        let (mut first, mut found) = (0, 0);
        for level in strides() {
            let [columns, rows] = cells(level).map(|n| n as usize);
            for cell in 0..columns * rows {
                let at = first + cell;
                if targets.kinds[at] != FACE {
                    continue;
                }
                assert_eq!(level, stride, "side {side}");
                found += 1;
                let s = level as f32;
                let anchor = [cell % columns, cell / columns].map(|i| (i as f32 + 0.5) * s);
                for (k, p) in truth.1.0.iter().enumerate() {
                    let offset = |axis: usize| {
                        anchor[axis]
                            + targets.offsets[10 * at + 2 * k + axis] * targets.sides[at] * s
                    };
                    // From the frame's corner.
                    let apart = (offset(0) - p.x - 0.5).hypot(offset(1) - p.y - 0.5);
                    assert!(apart < 1e-3, "side {side}: {apart}");
                }
            }
            first += columns * rows;
        }
        assert!((1..=4).contains(&found), "side {side}: {found} cells");
        assert!(targets.kinds.contains(&EITHER));
    }
    // Between two levels both are to find it.
    let between = Targets::of(&[face(75.0, 50.0, 57.0)]);
    let count =
        |range: std::ops::Range<usize>| between.kinds[range].iter().filter(|k| **k == FACE).count();
    assert!(count(0..300) > 0 && count(300..380) > 0 && count(380..400) == 0);
}

#[test]
fn comparing_tells_the_right_face_and_how_far_its_landmarks_are() {
    let (_, truth) = face(80.0, 60.0, 56.0);
    let found = |landmarks: Landmarks| {
        let score = 0.9;
        let side = Pose::of(&landmarks).unwrap().side;
        let detection = Detection {
            score,
            landmarks,
            side,
        };
        compare(&[detection], &truth)
    };
    let (_, same) = face(80.0, 60.0, 56.0);
    let exact = found(same);
    assert!(exact.right && exact.error < 1e-6);
    // The eyes are 17.62 pixels apart; all landmarks 1.762 to the right is a tenth of that.
    let (_, moved) = face(81.762, 60.0, 56.0);
    assert!((found(moved).error - 0.1).abs() < 1e-3);
    for other in [face(20.0, 60.0, 56.0), face(80.0, 60.0, 20.0)] {
        assert!(!found(other.1).right);
    }
    let nobody = compare(&[], &truth);
    assert!(nobody.score.is_none() && !nobody.right);
    let figures = DetectorFigures::of(&[exact, found(moved), nobody, nobody]);
    assert_eq!(
        (figures.images, figures.found, figures.right),
        (4, 0.5, 0.5)
    );
    assert!((figures.mean_error - 0.05).abs() < 1e-3 && (figures.error_90 - 0.1).abs() < 1e-3);
}

#[test]
fn a_stopped_training_goes_on_as_if_it_had_not_been() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, end: u64| {
        let recipe = small(6);
        let out = dir.path().join(name);
        std::fs::create_dir_all(&out).unwrap();
        let [kept, _] = photos(&recipe);
        let photos = Arc::new(kept);
        let job = DetectorJob {
            recipe: &recipe,
            photos,
            out: &out,
        };
        export::weights(&train_until(&job, end).unwrap())
    };
    let whole = run("whole", 6);
    run("stopped", 3);
    assert!(run("stopped", 6) == whole);
}

#[test]
fn a_small_training_finds_drawn_people_in_the_doors_runtime() {
    let recipe = small(400);
    let dir = tempfile::tempdir().unwrap();
    let [kept, held_out] = photos(&recipe);
    let module = train(&DetectorJob {
        recipe: &recipe,
        photos: Arc::new(kept),
        out: dir.path(),
    })
    .unwrap();
    let evaluation = finish(&recipe, &module, &held_out, "a test", dir.path()).unwrap();
    let figures = &evaluation.held_out;
    assert!(figures.right > 0.1, "{evaluation:?}");
    assert!(figures.mean_error < 0.4, "{evaluation:?}");
    let file = dir.path().join("detector.toml");
    let (manifest, model) = DetectorFile::load(&file).unwrap();
    assert_eq!(manifest.provenance, "a test");
    let detector = Detector::from_onnx(&model, &manifest).unwrap();
    let frames = manifest.self_test.len();
    assert!(frames > 0 && detector.self_test(&manifest).unwrap() == frames);
    let text = std::fs::read_to_string(&file).unwrap();
    let strict = text.replacen("threshold = ", "threshold = 0.9999 #", 1);
    std::fs::write(&file, strict).unwrap();
    assert!(matches!(
        DetectorFile::load(&file),
        Err(DetectorFileError::Blind)
    ));
    std::fs::write(&file, text.replace("score_8", "score_9")).unwrap();
    let error = DetectorFile::load(&file).unwrap_err().to_string();
    assert!(error.contains("no output \"score_9\""), "{error}");
}

#[test]
fn impossible_recipes_are_refused() {
    let text = std::fs::read_to_string(recipe_file()).unwrap();
    assert!(is_detector(&recipe_file()));
    assert!(!is_detector(&recipe_file().with_file_name("demo.toml")));
    let dir = tempfile::tempdir().unwrap();
    let check = |from: &str, to: &str, needle: &str| {
        assert!(text.contains(from), "{from}");
        let path = dir.path().join("recipe.toml");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = DetectorRecipe::read(&path).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    };
    check("width = 1.0", "width = 0.0", "[detector] width");
    check("faceless = 0.25", "faceless = 1.0", "[data] faceless");
    check("held_out = 0.1", "held_out = 0.0", "[data] held_out");
    check(
        "[augmentation]",
        "[augmentation]\nmirror = true",
        "neither mirror",
    );
    check("batch_size = 64", "batch_size = 1", "batch_size");
    check("momentum = 0.9", "momentum = 1.0", "below 1 with AdamW");
    check("seed = 1", "sed = 1", "sed");
    let mut nobody = small(1);
    nobody.data.held_out = 0.000_001;
    let error = Photos::read(&nobody.data, None, 1).err().unwrap();
    assert!(error.to_string().contains("0 to measure on"), "{error}");
    nobody.data.folders = vec!["celeb".into()];
    let error = Photos::read(&nobody.data, None, 1).err().unwrap();
    assert!(error.to_string().contains("--data DIR"), "{error}");
}
