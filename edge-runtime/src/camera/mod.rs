//! Cameras: where frames come from.

pub mod folder;

use image::RgbImage;
use shared::align::Landmarks;

/// One look through the camera.
pub struct Frame {
    /// What to call it in events.
    pub name: String,
    /// What it shows; a frame that cannot be used says why, and the next one comes.
    pub content: Result<Content, String>,
}

/// A picture, and what is known of the face in it.
pub struct Content {
    /// The upright picture.
    pub image: RgbImage,
    /// The landmarks of the face in it.
    pub face: Face,
}

/// What is known of the face in a picture.
pub enum Face {
    /// There is none, as a table says.
    Nowhere,
    /// It is there, as a table says.
    At(Landmarks),
    /// Nothing; the detector is to look for it.
    Unknown,
}
