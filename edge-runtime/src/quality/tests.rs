use super::*;
use crate::face;
use image::Rgb;
use image::imageops::blur;
use proptest::prelude::*;

const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

/// Edges all over, twice the template's size.
fn photo() -> RgbImage {
    checked(6)
}

fn checked(side: u32) -> RgbImage {
    RgbImage::from_fn(224, 224, |x, y| {
        Rgb([if (x / side + y / side).is_multiple_of(2) {
            90
        } else {
            170
        }; 3])
    })
}

fn landmarks() -> Landmarks {
    Landmarks(
        TEMPLATE
            .landmarks()
            .0
            .map(|p| Point::new(2.0 * p.x, 2.0 * p.y)),
    )
}

fn moved(change: impl Fn(usize, Point) -> Point) -> Landmarks {
    let mut points = landmarks().0;
    for (i, point) in points.iter_mut().enumerate() {
        *point = change(i, *point);
    }
    Landmarks(points)
}

fn quality(photo: &RgbImage, landmarks: &Landmarks) -> Quality {
    let face = face::align(photo, landmarks, TEMPLATE).unwrap();
    Quality::of(photo, landmarks, &face).unwrap()
}

fn mapped(change: impl Fn(f32) -> f32) -> RgbImage {
    let mut photo = photo();
    for value in photo.iter_mut() {
        *value = change(f32::from(*value)) as u8;
    }
    photo
}

#[test]
fn a_good_face_has_no_flaws() {
    let quality = quality(&photo(), &landmarks());
    assert_eq!(quality.flaws(&Limits::ENROLLMENT), []);
    assert!((quality.eye_mouth_px - 81.4).abs() < 0.1, "{quality:?}");
    assert!(quality.yaw.abs() < 0.01 && quality.roll_deg.abs() < 0.5);
    assert!((quality.brightness - 130.0).abs() < 2.0);
}

#[test]
fn each_flaw_is_found_alone() {
    let turned = |by: f32| moved(move |i, p| Point::new(p.x + if i == 2 { by } else { 0.0 }, p.y));
    let leant = |degrees: f32| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        moved(move |_, p| {
            let (x, y) = (p.x - 112.0, p.y - 140.0);
            Point::new(112.0 + cos * x - sin * y, 140.0 + sin * x + cos * y)
        })
    };
    let lifted = moved(|i, p| Point::new(p.x, p.y - if i == 2 { 45.0 } else { 0.0 }));
    let small = image::imageops::thumbnail(&photo(), 64, 64);
    let on_small = moved(|_, p| Point::new(p.x * 64.0 / 224.0, p.y * 64.0 / 224.0));
    let beside = moved(|_, p| Point::new(p.x - 90.0, p.y));
    let mut glare = photo();
    for (_, _, pixel) in glare.enumerate_pixels_mut().filter(|(_, y, _)| *y > 150) {
        *pixel = Rgb([255; 3]);
    }
    let mut glasses = photo();
    for (x, y, pixel) in glasses.enumerate_pixels_mut() {
        let [right, left, ..] = landmarks().0;
        let on = |eye: Point| (x as f32 - eye.x).abs() < 26.0 && (y as f32 - eye.y).abs() < 18.0;
        if on(right) || on(left) {
            *pixel = Rgb([60 + pixel.0[0] / 20; 3]);
        }
    }
    let rows = [
        (small, on_small, Flaw::TooSmall),
        (photo(), beside, Flaw::CutOff),
        (photo(), turned(50.0), Flaw::TurnedAway),
        (photo(), turned(-50.0), Flaw::TurnedAway),
        (photo(), lifted, Flaw::TurnedAway),
        (photo(), leant(40.0), Flaw::Tilted),
        (photo(), leant(-40.0), Flaw::Tilted),
        (mapped(|v| v / 5.0), landmarks(), Flaw::TooDark),
        (mapped(|v| 230.0 + v / 12.0), landmarks(), Flaw::TooBright),
        (glare, landmarks(), Flaw::TooBright),
        (blur(&checked(24), 8.0), landmarks(), Flaw::Blurred),
        (glasses, landmarks(), Flaw::EyesHidden),
    ];
    for (i, (photo, landmarks, flaw)) in rows.iter().enumerate() {
        let quality = quality(photo, landmarks);
        assert_eq!(
            quality.flaws(&Limits::DOOR),
            [*flaw],
            "row {i}: {quality:?}"
        );
    }
}

#[test]
fn what_is_no_number_is_a_flaw() {
    let quality = Quality {
        yaw: f32::NAN,
        sharpness: f32::NAN,
        ..quality(&photo(), &landmarks())
    };
    let flaws = quality.flaws(&Limits::DOOR);
    assert_eq!(flaws, [Flaw::TurnedAway, Flaw::Blurred]);
    let one_color = self::quality(&mapped(|_| 120.0), &landmarks()).flaws(&Limits::DOOR);
    assert_eq!(one_color, [Flaw::Blurred, Flaw::EyesHidden]);
}

#[test]
fn light_and_contrast_do_not_make_a_face_blurred() {
    let bright = quality(&photo(), &landmarks()).sharpness;
    let faint = quality(&mapped(|v| 60.0 + v / 4.0), &landmarks()).sharpness;
    assert!((bright - faint).abs() < 0.02, "{bright} {faint}");
}

#[test]
fn a_nose_toward_the_left_eye_is_a_turn_to_the_left() {
    let mut face = landmarks();
    assert!(yaw(&face).unwrap().abs() < 0.01);
    face.0[2].x += 20.0;
    assert!(yaw(&face).unwrap() > 0.25);
    assert_eq!(yaw(&Landmarks([Point::new(1.0, 1.0); 5])), None);
}

proptest! {
    #[test]
    fn a_flat_picture_never_turns(
        a in 0.4..1.5_f32, b in -0.5..0.5_f32, c in -0.3..0.3_f32, d in 0.4..1.5_f32,
    ) {
        prop_assume!((a * d - b * c).abs() > 0.2);
        let before = yaw(&landmarks()).unwrap();
        let skew = |p: Point| Point::new(a * p.x + b * p.y + 9.0, c * p.x + d * p.y - 5.0);
        let after = yaw(&moved(|_, p| skew(p))).unwrap();
        prop_assert!((after - before).abs() < 1e-3);
    }
}
