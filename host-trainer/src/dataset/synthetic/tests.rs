use super::*;
use shared::align::{AlignTemplate, RgbImage as View, align};

#[test]
fn the_same_arguments_give_the_same_bytes() {
    for (seed, index, number) in [(0, 0, 0), (7, 3, 11), (u64::MAX, u64::MAX, u64::MAX)] {
        let first = render(&Identity::new(seed, index), number);
        // What was drawn in between must not matter.
        render(&Identity::new(seed ^ 1, index ^ 1), number ^ 1);
        let again = render(&Identity::new(seed, index), number);
        assert_eq!(first.frame, again.frame);
        assert_eq!(first.landmarks, again.landmarks);
    }
}

#[test]
fn every_machine_draws_the_same_bytes() {
    // FNV-1a of the frame. A change of the drawing changes it: then raise `RENDERER_VERSION` and
    // measure the demo's figures anew.
    let hash = |person: &Identity, number| {
        let frame = render(person, number).frame;
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        frame.as_raw().iter().fold(0xcbf2_9ce4_8422_2325, step)
    };
    let found = [(1, 2, 3), (4, 5, 6)]
        .map(|(seed, index, number)| hash(&Identity::new(seed, index), number));
    assert_eq!(
        found,
        [0x90fb_ad70_5b60_2fe1, 0x32c3_b51d_2adf_14c4],
        "{found:#018x?}"
    );
}

#[test]
fn people_and_pictures_differ() {
    let base = render(&Identity::new(1, 1), 1).frame;
    for (seed, index, number) in [
        (2, 1, 1),
        (1, 2, 1),
        (1, 1, 2),
        (1, 1, 1 << 40),
        (1, 1 << 40, 1),
    ] {
        let other = render(&Identity::new(seed, index), number).frame;
        let same = base
            .as_raw()
            .iter()
            .zip(other.as_raw())
            .filter(|(a, b)| a == b)
            .count();
        assert!(
            same < base.as_raw().len() / 4,
            "{same} bytes agree in {seed} {index} {number}"
        );
    }
}

#[test]
fn a_person_keeps_the_traits_from_picture_to_picture_and_neighbors_do_not_share_them() {
    let width = |index| Identity::new(5, index).traits.head.jaw_width;
    assert_eq!(width(9), width(9));
    let mut widths: Vec<f32> = (0..200).map(width).collect();
    widths.sort_by(f32::total_cmp);
    widths.dedup();
    assert!(widths.len() > 195, "{} jaws among 200 people", widths.len());
}

#[test]
fn landmarks_are_inside_and_in_order() {
    for i in 0..2000 {
        let person = Identity::new(11, i);
        let traits = &person.traits;
        let mut nuisance = Nuisance::draw(&mut Stream::new(*b"picture\0", 11, i, 0));
        let relief = Relief::new(traits);
        let lips = Lips::new(&traits.mouth, &nuisance.expression);
        place(&mut nuisance.pose, nuisance.place, |pose| {
            landmarks(pose, &relief, traits, &lips)
        });
        check_landmarks(landmarks(&nuisance.pose, &relief, traits, &lips));
    }
}

#[test]
fn a_picture_carries_the_landmarks_it_was_drawn_with() {
    for i in 0..20 {
        check_landmarks(render(&Identity::new(12, i), i).landmarks);
    }
}

fn check_landmarks(Landmarks(points): Landmarks) {
    let [right_eye, left_eye, nose, right_corner, left_corner] = points;
    for p in points {
        assert!(
            p.x >= 20.0 && p.x <= FRAME_WIDTH as f32 - 20.0,
            "{points:?}"
        );
        assert!(
            p.y >= 20.0 && p.y <= FRAME_HEIGHT as f32 - 20.0,
            "{points:?}"
        );
    }
    assert!(left_eye.x - right_eye.x > 25.0, "{points:?}");
    assert!(left_corner.x - right_corner.x > 12.0, "{points:?}");
    let middle = |a: Point, b: Point| 0.5 * (a.y + b.y);
    let (eyes, mouth) = (
        middle(right_eye, left_eye),
        middle(right_corner, left_corner),
    );
    assert!(eyes + 5.0 < nose.y && nose.y + 2.0 < mouth, "{points:?}");
}

