//! `[camera]` of `door.toml`: where frames come from.

mod live;

pub use live::{Format, Picture, Rotation, Rpicam, V4l2};

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MAX_FRAMES_PER_SECOND: f64 = 1000.0;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Settings {
    /// The images of a folder, by name.
    Folder(Folder),
    /// Images in the order of a list.
    List(List),
    /// A camera that Linux knows as a video device, as USB cameras are.
    V4l2(V4l2),
    /// A camera of a Raspberry Pi, by way of the program `rpicam-vid`.
    Rpicam(Rpicam),
}

/// The images of a folder, by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// Their landmarks; without it, `landmarks.csv` in the folder or beside it.
    pub landmarks: Option<PathBuf>,
    /// Frames a second; 0 is as fast as they can be handled.
    pub frames_per_second: FramesPerSecond,
}

/// Images in the order of a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ListToml")]
pub struct List {
    /// Which.
    pub files: Files,
    /// Their landmarks.
    pub landmarks: Option<PathBuf>,
    /// Frames a second; 0 is as fast as they can be handled.
    pub frames_per_second: FramesPerSecond,
}

/// Which images a list has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// These.
    Named(Vec<PathBuf>),
    /// Those that a text file names, one a line, relative to its folder.
    In(PathBuf),
}

/// A rate of frames that a replay can have: 0 to 1000 a second.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct FramesPerSecond(f64);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListToml {
    files: Option<Vec<PathBuf>>,
    files_in: Option<PathBuf>,
    landmarks: Option<PathBuf>,
    frames_per_second: FramesPerSecond,
}

impl Settings {
    /// Time from one frame to the next; zero where the camera sets the pace, and for as fast as
    /// frames can be handled.
    pub fn interval(&self) -> Duration {
        match self {
            Self::Folder(folder) => folder.frames_per_second.interval(),
            Self::List(list) => list.frames_per_second.interval(),
            Self::V4l2(_) | Self::Rpicam(_) => Duration::ZERO,
        }
    }

    /// Takes the paths relative to a folder.
    pub(crate) fn resolve(&mut self, base: &Path) {
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        match self {
            Self::Folder(folder) => {
                resolve(&mut folder.path);
                folder.landmarks.iter_mut().for_each(resolve);
            }
            Self::List(list) => {
                match &mut list.files {
                    Files::Named(files) => files.iter_mut().for_each(resolve),
                    Files::In(file) => resolve(file),
                }
                list.landmarks.iter_mut().for_each(resolve);
            }
            Self::V4l2(camera) => resolve(&mut camera.device),
            Self::Rpicam(camera) if camera.program.components().count() > 1 => {
                resolve(&mut camera.program);
            }
            Self::Rpicam(_) => {}
        }
    }
}

impl FramesPerSecond {
    /// Time from one frame to the next; zero for as fast as they can be handled.
    pub fn interval(self) -> Duration {
        if self.0 == 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(1.0 / self.0).unwrap_or(Duration::MAX)
    }
}

impl TryFrom<f64> for FramesPerSecond {
    type Error = String;

    fn try_from(rate: f64) -> Result<Self, String> {
        let possible = (0.0..=MAX_FRAMES_PER_SECOND).contains(&rate);
        possible.then_some(Self(rate)).ok_or_else(|| {
            format!("frames_per_second is {rate}, expected 0 to {MAX_FRAMES_PER_SECOND}")
        })
    }
}

impl TryFrom<ListToml> for List {
    type Error = String;

    fn try_from(toml: ListToml) -> Result<Self, String> {
        let files = match (toml.files, toml.files_in) {
            (Some(files), None) if !files.is_empty() => Files::Named(files),
            (None, Some(file)) => Files::In(file),
            (Some(_), None) => return Err("files is empty, expected paths of images".into()),
            (None, None) | (Some(_), Some(_)) => {
                return Err("kind \"list\" needs either files or files_in".into());
            }
        };
        Ok(Self {
            files,
            landmarks: toml.landmarks,
            frames_per_second: toml.frames_per_second,
        })
    }
}
