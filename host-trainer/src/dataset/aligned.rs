//! Image files that are aligned crops already, as InsightFace's sets hold.

use edge_runtime::photo::{self, PhotoError};
use image::RgbImage;
use shared::align::{AlignTemplate, AlignedFace};
use std::path::{Path, PathBuf};

/// The template that such crops were aligned to; every other one is cut out of it.
pub const TEMPLATE: AlignTemplate = AlignTemplate::Arcface112x112;

/// Why an image file is no aligned crop.
#[derive(Debug, thiserror::Error)]
pub enum AlignedError {
    /// Not an image, cut off, or too large.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// Of another size: where the face lies in it is not known.
    #[error(
        "{}: found {}x{} pixels, expected {}x{}, aligned to ArcFace's template; align and pack the images anew",
        name.display(), size.0, size.1, TEMPLATE.width(), TEMPLATE.height()
    )]
    Size {
        /// The image.
        name: PathBuf,
        /// Width and height that were found, in pixels.
        size: (u32, u32),
    },
}

/// Decodes a crop; `name` stands for the file in errors.
///
/// # Errors
/// [`AlignedError`].
pub fn decode(
    bytes: &[u8],
    name: &Path,
    template: AlignTemplate,
) -> Result<AlignedFace, AlignedError> {
    let photo = photo::from_bytes(bytes, name)?;
    check_size(photo.dimensions(), name)?;
    Ok(cut(&photo, template))
}

/// # Errors
/// [`AlignedError::Size`] unless the size is [`TEMPLATE`]'s.
pub fn check_size(size: (u32, u32), name: &Path) -> Result<(), AlignedError> {
    let good = (size.0 as usize, size.1 as usize) == (TEMPLATE.width(), TEMPLATE.height());
    let name = name.into();
    good.then_some(()).ok_or(AlignedError::Size { name, size })
}

/// Cuts as many columns off on either side as the template is narrower.
fn cut(photo: &RgbImage, template: AlignTemplate) -> AlignedFace {
    let (from, to) = (TEMPLATE.width() * 3, template.width() * 3);
    let left = (from - to) / 2;
    let rows = photo.as_raw().chunks_exact(from);
    let pixels = rows.flat_map(|row| &row[left..left + to]).copied();
    AlignedFace::from_pixels(template, pixels.collect()).expect("rows of the template's width")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use shared::align::{self, RgbImage as View};

    #[test]
    fn a_crop_is_cut_to_what_the_narrower_template_says() {
        let photo = RgbImage::from_fn(112, 112, |x, y| Rgb([x as u8, y as u8, (x ^ y) as u8]));
        let view = View::new(112, 112, photo.as_raw()).unwrap();
        for template in [TEMPLATE, AlignTemplate::Sphereface112x96] {
            // Aligning a crop by its own template's landmarks moves nothing but the border.
            let expected = align::align(view, &TEMPLATE.landmarks(), template).unwrap();
            assert!(cut(&photo, template) == expected, "{template:?}");
        }
        let narrow = cut(&photo, AlignTemplate::Sphereface112x96);
        assert_eq!(narrow.pixels()[..3], [8, 0, 8]);
    }
}
