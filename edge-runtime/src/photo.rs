//! Photographs: JPEG and PNG files to upright RGB, within limits.

use crate::capped_file::{self, ReadError};
use crate::contained::contained;
use crate::jpeg::{Walk, Walked};
use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const MAX_FILE_LEN: u64 = 64 << 20;
/// The most pixels a side.
pub const MAX_SIDE_PX: u32 = 12_000;
/// The most pixels in all.
pub const MAX_PIXELS: u64 = 40_000_000;
/// What a pixel takes at most while it is decoded: 16-bit RGBA (8 bytes), or as many bytes of
/// coefficients in a progressive JPEG, beside the RGB that is made of it.
const MAX_BYTES_PER_PIXEL: u64 = 8 + 3;

/// Why a file gives no photograph.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// The file cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No bytes.
    #[error("{}: the file is empty; copy it again", .0.display())]
    Empty(PathBuf),
    /// Something else than JPEG or PNG.
    #[error("{}: neither JPEG nor PNG; convert it", .0.display())]
    NotAnImage(PathBuf),
    /// More pixels than any camera has, or a file that unpacks to a thousand times its size.
    #[error(
        "{}: the image is too large, expected at most {MAX_SIDE_PX} pixels a side and {} megapixels; scale it down",
        .0.display(), MAX_PIXELS / 1_000_000
    )]
    TooLarge(PathBuf),
    /// It begins as an image and does not end as one.
    #[error("{}: the image was cut off; copy it again", .0.display())]
    Truncated(PathBuf),
    /// It is an image and cannot be decoded.
    #[error("{}: the image is damaged: {reason}; copy it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
}

/// Whether a file is called as photographs that can be read are.
pub fn is_named_as_one(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["jpg", "jpeg", "png"]
        .iter()
        .any(|known| extension == *known)
}

/// Reads a photograph and turns it upright as its EXIF orientation says.
///
/// # Errors
/// [`PhotoError`], each variant with the path.
pub fn read(path: &Path) -> Result<RgbImage, PhotoError> {
    from_bytes(&capped_file::read(path, MAX_FILE_LEN)?, path)
}

/// The same of a file's bytes; `name` stands for the file in errors.
///
/// # Errors
/// [`PhotoError`], each variant with the name.
pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<RgbImage, PhotoError> {
    match contained(|| decode(bytes)) {
        Ok(decoded) => decoded.map_err(|fault| fault.at(name)),
        Err(reason) => Err(PhotoError::Damaged {
            path: name.into(),
            reason,
        }),
    }
}

/// What is wrong, before the path is known.
enum Fault {
    Empty,
    NotAnImage,
    Truncated,
    Decoder(ImageError),
    TooLarge,
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        Self::Decoder(error)
    }
}

impl Fault {
    fn at(self, path: &Path) -> PhotoError {
        let path = path.to_path_buf();
        match self {
            Self::Empty => PhotoError::Empty(path),
            Self::NotAnImage => PhotoError::NotAnImage(path),
            Self::Truncated => PhotoError::Truncated(path),
            Self::TooLarge => PhotoError::TooLarge(path),
            Self::Decoder(ImageError::Limits(error)) => match error.kind() {
                LimitErrorKind::Unsupported { .. } => PhotoError::Damaged {
                    path,
                    reason: error.to_string(),
                },
                _ => PhotoError::TooLarge(path),
            },
            Self::Decoder(ImageError::IoError(error))
                if error.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                PhotoError::Truncated(path)
            }
            Self::Decoder(error) => PhotoError::Damaged {
                path,
                reason: error.to_string(),
            },
        }
    }
}

fn decode(bytes: &[u8]) -> Result<RgbImage, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let format = image::guess_format(bytes).map_err(|_| Fault::NotAnImage)?;
    match format {
        // The decoder fills the missing rest of a JPEG with grey, which is no face.
        ImageFormat::Jpeg if !matches!(Walk::default().on(bytes), Walked::Whole(_)) => {
            return Err(Fault::Truncated);
        }
        ImageFormat::Jpeg | ImageFormat::Png => {}
        _ => return Err(Fault::NotAnImage),
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    // By pixels, not by the bytes that the decoder gives: grey of one bit becomes RGB here.
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Fault::TooLarge);
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    limits.max_alloc = Some(MAX_PIXELS * MAX_BYTES_PER_PIXEL);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 6, y as u8 * 8, 90]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// An APP1 segment that says "rotate by 90 degrees clockwise", right after the start marker.
    fn rotated(jpeg: &[u8]) -> Vec<u8> {
        let tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let mut bytes = jpeg[..2].to_vec();
        bytes.extend([0xFF, 0xE1, 0, tiff.len() as u8 + 2]);
        bytes.extend(tiff);
        bytes.extend(&jpeg[2..]);
        bytes
    }

    #[test]
    fn both_formats_are_read() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let image = decode(&encoded(format)).ok().unwrap();
            assert_eq!(image.dimensions(), (40, 30));
            assert!(image.get_pixel(30, 5).0[0].abs_diff(180) < 12);
        }
    }

    #[test]
    fn a_photograph_is_turned_upright() {
        let image = decode(&rotated(&encoded(ImageFormat::Jpeg))).ok().unwrap();
        assert_eq!(image.dimensions(), (30, 40));
        // What was bottom left is now top left.
        assert!(image.get_pixel(0, 0).0[1] > 200);
    }

    #[test]
    fn a_cut_off_image_is_refused_wherever_it_was_cut() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = encoded(format);
            // A PNG may lack its last chunk (12 bytes) and still have every pixel.
            for len in 1..bytes.len() - 12 {
                assert!(decode(&bytes[..len]).is_err(), "{format:?} of {len} bytes");
            }
        }
    }
}
