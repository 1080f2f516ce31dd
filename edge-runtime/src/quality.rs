//! Whether a face in a photograph is good enough to be compared, and what to do if it is not.

mod luma;

use image::RgbImage;
use luma::Luma;
use serde::Serialize;
use shared::align::{AlignTemplate, AlignedFace, Landmarks, Point, Similarity, UnusableLandmarks};
use std::fmt;

/// What was measured of a face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// From the middle of the eyes to the middle of the mouth, pixels of the photograph. Eye to
    /// chin is 1.6 times as much.
    pub eye_mouth_px: f32,
    /// How far the nose lies off the line from eyes to mouth, by the distance of the eyes: 0 for a
    /// face seen from the front, positive if it is turned to the subject's left.
    pub yaw: f32,
    /// Where the nose lies between eyes (0) and mouth (1); 0.5 from the front.
    pub pitch: f32,
    /// Between the line of the eyes and the horizontal, degrees.
    pub roll_deg: f32,
    /// Share of the aligned crop that lies outside of the photograph.
    pub outside: f32,
    /// Mean brightness of the face, 0 to 255.
    pub brightness: f32,
    /// Share of the face that is as bright as a pixel can be.
    pub glare: f32,
    /// Mean difference in brightness of neighbors in the crop by that of pixels four apart: 0.25 for
    /// a smooth slope, more for what has edges, whatever the light and the contrast.
    pub sharpness: f32,
    /// How much brightness varies around the eye where it varies less, by how much it does over the
    /// face (standard deviations): near 0 behind dark glasses.
    pub eyes: f32,
}

/// What a face must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Least [`Quality::eye_mouth_px`].
    pub eye_mouth_px: f32,
    /// Largest [`Quality::yaw`] to either side.
    pub yaw: f32,
    /// [`Quality::pitch`] from, to.
    pub pitch: (f32, f32),
    /// Largest [`Quality::roll_deg`] to either side.
    pub roll_deg: f32,
    /// Largest [`Quality::outside`].
    pub outside: f32,
    /// [`Quality::brightness`] from, to.
    pub brightness: (f32, f32),
    /// Largest [`Quality::glare`].
    pub glare: f32,
    /// Least [`Quality::sharpness`].
    pub sharpness: f32,
    /// Least [`Quality::eyes`].
    pub eyes: f32,
}

impl Limits {
    /// Of a look at the door.
    pub const DOOR: Self = Self {
        eye_mouth_px: 25.0,
        yaw: 0.6,
        pitch: (0.2, 0.85),
        roll_deg: 35.0,
        outside: 0.3,
        brightness: (40.0, 225.0),
        glare: 0.25,
        sharpness: 0.285,
        eyes: 0.14,
    };
    /// Of a photograph that somebody is enrolled from: every later look is compared with it.
    pub const ENROLLMENT: Self = Self {
        eye_mouth_px: 30.0,
        yaw: 0.4,
        pitch: (0.3, 0.75),
        roll_deg: 25.0,
        outside: 0.2,
        brightness: (55.0, 210.0),
        glare: 0.15,
        sharpness: 0.295,
        eyes: 0.2,
    };
}

/// Why a face is not good enough. Its text says what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Too few pixels.
    TooSmall,
    /// A part of it is outside of the photograph.
    CutOff,
    /// Seen from the side, from above or from below.
    TurnedAway,
    /// The head leans to a shoulder.
    Tilted,
    /// Too little light.
    TooDark,
    /// Too much light, or some of it so bright that nothing is left to see.
    TooBright,
    /// Out of focus, or moved.
    Blurred,
    /// Behind dark glasses, or covered.
    EyesHidden,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSmall => "the face is too small; come closer",
            Self::CutOff => "the face is cut off; move to the middle of the picture",
            Self::TurnedAway => "the face is turned away; look into the camera",
            Self::Tilted => "the head is tilted; hold it upright",
            Self::TooDark => "the face is too dark; more light from the front",
            Self::TooBright => "the face is too bright; less light, no sun on it",
            Self::Blurred => "the face is blurred; hold still, clean the lens",
            Self::EyesHidden => {
                "the eyes cannot be seen; take dark glasses off, hair out of the face"
            }
        })
    }
}

