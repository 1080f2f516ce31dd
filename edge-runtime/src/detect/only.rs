//! The one face in a picture that is to be compared.

use super::{Detection, Detector};
use crate::network::NetworkError;
use image::RgbImage;
use shared::align::Landmarks;

/// A face is with the largest one, and not behind it, if its side is at least this share of the
/// largest's.
const BESIDE: f32 = 0.5;

/// Why there is not one face to compare.
#[derive(Debug, thiserror::Error)]
pub enum NotOneFace {
    /// Nobody.
    #[error("no face in the picture")]
    None,
    /// Who is meant cannot be known.
    #[error("{0} faces: one person at a time, the others stand back")]
    Several(usize),
    /// The detector does not run.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl Detector {
    /// The face in a picture, others being at most half as large.
    ///
    /// # Errors
    /// [`NotOneFace`].
    pub fn only_face(&self, image: &RgbImage) -> Result<Landmarks, NotOneFace> {
        only(&self.detect(image)?)
    }
}

/// The same among faces that were found.
///
/// # Errors
/// [`NotOneFace`], but for `Network`.
pub fn only(found: &[Detection]) -> Result<Landmarks, NotOneFace> {
    let largest = found.iter().max_by(|a, b| a.side.total_cmp(&b.side));
    let largest = largest.ok_or(NotOneFace::None)?;
    let near = found.iter().filter(|d| d.side >= BESIDE * largest.side);
    match near.count() {
        1 => Ok(largest.landmarks),
        several => Err(NotOneFace::Several(several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::align::Point;

    #[test]
    fn a_person_in_front_of_others_is_meant_and_two_side_by_side_are_not() {
        let face = |x: f32, side: f32| Detection {
            score: 0.9,
            landmarks: Landmarks([Point::new(x, 5.0); 5]),
            side,
        };
        assert!(matches!(only(&[]), Err(NotOneFace::None)));
        let chosen = only(&[face(10.0, 30.0), face(50.0, 100.0), face(90.0, 49.0)]).unwrap();
        assert_eq!(chosen.0[0].x, 50.0);
        let several = only(&[face(10.0, 50.0), face(50.0, 100.0)]);
        assert!(matches!(several, Err(NotOneFace::Several(2))));
    }
}
