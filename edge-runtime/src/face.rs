//! From a photograph and its landmarks to the crop that the network takes.

use crate::quality::{Flaw, Limits, Quality};
use image::RgbImage;
use shared::align::{self, AlignTemplate, AlignedFace, Landmarks, UnusableLandmarks};

/// Why no face could be cut out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaceError {
    /// The landmarks are no face, or one of too few pixels.
    #[error(transparent)]
    Landmarks(#[from] UnusableLandmarks),
    /// The landmarks lie elsewhere.
    #[error(
        "the landmarks lie outside the image of {width}x{height} pixels; they belong to another version of it, find them again"
    )]
    Outside {
        /// Width of the image in pixels.
        width: u32,
        /// Height of the image in pixels.
        height: u32,
    },
    /// It would be compared badly.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Poor(Vec<Flaw>),
}

/// Cuts the face out of a photograph (pixels of the upright image) onto the template.
///
/// # Errors
/// [`FaceError`]; the middle of the landmarks must lie inside the image.
pub fn align(
    photo: &RgbImage,
    landmarks: &Landmarks,
    template: AlignTemplate,
) -> Result<AlignedFace, FaceError> {
    let (width, height) = photo.dimensions();
    let outside = FaceError::Outside { width, height };
    let mean =
        |axis: fn(usize, &Landmarks) -> f32| (0..5).map(|i| axis(i, landmarks)).sum::<f32>() / 5.0;
    let (x, y) = (mean(|i, l| l.0[i].x), mean(|i, l| l.0[i].y));
    let inside = (0.0..width as f32).contains(&x) && (0.0..height as f32).contains(&y);
    // What is not finite is no place at all, so it is left to the fit to say so.
    if !inside && x.is_finite() && y.is_finite() {
        return Err(outside);
    }
    let image = align::RgbImage::new(width as usize, height as usize, photo.as_raw());
    Ok(align::align(image.ok_or(outside)?, landmarks, template)?)
}

/// The same, and how good it is.
///
/// # Errors
/// [`FaceError`], but for `Poor`.
pub fn measured(
    photo: &RgbImage,
    landmarks: &Landmarks,
    template: AlignTemplate,
) -> Result<(AlignedFace, Quality), FaceError> {
    let face = align(photo, landmarks, template)?;
    let quality = Quality::of(photo, landmarks, &face)?;
    Ok((face, quality))
}

/// The same of a face that is good enough to be compared.
///
/// # Errors
/// [`FaceError`]; [`FaceError::Poor`] tells all that is wrong with it.
pub fn good(
    photo: &RgbImage,
    landmarks: &Landmarks,
    template: AlignTemplate,
    limits: &Limits,
) -> Result<AlignedFace, FaceError> {
    let (face, quality) = measured(photo, landmarks, template)?;
    let flaws = quality.flaws(limits);
    match flaws.is_empty() {
        true => Ok(face),
        false => Err(FaceError::Poor(flaws)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::align::Point;

    #[test]
    fn only_landmarks_inside_the_image_give_a_face() {
        let template = AlignTemplate::Arcface112x112;
        let on_template = template.landmarks();
        let photo = RgbImage::from_pixel(112, 112, image::Rgb([9, 8, 7]));
        let face = align(&photo, &on_template, template).unwrap();
        assert_eq!(face.pixels()[..3], [9, 8, 7]);

        let moved = Landmarks(on_template.0.map(|p| Point::new(p.x + 90.0, p.y)));
        let outside = FaceError::Outside {
            width: 112,
            height: 112,
        };
        assert_eq!(align(&photo, &moved, template), Err(outside));
        let nowhere = Landmarks([Point::new(f32::NAN, 3.0); 5]);
        let error = align(&photo, &nowhere, template).unwrap_err();
        assert_eq!(error, FaceError::Landmarks(UnusableLandmarks::Degenerate));
    }
}
