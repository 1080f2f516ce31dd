use super::*;
use alloc::vec;

const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

#[test]
fn an_image_on_the_template_is_copied_and_cut() {
    let pixels: Vec<u8> = (0..112 * 112 * 3).map(|i| (i * 31 % 251) as u8).collect();
    let image = RgbImage::new(112, 112, &pixels).unwrap();
    let same = align(image, &TEMPLATE.landmarks(), TEMPLATE).unwrap();
    assert!(
        same.pixels()
            .iter()
            .zip(&pixels)
            .all(|(a, b)| a.abs_diff(*b) <= 1)
    );
    let cut = align(
        image,
        &TEMPLATE.landmarks(),
        AlignTemplate::Sphereface112x96,
    )
    .unwrap();
    assert!(cut.pixels()[0].abs_diff(pixels[8 * 3]) <= 1);
}

#[test]
fn a_large_photograph_is_averaged_not_skipped_through() {
    // A checkerboard of single pixels at four times the template's scale must become grey.
    let side = 448;
    let mut pixels = vec![0; side * side * 3];
    for (i, p) in pixels.chunks_exact_mut(3).enumerate() {
        p.fill(if (i % side + i / side) % 2 == 0 {
            255
        } else {
            0
        });
    }
    let image = RgbImage::new(side, side, &pixels).unwrap();
    let landmarks = Landmarks(
        TEMPLATE
            .landmarks()
            .0
            .map(|p| Point::new(4.0 * p.x + 1.5, 4.0 * p.y + 1.5)),
    );
    let face = align(image, &landmarks, TEMPLATE).unwrap();
    let center = face.pixels()[(56 * 112 + 56) * 3];
    assert!(center.abs_diff(128) < 10, "{center}");
}

/// By its definition, in twice as many digits.
fn defined(image: RgbImage<'_>, to_image: &Similarity, x: usize, y: usize) -> [f64; 3] {
    let n = libm::roundf(to_image.scale()).clamp(1.0, 8.0) as i32;
    let mut sum = [0.0; 3];
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let within = |i: i32| (f64::from(i) + 0.5) / f64::from(n) - 0.5;
        let at = (x as f64 + within(i), y as f64 + within(j));
        let [a, b, tx, ty] = [to_image.a, to_image.b, to_image.tx, to_image.ty].map(f64::from);
        let (u, v) = (a * at.0 - b * at.1 + tx, b * at.0 + a * at.1 + ty);
        for (row, column) in (-1..=1).flat_map(|j| (-1..=1).map(move |i| (j, i))) {
            let (column, row) = (u.floor() as i64 + column, v.floor() as i64 + row);
            let weight = |at: f64, pixel: i64| (1.0 - (at - pixel as f64).abs()).max(0.0);
            let weight = weight(u, column) * weight(v, row);
            let inside = |i: i64, side: usize| (0..side as i64).contains(&i);
            if inside(column, image.width) && inside(row, image.height) {
                let at = (row as usize * image.width + column as usize) * 3;
                (0..3).for_each(|c| sum[c] += weight * f64::from(image.pixels[at + c]));
            }
        }
    }
    sum.map(|s| s / f64::from(n * n))
}

#[test]
fn every_pixel_is_what_the_definition_gives() {
    let (width, height) = (60, 40);
    let pixels: Vec<u8> = (0..width * height * 3)
        .map(|i| (i * 7919 % 251) as u8)
        .collect();
    let image = RgbImage::new(width, height, &pixels).unwrap();
    // Turned, of several sizes, over each edge.
    for (scale, turn, dx, dy) in [
        (0.3, 0.0, 10.0, 5.0),
        (0.4, 0.5, 30.0, -20.0),
        (1.0, -0.2, -50.0, 0.0),
        (2.3, 1.9, 40.0, 30.0),
        (9.0, 3.0, 500.0, 600.0),
    ] {
        let (sin, cos) = libm::sincosf(turn);
        let place = |p: Point| {
            let (x, y) = (p.x * scale, p.y * scale);
            Point::new(x * cos - y * sin + dx, x * sin + y * cos + dy)
        };
        let landmarks = Landmarks(TEMPLATE.landmarks().0.map(place));
        let face = align(image, &landmarks, TEMPLATE).unwrap();
        let to_crop = Similarity::fit(&landmarks, &TEMPLATE.landmarks()).unwrap();
        let to_image = to_crop.inverted();
        let mut seen = 0;
        for (i, pixel) in face.pixels().chunks_exact(3).enumerate() {
            let expected = defined(image, &to_image, i % 112, i / 112);
            for (got, expected) in pixel.iter().zip(expected) {
                // A half, and what is lost in floats.
                let off = (f64::from(*got) - expected).abs();
                assert!(off < 0.52, "{scale}: pixel {i} is {got}, not {expected}");
                seen += usize::from(*got > 0);
            }
        }
        assert!(seen > 100, "{scale}: {seen}");
    }
}

#[test]
fn mirroring_twice_is_the_same_face() {
    let pixels: Vec<u8> = (0..112 * 96 * 3).map(|i| (i % 255) as u8).collect();
    let face = AlignedFace::from_pixels(AlignTemplate::Sphereface112x96, pixels).unwrap();
    assert_ne!(face.mirrored(), face);
    assert_eq!(face.mirrored().mirrored(), face);
    assert_eq!(face.mirrored().pixels()[..3], face.pixels()[95 * 3..96 * 3]);
}

#[test]
fn landmarks_beyond_the_image_give_black() {
    let pixels = [255; 12];
    let image = RgbImage::new(2, 2, &pixels).unwrap();
    for far in [1e9, -1e9, 3e37] {
        let landmarks = Landmarks(TEMPLATE.landmarks().0.map(|p| Point::new(p.x + far, p.y)));
        if let Ok(face) = align(image, &landmarks, TEMPLATE) {
            assert!(face.pixels().iter().all(|byte| *byte == 0));
        }
    }
}
