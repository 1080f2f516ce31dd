//! The program of a slot looks at what it is to run with, before it is in force.

use super::service::said;
use super::slot::{self, BUNDLE, CONFIG, RUNTIME, Slot};
use super::{Device, DeviceError, Service};
use crate::atomic_file;
use crate::capped_file;
use crate::config::{Config, ConfigError};
use shared::release::Release;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

const MAX_CONFIG_LEN: u64 = 1 << 20;

impl Device {
    /// Lets a slot's program read the slot's configuration, test itself with the bundle, and leave
    /// the precision that is fastest here in it. What it leaves must be one that was signed.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with what it said, or [`DeviceError::NotInRelease`].
    pub(super) fn prepare(
        &self,
        slot: Slot,
        people: u32,
        release: &Release,
        service: &dyn Service,
    ) -> Result<(), DeviceError> {
        // The configuration is read by the door's group, which has the people's folder by now. Who
        // may not give it away is the door's user.
        let group = fs::metadata(self.state()).map(|state| state.gid()).ok();
        let _mine = chown(self.slot(slot).join(CONFIG), None, group);
        let mut command = service.as_door(&self.slot(slot).join(RUNTIME));
        command.args(["device", "prepare", "--slot", slot.name()]);
        command.args(["--people", &people.to_string()]);
        let bundle = self.ask(command)?;
        let path = self.slot(slot).join(BUNDLE);
        slot::named(&path, &bundle, &release.bundles)?;
        Ok(atomic_file::write(&path, &bundle, Some(0o644))?)
    }

    /// Lets a slot's program lay out what it brings along for the system.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with what it said.
    pub(super) fn set_up_by(&self, slot: Slot) -> Result<(), DeviceError> {
        let mut command = Command::new(self.slot(slot).join(RUNTIME));
        command.args(["device", "set-up"]);
        self.ask(command).map(drop)
    }

    fn ask(&self, mut command: Command) -> Result<Vec<u8>, DeviceError> {
        command.arg("--root").arg(&self.root).stdin(Stdio::null());
        let output = command.output();
        let output = output.map_err(|error| DeviceError::Refused(error.to_string()))?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(DeviceError::Refused(said(&output))),
        }
    }

    /// A slot's configuration as the door will read it, but for the bundle, which is the slot's.
    ///
    /// # Errors
    /// [`ConfigError`], or [`DeviceError::OtherBundle`] if it names another bundle than the one in
    /// force.
    pub fn config_in(&self, slot: Slot) -> Result<Config, PrepareError> {
        let path = self.slot(slot).join(CONFIG);
        let bytes = capped_file::read(&path, MAX_CONFIG_LEN).map_err(ConfigError::Read)?;
        // Relative paths are from where the link will be.
        let mut config = Config::from_bytes(&bytes, &self.config())?;
        if !self.serves(&config.bundle) {
            return Err(DeviceError::OtherBundle(config.bundle).into());
        }
        config.bundle = self.slot(slot).join(BUNDLE);
        Ok(config)
    }

    /// Whether a path leads to the bundle in force.
    fn serves(&self, bundle: &Path) -> bool {
        // The link may not be there yet, so only its folder is resolved.
        let folder = bundle.ancestors().nth(2).map(Path::canonicalize);
        let ours = self.programs().canonicalize();
        let same = matches!((folder, ours), (Some(Ok(a)), Ok(b)) if a == b);
        same && bundle.ends_with(Path::new("current").join(BUNDLE))
    }
}

/// Why a slot cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
}
