//! Photographs for the parser of photographs.

use crate::bad_input::crc32;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Small ones of every kind that a camera may give.
pub(super) fn all() -> Vec<Vec<u8>> {
    let rgb = RgbImage::from_fn(24, 16, |x, y| {
        Rgb([x as u8 * 9, y as u8 * 9, (x * y) as u8])
    });
    let rgb = DynamicImage::from(rgb);
    let encoded = |image: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let jpeg = encoded(&rgb, ImageFormat::Jpeg);
    let turn =
        b"\xFF\xE1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&jpeg[..2], turn, &jpeg[2..]].concat();
    let gray = DynamicImage::from(rgb.to_luma8());
    let deep = DynamicImage::from(rgb.to_rgba16());
    vec![
        encoded(&gray, ImageFormat::Jpeg),
        encoded(&rgb, ImageFormat::Png),
        encoded(&gray, ImageFormat::Png),
        encoded(&deep, ImageFormat::Png),
        jpeg,
        turned,
    ]
}

/// Those that a camera could send.
pub(super) fn jpegs() -> Vec<Vec<u8>> {
    let is_jpeg = |file: &Vec<u8>| file.starts_with(b"\xFF\xD8");
    all().into_iter().filter(is_jpeg).collect()
}

/// Two JPEGs, in pieces of 51 bytes.
pub(super) fn stream() -> Vec<u8> {
    [&[50][..], &jpegs()[..2].concat()].concat()
}

/// Makes the checksums of a PNG's chunks right, up to the first that is cut off.
pub(super) fn repair_png(bytes: &mut [u8]) {
    let mut at = 8;
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return;
    }
    while let Some(len) = bytes.get(at..at + 4) {
        let len = u32::from_be_bytes([len[0], len[1], len[2], len[3]]) as usize;
        let Some(body) = bytes.get(at + 4..at + 8 + len) else {
            return;
        };
        let checksum = crc32(body).to_be_bytes();
        let Some(place) = bytes.get_mut(at + 8 + len..at + 12 + len) else {
            return;
        };
        place.copy_from_slice(&checksum);
        at += 12 + len;
    }
}
