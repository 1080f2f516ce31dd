//! Alignment: five landmarks, the template they are fitted to, and the similarity between them.

mod warp;

pub use warp::{AlignedFace, RgbImage, align, mirror_rows};

use serde::{Deserialize, Serialize};

/// A position in pixels; the center of the top left pixel is (0, 0), y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
}

impl Point {
    /// A point from its coordinates in pixels.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

/// Five landmarks in pixels of their image: right eye, left eye, nose tip, right and left corner
/// of the mouth. Right and left are the subject's own, so the right eye lies left in the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Landmarks(pub [Point; 5]);

/// Where the landmarks of an aligned crop lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlignTemplate {
    /// 112x112, the positions that ArcFace made common.
    Arcface112x112,
    /// 112 high and 96 wide, as SphereFace and the AM-Softmax paper use: the same, 8 pixels cut left and right.
    Sphereface112x96,
}

const ARCFACE: [Point; 5] = [
    Point::new(38.2946, 51.6963),
    Point::new(73.5318, 51.5014),
    Point::new(56.0252, 71.7366),
    Point::new(41.5493, 92.3655),
    Point::new(70.7299, 92.2041),
];

impl AlignTemplate {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Arcface112x112, Self::Sphereface112x96];

    /// Width of the crop in pixels.
    pub const fn width(self) -> usize {
        match self {
            Self::Arcface112x112 => 112,
            Self::Sphereface112x96 => 96,
        }
    }

    /// Height of the crop in pixels.
    pub const fn height(self) -> usize {
        112
    }

    /// Bytes of an RGB crop.
    pub const fn rgb_len(self) -> usize {
        self.width() * self.height() * 3
    }

    /// Where the five landmarks lie in the crop.
    pub fn landmarks(self) -> Landmarks {
        let cut = (112 - self.width()) as f32 / 2.0;
        Landmarks(ARCFACE.map(|p| Point::new(p.x - cut, p.y)))
    }
}

/// How far apart the eyes of the smallest face are, in pixels, seen from the front. The crop of a
/// smaller one is a smear of a few colors, alike for many people.
pub const MIN_EYE_DISTANCE_PX: f32 = 8.0;

/// Why landmarks span no usable face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableLandmarks {
    /// No similarity maps them.
    #[error(
        "the five landmarks coincide or are not finite; check the row of this image in landmarks.csv"
    )]
    Degenerate,
    /// Of too few pixels to tell people apart.
    #[error(
        "the face is too small: its eyes are less than {MIN_EYE_DISTANCE_PX} pixels apart; come nearer to the camera, or take a larger version of the image"
    )]
    TooSmall,
}

/// Rotation, uniform scale and translation: `(a x - b y + tx, b x + a y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    a: f32,
    b: f32,
    tx: f32,
    ty: f32,
}

impl Similarity {
    /// The least-squares similarity without reflection that maps `from` to `to` (Umeyama 1991,
    /// in its closed form for two dimensions).
    ///
    /// # Errors
    /// [`UnusableLandmarks`]: `from` or `to` has no extent, a coordinate is not finite, or the
    /// face in `from` is smaller than [`MIN_EYE_DISTANCE_PX`] allows.
    pub fn fit(from: &Landmarks, to: &Landmarks) -> Result<Self, UnusableLandmarks> {
        let fit = Self::fit_any_size(from, to)?;
        // By the fit and not by the eyes alone, which are close together in a profile.
        let [right, left, ..] = to.0;
        let eyes = libm::hypotf(left.x - right.x, left.y - right.y) / fit.scale();
        let large = eyes >= MIN_EYE_DISTANCE_PX;
        large.then_some(fit).ok_or(UnusableLandmarks::TooSmall)
    }

