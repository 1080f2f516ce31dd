//! Cameras: where frames come from.

mod decode;
pub mod folder;
pub(crate) mod fuzzed;
mod live;
mod mjpeg;
mod rpicam;
mod settings;
#[cfg(all(feature = "v4l2", target_os = "linux"))]
mod v4l2;
mod yuyv;

pub use settings::{
    Files, Folder, Format, FramesPerSecond, List, Picture, Rotation, Rpicam, Settings, V4l2,
};

use folder::{FolderCamera, FolderError};
use image::RgbImage;
use live::{Live, Times};
use shared::align::Landmarks;
use std::io;
use std::time::Instant;

/// One look through the camera.
pub struct Frame {
    /// What to call it in events.
    pub name: String,
    /// When it came.
    pub taken: Instant,
    /// What it shows; a frame that cannot be used says why, and the next one comes.
    pub content: Result<Content, String>,
}

/// A picture, and what is known of the face in it.
#[derive(Clone)]
pub struct Content {
    /// The upright picture.
    pub image: RgbImage,
    /// The landmarks of the face in it.
    pub face: Face,
}

/// What is known of the face in a picture.
#[derive(Clone, Copy)]
pub enum Face {
    /// There is none, as a table says.
    Nowhere,
    /// It is there, as a table says.
    At(Landmarks),
    /// Nothing; the detector is to look for it.
    Unknown,
}

/// Why a camera cannot be used as it is configured. One that is gone is no such error: its frames
/// say why, until it is back.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The images cannot be shown.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Live pictures come without landmarks.
    #[error(
        "the bundle has no detector, which the pictures of a live camera need; take a bundle with one, or set [camera] kind to \"folder\""
    )]
    NobodyFindsFaces,
    /// The program was built without it.
    #[error(
        "this program was built without [camera] kind \"v4l2\"; on Linux with libclang, build it with `cargo build --release -p edge-runtime --features v4l2`"
    )]
    WithoutV4l2,
    /// The system gives no thread.
    #[error("the camera cannot be watched: the system gives no thread: {0}; end other programs")]
    Thread(#[source] io::Error),
}

/// Frames, of which a live camera has no last one.
pub type Frames = Box<dyn Iterator<Item = Frame> + Send>;

/// Opens a camera. One that is live is warm then: its first frame came, or it is known why not.
///
/// # Errors
/// [`CameraError`]. A live camera needs faces that `can_be_found`.
pub fn open(settings: &Settings, can_be_found: bool) -> Result<Frames, CameraError> {
    let times = Times::default();
    let frames: Frames = match settings {
        Settings::Folder(folder) => Box::new(FolderCamera::open(folder, can_be_found)?),
        Settings::List(list) => Box::new(FolderCamera::open_list(list, can_be_found)?),
        Settings::V4l2(_) | Settings::Rpicam(_) if !can_be_found => {
            return Err(CameraError::NobodyFindsFaces);
        }
        #[cfg(all(feature = "v4l2", target_os = "linux"))]
        Settings::V4l2(camera) => Box::new(Live::open(camera.clone(), camera.picture, times)?),
        #[cfg(not(all(feature = "v4l2", target_os = "linux")))]
        Settings::V4l2(_) => return Err(CameraError::WithoutV4l2),
        Settings::Rpicam(camera) => Box::new(Live::open(camera.clone(), camera.picture, times)?),
    };
    Ok(frames)
}
