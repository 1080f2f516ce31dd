//! The quality gate on real faces: its limits come from `celeb/` and `web/`, the faces from LFW.

use crate::real_faces::{shared_folder, sorted, tell};
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::quality::{Flaw, Limits, Quality};
use edge_runtime::{face, photo};
use image::RgbImage;
use image::imageops::{blur, colorops};
use shared::align::{AlignTemplate, Landmarks, Point};

const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

fn flaws(photo: &RgbImage, landmarks: &Landmarks) -> Vec<Flaw> {
    let face = face::align(photo, landmarks, TEMPLATE).unwrap();
    let quality = Quality::of(photo, landmarks, &face).unwrap();
    quality.flaws(&Limits::DOOR)
}

#[test]
fn real_faces_are_good_enough_until_they_are_blurred_or_dark() {
    let lfw = shared_folder().join("data/lfw");
    if !lfw.exists() {
        return tell(&format!(
            "skipped the quality of real faces: none in {}",
            lfw.display()
        ));
    }
    let table = LandmarkTable::read(&lfw.join("landmarks.csv")).unwrap();
    let folders = sorted(&lfw.join("images"));
    let (mut all, mut good, mut blurred, mut dark, mut hidden) = (0, 0, 0, 0, 0);
    for folder in folders.iter().step_by(folders.len() / 200) {
        let path = sorted(folder).remove(0);
        let photo = photo::read(&path).unwrap();
        let Some(landmarks) = table.of_image(&path) else {
            continue;
        };
        all += 1;
        good += usize::from(flaws(&photo, landmarks).is_empty());
        // Three pixels of the crop, in which the eyes are 35 apart.
        let [right, left, ..] = landmarks.0;
        let sigma = 3.0 / 35.2 * (left.x - right.x).hypot(left.y - right.y);
        let soft = blur(&photo, sigma);
        blurred += usize::from(flaws(&soft, landmarks).contains(&Flaw::Blurred));
        let dim = colorops::brighten(&photo, -140);
        dark += usize::from(flaws(&dim, landmarks).contains(&Flaw::TooDark));
        let glasses = with_dark_glasses(&photo, landmarks);
        hidden += usize::from(flaws(&glasses, landmarks).contains(&Flaw::EyesHidden));
    }
    tell(&format!(
        "of {all} faces {good} are good enough; {blurred} are told blurred once they are, {dark} dark, \
         {hidden} to hide their eyes"
    ));
    assert!(all >= 190 && good * 100 >= all * 97);
    assert!([blurred, dark, hidden].iter().all(|n| n * 100 >= all * 90));
}

/// Ellipses as large as glasses, through which a seventh of the light comes.
fn with_dark_glasses(photo: &RgbImage, landmarks: &Landmarks) -> RgbImage {
    let [right, left, ..] = landmarks.0;
    let eyes = (left.x - right.x).hypot(left.y - right.y);
    let mut photo = photo.clone();
    for (x, y, pixel) in photo.enumerate_pixels_mut() {
        let on = |eye: Point| {
            let (dx, dy) = (x as f32 - eye.x, y as f32 - eye.y);
            (dx / (0.45 * eyes)).powi(2) + (dy / (0.34 * eyes)).powi(2) < 1.0
        };
        if on(right) || on(left) {
            pixel.0 = pixel.0.map(|value| 25 + value / 7);
        }
    }
    photo
}