#[test]
fn the_eyes_are_drawn_where_the_landmarks_say() {
    // The pupil is the darkest of its surroundings in nearly every picture of open eyes; so the
    // eye's middle is darker than the cheek below it far more often than chance.
    let darker = (0..40).filter(|i| {
        let picture = render(&Identity::new(13, *i), 0);
        let Landmarks([right, left, ..]) = picture.landmarks;
        let unit = (left.x - right.x) / 0.56;
        let bright = |p: Point, down: f32| patch(&picture.frame, p.x, p.y + down * unit);
        [right, left]
            .into_iter()
            .all(|eye| bright(eye, 0.0) < bright(eye, 0.28))
    });
    let count = darker.count();
    assert!(count >= 32, "{count} of 40");
}

/// Mean of the green channel over 5x5 pixels.
fn patch(frame: &RgbImage, x: f32, y: f32) -> f32 {
    let around = (0..25).map(|i| (x as u32 + i % 5 - 2, y as u32 + i / 5 - 2));
    around
        .map(|(x, y)| f32::from(frame.get_pixel(x, y)[1]))
        .sum::<f32>()
        / 25.0
}

/// A network that learned nothing must fail, or the demo would prove nothing.
#[test]
fn raw_pixels_do_not_tell_people_apart() {
    let (people, pictures) = (45, 4);
    let mut crops = Vec::new();
    for i in 0..people * pictures {
        crops.push(crop(&render(
            &Identity::new(14, i / pictures),
            i % pictures,
        )));
    }
    let rgb: Vec<Vec<f32>> = crops
        .iter()
        .map(|c| c.iter().map(|b| f32::from(*b)).collect())
        .collect();
    let gray: Vec<Vec<f32>> = crops.iter().map(|c| centered_gray_28x28(c)).collect();
    for (name, features) in [("RGB", rgb), ("gray without its mean", gray)] {
        let rate = equal_error_rate(&features, pictures as usize);
        assert!(rate >= 0.25, "{name}: an equal error rate of {rate}");
        assert!(
            rate <= 0.45,
            "{name}: {rate}, nothing of the person is left"
        );
    }
}

fn crop(picture: &Picture) -> Vec<u8> {
    let (width, height) = (FRAME_WIDTH as usize, FRAME_HEIGHT as usize);
    let view = View::new(width, height, picture.frame.as_raw()).expect("a frame is an image");
    align(view, &picture.landmarks, AlignTemplate::Arcface112x112)
        .expect("the landmarks span a face")
        .pixels()
        .to_vec()
}

fn centered_gray_28x28(crop: &[u8]) -> Vec<f32> {
    let mut gray = vec![0.0; 28 * 28];
    for (i, p) in crop.chunks_exact(3).enumerate() {
        let (x, y) = (i % 112, i / 112);
        gray[y / 4 * 28 + x / 4] += p.iter().map(|c| f32::from(*c)).sum::<f32>();
    }
    let mean = gray.iter().sum::<f32>() / gray.len() as f32;
    gray.iter().map(|g| g - mean).collect()
}

/// Where as many genuine pairs fall below a cosine as impostor pairs reach it; `group` features
/// in a row are one person's.
fn equal_error_rate(features: &[Vec<f32>], group: usize) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let norms: Vec<f32> = features.iter().map(|f| dot(f, f).sqrt()).collect();
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for i in 0..features.len() {
        for j in 0..i {
            let cosine = dot(&features[i], &features[j]) / (norms[i] * norms[j]);
            let same = i / group == j / group;
            if same {
                genuine.push(cosine)
            } else {
                impostor.push(cosine)
            }
        }
    }
    genuine.sort_by(f32::total_cmp);
    let rejected = |i: usize| (i + 1) as f32 / genuine.len() as f32;
    let accepted =
        |t: f32| impostor.iter().filter(|c| **c > t).count() as f32 / impostor.len() as f32;
    let crossing = (0..genuine.len()).find(|i| rejected(*i) >= accepted(genuine[*i]));
    rejected(crossing.expect("at the highest genuine cosine all genuine pairs are rejected"))
}