    /// The same for a face of any size.
    ///
    /// # Errors
    /// [`UnusableLandmarks::Degenerate`].
    pub fn fit_any_size(from: &Landmarks, to: &Landmarks) -> Result<Self, UnusableLandmarks> {
        let (cf, ct) = (centroid(from), centroid(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (f, t) in from.0.iter().zip(&to.0) {
            let (fx, fy, tx, ty) = (f.x - cf.x, f.y - cf.y, t.x - ct.x, t.y - ct.y);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (a, b) = (dot / spread, cross / spread);
        let fit = Self {
            a,
            b,
            tx: ct.x - a * cf.x + b * cf.y,
            ty: ct.y - b * cf.x - a * cf.y,
        };
        // A face larger than any sensor is no face.
        let scale = fit.scale();
        let good = scale >= 1e-4 && fit.tx.is_finite() && fit.ty.is_finite();
        good.then_some(fit).ok_or(UnusableLandmarks::Degenerate)
    }

    /// Length of a unit vector after the map.
    pub fn scale(&self) -> f32 {
        libm::hypotf(self.a, self.b)
    }

    /// The map back; a fitted similarity has one.
    pub fn inverted(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self {
            a,
            b,
            tx: -(a * self.tx - b * self.ty),
            ty: -(b * self.tx + a * self.ty),
        }
    }

    /// The image of a point.
    pub fn apply(&self, p: Point) -> Point {
        Point::new(
            self.a * p.x - self.b * p.y + self.tx,
            self.b * p.x + self.a * p.y + self.ty,
        )
    }
}

fn centroid(landmarks: &Landmarks) -> Point {
    let sum = |axis: fn(&Point) -> f32| landmarks.0.iter().map(axis).sum::<f32>() / 5.0;
    Point::new(sum(|p| p.x), sum(|p| p.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(a: f32, b: f32, tx: f32, ty: f32) -> Landmarks {
        let map = Similarity { a, b, tx, ty };
        Landmarks(ARCFACE.map(|p| map.apply(p)))
    }

    #[test]
    fn fit_recovers_a_similarity() {
        for (a, b, tx, ty) in [
            (1.0, 0.0, 0.0, 0.0),
            (0.5, 0.3, 20.0, -7.0),
            (-2.0, 1.0, 300.0, 40.0),
        ] {
            let found = Similarity::fit(&Landmarks(ARCFACE), &moved(a, b, tx, ty)).unwrap();
            for (got, want) in [(found.a, a), (found.b, b), (found.tx, tx), (found.ty, ty)] {
                assert!((got - want).abs() < 1e-3, "{found:?}");
            }
            let back = found.inverted().apply(found.apply(Point::new(12.0, 34.0)));
            assert!((back.x - 12.0).abs() < 1e-3 && (back.y - 34.0).abs() < 1e-3);
        }
    }

    #[test]
    fn landmarks_without_extent_are_refused() {
        for p in [
            Point::new(3.0, 3.0),
            Point::new(f32::NAN, 1.0),
            Point::new(f32::INFINITY, 1.0),
        ] {
            let landmarks = Landmarks([p; 5]);
            assert_eq!(
                Similarity::fit(&landmarks, &Landmarks(ARCFACE)),
                Err(UnusableLandmarks::Degenerate)
            );
        }
    }

    #[test]
    fn a_face_of_a_few_pixels_is_refused() {
        let on_template = Landmarks(ARCFACE);
        for (eyes, taken) in [(30.0, true), (8.1, true), (7.9, false), (0.01, false)] {
            let scale = eyes / (ARCFACE[1].x - ARCFACE[0].x);
            let fit = Similarity::fit(&moved(scale, 0.0, 50.0, 60.0), &on_template);
            let refused = Some(UnusableLandmarks::TooSmall).filter(|_| !taken);
            assert_eq!(fit.err(), refused, "{eyes} px");
        }
        // A profile: the eyes are close together, and the face is large.
        let narrow = ARCFACE.map(|p| Point::new(p.x / 10.0, p.y));
        assert!(Similarity::fit(&Landmarks(narrow), &on_template).is_ok());
    }
}
