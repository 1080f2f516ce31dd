//! What a camera gave, to an upright picture.

use super::settings::{Picture, Rotation};
use super::yuyv;
use crate::contained::contained;
use crate::jpeg;
use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, RgbImage, imageops};
use std::io::Cursor;

/// A frame as a camera gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coded {
    /// A JPEG; the standard Huffman tables may be missing, and zeros may follow.
    Jpeg(Vec<u8>),
    /// Rows of `stride` bytes.
    #[cfg_attr(
        not(all(feature = "v4l2", target_os = "linux")),
        allow(dead_code, reason = "only USB cameras give it")
    )]
    Yuyv {
        /// All rows.
        bytes: Vec<u8>,
        /// From one row to the next.
        stride: usize,
    },
    /// Nothing that can be decoded, and why.
    Garbled(String),
}

/// The picture, turned upright.
///
/// # Errors
/// What is wrong with the frame, or that it is not of the size asked for.
pub(super) fn decode(coded: &Coded, asked: &Picture) -> Result<RgbImage, String> {
    let image = match coded {
        // A decoder that panics must not end the door.
        Coded::Jpeg(bytes) => contained(|| from_jpeg(bytes, asked))
            .unwrap_or_else(|said| Err(format!("a garbled frame: {said}")))?,
        Coded::Yuyv { bytes, stride } => {
            yuyv::to_rgb(bytes, *stride, asked.width_px, asked.height_px)?
        }
        Coded::Garbled(reason) => return Err(reason.clone()),
    };
    Ok(match asked.rotation {
        Rotation::None => image,
        Rotation::Clockwise90 => imageops::rotate90(&image),
        Rotation::Half => imageops::rotate180(&image),
        Rotation::Clockwise270 => imageops::rotate270(&image),
    })
}

fn from_jpeg(bytes: &[u8], asked: &Picture) -> Result<RgbImage, String> {
    // The decoder fills the missing rest with grey, which is no face.
    let whole = jpeg::with_huffman_tables(bytes);
    let (image, behind) = whole.ok_or("a garbled frame: the JPEG was cut off")?;
    // Cameras pad with zeros. Anything else is a part of another frame.
    if behind.iter().any(|byte| *byte != 0) {
        let len = behind.len();
        return Err(format!(
            "a garbled frame: {len} bytes behind the end of the JPEG"
        ));
    }
    let garbled = |error: ImageError| format!("a garbled frame: {error}");
    let decoder = JpegDecoder::new(Cursor::new(&*image)).map_err(garbled)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (asked.width_px, asked.height_px) {
        return Err(format!(
            "a frame of another size: {width}x{height}, expected {}x{}; set [camera] width and height to what the camera gives",
            asked.width_px, asked.height_px
        ));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(garbled)?;
    Ok(image.into_rgb8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::tests::{encoded, picture, without_huffman_tables};

    fn asked(width_px: u32, height_px: u32, rotation: Rotation) -> Picture {
        Picture {
            width_px,
            height_px,
            frames_per_second: 30.0,
            rotation,
        }
    }

    fn of_jpeg(bytes: Vec<u8>) -> Result<RgbImage, String> {
        decode(&Coded::Jpeg(bytes), &asked(40, 30, Rotation::None))
    }

    #[test]
    fn a_jpeg_gives_its_picture_with_tables_or_without_padded_or_not() {
        let jpeg = encoded(&picture(40, 30));
        let expected = image::load_from_memory(&jpeg).unwrap().into_rgb8();
        let (without, _) = without_huffman_tables(&jpeg);
        for good in [jpeg.clone(), without, [&jpeg[..], &[0; 512]].concat()] {
            assert_eq!(of_jpeg(good), Ok(expected.clone()));
        }
    }

    #[test]
    fn a_frame_that_is_not_as_asked_for_says_why() {
        let jpeg = encoded(&picture(40, 30));
        let larger = encoded(&picture(48, 30));
        let mut no_tables = jpeg.clone();
        let quantization = jpeg.windows(2).position(|two| two == [0xFF, 0xDB]).unwrap();
        no_tables[quantization + 4] = 0xFF;
        for (bytes, needle) in [
            (jpeg[..jpeg.len() / 2].to_vec(), "was cut off"),
            ([&jpeg[..], &jpeg[..9]].concat(), "9 bytes behind"),
            (larger, "another size: 48x30, expected 40x30"),
            (no_tables, "a garbled frame: "),
            (b"GIF89a".to_vec(), "was cut off"),
            (vec![], "was cut off"),
        ] {
            let error = of_jpeg(bytes).unwrap_err();
            assert!(error.contains(needle), "{error}");
        }
        let garbled = Coded::Garbled("because".into());
        let told = decode(&garbled, &asked(40, 30, Rotation::None));
        assert_eq!(told, Err("because".into()));
    }

    #[test]
    fn a_panic_of_the_decoder_is_a_garbled_frame() {
        let bytes = include_bytes!("../../tests/scenarios/panics_a_decoder.jpg");
        let asked = asked(24, 16, Rotation::None);
        let told = decode(&Coded::Jpeg(bytes.to_vec()), &asked).unwrap_err();
        let said = told.strip_prefix("a garbled frame: ");
        assert!(said.is_some_and(|said| !said.contains("JPEG")), "{told}");
    }

    #[test]
    fn a_picture_is_turned_upright() {
        // Two pixels side by side, white and black.
        let coded = Coded::Yuyv {
            bytes: vec![235, 128, 16, 128],
            stride: 4,
        };
        for (rotation, size, first) in [
            (Rotation::None, (2, 1), 255),
            (Rotation::Clockwise90, (1, 2), 255),
            (Rotation::Half, (2, 1), 0),
            (Rotation::Clockwise270, (1, 2), 0),
        ] {
            let image = decode(&coded, &asked(2, 1, rotation)).unwrap();
            assert_eq!(image.dimensions(), size);
            assert_eq!(image.get_pixel(0, 0).0, [first; 3], "{rotation:?}");
        }
    }
}
