//! `door.toml`: what a door is made of. `door.example.toml` documents every field.

use crate::capped_file::{self, ReadError};
use crate::claim::ClaimsConfig;
use crate::decide::{Access, Policy};
use crate::door::Door;
use crate::identify::Identify;
use crate::store;
use crate::watchdog;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MAX_FILE_LEN: u64 = 1 << 20;
const MAX_FRAMES_PER_SECOND: f64 = 1000.0;

/// A door's configuration, checked; paths are relative to the process, not to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bundle's file.
    pub bundle: PathBuf,
    /// Where people's data lies.
    pub store: store::Settings,
    /// Where frames come from.
    pub camera: Camera,
    /// How sure the door must be of one frame.
    pub identify: Identify,
    /// How people claim who they are, if they do.
    pub claims: Option<ClaimsConfig>,
    /// Under what conditions the lock is released.
    pub decide: Policy,
    /// Who may come in when.
    #[serde(default)]
    pub access: Access,
    /// The lock and the contacts around it.
    pub door: Door,
    /// When the program is taken to hang.
    #[serde(default)]
    pub watchdog: watchdog::Settings,
}

/// Where frames come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Camera {
    /// The images of a folder, by name.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Their landmarks; without it, `landmarks.csv` in the folder or beside it.
        landmarks: Option<PathBuf>,
        /// Frames a second; 0 is as fast as they can be handled.
        frames_per_second: FramesPerSecond,
    },
}

/// A rate of frames that a camera can have: 0 to 1000 a second.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub struct FramesPerSecond(f64);

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

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not TOML, or a field is unknown, missing or impossible.
    #[error("{}: {reason}\nsee door.example.toml for every field", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        reason: String,
    },
}

impl Config {
    /// Reads `door.toml`; paths in it are taken relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], with path and line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::from_bytes(&capped_file::read(path, MAX_FILE_LEN)?, path)
    }

    /// The same of a file's bytes.
    ///
    /// # Errors
    /// [`ConfigError::Content`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, ConfigError> {
        let content = |reason: &str| ConfigError::Content {
            path: path.into(),
            reason: reason.trim_end().into(),
        };
        let parsed = toml::from_slice(bytes);
        let mut config: Self = parsed.map_err(|error| content(&error.to_string()))?;
        if config.claims.is_some() != config.access.claims().next().is_some() {
            return Err(content(
                "[claims] and a claim_sha256 in [access.people] need each other",
            ));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
        resolve(&mut config.bundle);
        config.store.resolve(folder);
        config.door.resolve(folder);
        let claims = config.claims.as_mut();
        if let Some(path) = claims.and_then(|claims| claims.source.path_mut()) {
            resolve(path);
        }
        let Camera::Folder {
            path, landmarks, ..
        } = &mut config.camera;
        resolve(path);
        landmarks.iter_mut().for_each(resolve);
        Ok(config)
    }
}
