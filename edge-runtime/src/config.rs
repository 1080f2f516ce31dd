//! `door.toml`: what a door is made of. `door.example.toml` documents every field.

use crate::capped_file::{self, ReadError};
use crate::claim::ClaimsConfig;
use crate::decide::{Access, Policy};
use crate::identify::Identify;
use crate::store;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MAX_FILE_LEN: u64 = 1 << 20;
/// The highest line of the 40-pin header, in Broadcom's numbering.
const MAX_PIN: u8 = 27;
const HOLD_MS: std::ops::RangeInclusive<u64> = 100..=60_000;
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
    /// The lock.
    pub door: Door,
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

/// The lock and what moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "DoorToml")]
pub struct Door {
    /// What moves it.
    pub driver: Driver,
    /// The level of the pin that releases the lock.
    pub active_level: ActiveLevel,
    /// How long it stays released.
    pub hold: Duration,
}

/// What moves the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Nothing: levels are recorded.
    Simulated,
    /// A GPIO pin of a Raspberry Pi, in Broadcom's numbering.
    Rppal {
        /// 0 to 27.
        pin: u8,
    },
}

/// The level of the pin that releases the lock; the other one locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveLevel {
    /// A high level releases.
    High,
    /// A low level releases, as with most relay boards.
    Low,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorToml {
    driver: DriverName,
    pin: Option<u8>,
    active_level: ActiveLevel,
    hold_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DriverName {
    Simulated,
    Rppal,
}

impl TryFrom<DoorToml> for Door {
    type Error = String;

    fn try_from(toml: DoorToml) -> Result<Self, String> {
        let DoorToml { pin, hold_ms, .. } = toml;
        if !HOLD_MS.contains(&hold_ms) {
            let (least, most) = (HOLD_MS.start(), HOLD_MS.end());
            return Err(format!("hold_ms is {hold_ms}, expected {least} to {most}"));
        }
        let driver = match (toml.driver, pin) {
            (_, Some(pin)) if pin > MAX_PIN => {
                return Err(format!("pin is {pin}, expected 0 to {MAX_PIN}"));
            }
            (DriverName::Simulated, _) => Driver::Simulated,
            (DriverName::Rppal, Some(pin)) => Driver::Rppal { pin },
            (DriverName::Rppal, None) => {
                return Err("driver \"rppal\" needs a pin, expected pin = 0 to 27".into());
            }
        };
        Ok(Self {
            driver,
            active_level: toml.active_level,
            hold: Duration::from_millis(hold_ms),
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
