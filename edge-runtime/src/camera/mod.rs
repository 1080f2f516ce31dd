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

/// A picture, and whether a face is in it.
pub struct Content {
    /// The upright picture.
    pub image: RgbImage,
    /// The landmarks of the face in it; `None` if there is none.
    pub landmarks: Option<Landmarks>,
}