impl Quality {
    /// Measures the face that `landmarks` mark in `photo` and that `face` was cut from.
    ///
    /// # Errors
    /// [`UnusableLandmarks`], for which there is no `face` either.
    pub fn of(
        photo: &RgbImage,
        landmarks: &Landmarks,
        face: &AlignedFace,
    ) -> Result<Self, UnusableLandmarks> {
        let Pose {
            across,
            down,
            yaw,
            pitch,
        } = Pose::of(landmarks);
        let upright = Similarity::fit(landmarks, &face.template().landmarks())?;
        let luma = Luma::of(face);
        Ok(Self {
            eye_mouth_px: down.x.hypot(down.y),
            yaw,
            pitch,
            roll_deg: across.y.atan2(across.x).to_degrees(),
            outside: outside(photo, &upright.inverted(), face.template()),
            brightness: luma.mean(),
            glare: luma.glare(),
            sharpness: luma.sharpness(),
            eyes: luma.eyes(),
        })
    }

    /// What is wrong with it, the first thing to mend first. What is not a number is wrong.
    pub fn flaws(&self, limits: &Limits) -> Vec<Flaw> {
        let within = |x: f32, (from, to): (f32, f32)| (from..=to).contains(&x);
        let around = |x: f32, most: f32| within(x, (-most, most));
        let checks = [
            (Flaw::TooSmall, self.eye_mouth_px >= limits.eye_mouth_px),
            (Flaw::CutOff, self.outside <= limits.outside),
            (
                Flaw::TurnedAway,
                around(self.yaw, limits.yaw) && within(self.pitch, limits.pitch),
            ),
            (Flaw::Tilted, around(self.roll_deg, limits.roll_deg)),
            (Flaw::TooDark, self.brightness >= limits.brightness.0),
            (
                Flaw::TooBright,
                self.brightness <= limits.brightness.1 && self.glare <= limits.glare,
            ),
            (Flaw::Blurred, self.sharpness >= limits.sharpness),
            (Flaw::EyesHidden, self.eyes >= limits.eyes),
        ];
        let wrong = checks.into_iter().filter(|(_, good)| !good);
        wrong.map(|(flaw, _)| flaw).collect()
    }
}

/// How far a head is turned, as in [`Quality::yaw`]; `None` if the landmarks span no face.
///
/// The nose is measured against eyes and mouth, so a flat picture gives the same value however it
/// is turned, tilted, moved or stretched, as long as perspective is weak. Of a head it is about
/// half the tangent of the angle. A mirrored picture gives the other side.
pub fn yaw(landmarks: &Landmarks) -> Option<f32> {
    Some(Pose::of(landmarks).yaw).filter(|yaw| yaw.is_finite())
}

/// The oblique axes of a face, from eye to eye and from the eyes to the mouth, and where the nose
/// lies in them; not numbers if all lie on one line.
struct Pose {
    across: Point,
    down: Point,
    yaw: f32,
    pitch: f32,
}

impl Pose {
    fn of(landmarks: &Landmarks) -> Self {
        let [right_eye, left_eye, nose, right, left] = landmarks.0;
        let (eyes, mouth) = (middle(right_eye, left_eye), middle(right, left));
        let (across, down) = (difference(left_eye, right_eye), difference(mouth, eyes));
        let (nose, area) = (difference(nose, eyes), cross(across, down));
        Self {
            across,
            down,
            yaw: cross(nose, down) / area,
            pitch: cross(across, nose) / area,
        }
    }
}

fn middle(a: Point, b: Point) -> Point {
    Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0)
}

fn difference(a: Point, b: Point) -> Point {
    Point::new(a.x - b.x, a.y - b.y)
}

fn cross(a: Point, b: Point) -> f32 {
    a.x * b.y - a.y * b.x
}

/// Share of a grid over the crop that falls outside of the photograph.
fn outside(photo: &RgbImage, to_photo: &Similarity, template: AlignTemplate) -> f32 {
    const STEP: usize = 8;
    let (mut out, mut all) = (0.0, 0.0);
    for y in (0..template.height()).step_by(STEP) {
        for x in (0..template.width()).step_by(STEP) {
            let at = to_photo.apply(Point::new(x as f32, y as f32));
            let inside = (0.0..photo.width() as f32).contains(&at.x)
                && (0.0..photo.height() as f32).contains(&at.y);
            all += 1.0;
            out += f32::from(u8::from(!inside));
        }
    }
    out / all
}

#[cfg(test)]
mod tests;
