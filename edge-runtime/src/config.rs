//! `door.toml`: what a door is made of. `door.example.toml` documents every field.

use crate::camera;
use crate::capped_file::{self, ReadError};
use crate::claim::ClaimsConfig;
use crate::decide::{Access, Policy};
use crate::door::Door;
use crate::events::MqttSettings;
use crate::identify::Identify;
use crate::metrics::MetricsSettings;
use crate::store;
use crate::watchdog;
use serde::Deserialize;
use std::path::{Path, PathBuf};

const MAX_FILE_LEN: u64 = 1 << 20;

/// A door's configuration, checked; paths are relative to the process, not to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bundle's file.
    pub bundle: PathBuf,
    /// Where people's data lies.
    pub store: store::Settings,
    /// Where frames come from.
    pub camera: camera::Settings,
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
    /// The broker that is told of the door.
    pub mqtt: Option<MqttSettings>,
    /// Where metrics are offered.
    pub metrics: Option<MetricsSettings>,
    /// When the program is taken to hang.
    #[serde(default)]
    pub watchdog: watchdog::Settings,
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
    /// Whether every look is at a claim.
    pub fn claims_only(&self) -> bool {
        self.claims.as_ref().is_some_and(|claims| claims.required)
    }

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
        if let Some(mqtt) = &mut config.mqtt {
            mqtt.resolve(folder);
        }
        config.door.resolve(folder);
        let claims = config.claims.as_mut();
        if let Some(path) = claims.and_then(|claims| claims.source.path_mut()) {
            resolve(path);
        }
        config.camera.resolve(folder);
        Ok(config)
    }
}
