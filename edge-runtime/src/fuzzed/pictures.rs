//! Pictures, and the faces that are said to be in them.

use super::floats;
use crate::face;
use crate::photo::{self, MAX_PIXELS, MAX_SIDE_PX};
use crate::quality::{self, Limits, Quality};
use image::{ImageFormat, Rgb, RgbImage};
use shared::align::{AlignTemplate, Landmarks, Point};
use std::io::Cursor;
use std::path::Path;

/// What is larger is not written and read again.
const FEW_PIXELS: u64 = 4096;

pub(super) fn photo(bytes: &[u8]) -> bool {
    let path = Path::new("photo");
    let Ok(image) = photo::from_bytes(bytes, path) else {
        return false;
    };
    let (width, height) = image.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    assert!(width.max(height) <= MAX_SIDE_PX && (1..=MAX_PIXELS).contains(&pixels));
    if pixels <= FEW_PIXELS {
        let mut png = Cursor::new(Vec::new());
        image
            .write_to(&mut png, ImageFormat::Png)
            .expect("memory takes all");
        let again = photo::from_bytes(&png.into_inner(), path).expect("it was written well");
        assert!(again == image, "another picture");
    }
    true
}

/// Landmarks that a table or a detector gives, as floats.
pub(super) fn face(bytes: &[u8]) -> bool {
    let photo = RgbImage::from_fn(160, 120, |x, y| Rgb([x as u8, y as u8, (x ^ y) as u8]));
    let numbers: [f32; 10] = floats(bytes);
    let point = |i: usize| Point::new(numbers[2 * i], numbers[2 * i + 1]);
    let landmarks = Landmarks(std::array::from_fn(point));
    let turn = quality::yaw(&landmarks);
    assert!(turn.is_none_or(f32::is_finite), "turned by {turn:?}");
    for template in AlignTemplate::ALL {
        let Ok(face) = face::align(&photo, &landmarks, template) else {
            return false;
        };
        assert_eq!(face.pixels().len(), template.rgb_len());
        let quality = Quality::of(&photo, &landmarks, &face).expect("it was cut out");
        assert!((0.0..=1.0).contains(&quality.outside), "{quality:?}");
        assert!((0.0..=255.0).contains(&quality.brightness), "{quality:?}");
        // What cannot be measured is not good.
        let measured = [
            quality.yaw,
            quality.pitch,
            quality.eye_mouth_px,
            quality.sharpness,
        ];
        let good = quality.flaws(&Limits::DOOR).is_empty();
        assert!(
            !good || measured.iter().all(|m| m.is_finite()),
            "{quality:?}"
        );
    }
    true
}
