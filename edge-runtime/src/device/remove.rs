//! Going back to the slot before, and away altogether.

use super::install::release_of;
use super::links::Link;
use super::slot::{self, NOTE, Slot};
use super::{Device, DeviceError, Service, Verdict};
use crate::atomic_file;
use crate::release::TrustedKey;
use std::fs;
use std::io;
use std::path::PathBuf;

impl Device {
    /// Puts the other slot in force again, if a whole release is in it, and has that settled.
    ///
    /// # Errors
    /// [`DeviceError::NoOther`], or another.
    pub fn roll_back(
        &self,
        by: &str,
        service: &dyn Service,
    ) -> Result<(Slot, Option<Verdict>), DeviceError> {
        let nothing = || DeviceError::Nothing(self.programs());
        let current = self.follow(Link::Current).ok_or_else(nothing)?;
        let _lock = self.lock(by)?;
        if self.follow(Link::Settled) != Some(current) {
            return Err(DeviceError::Unsettled);
        }
        let slot = current.other();
        let key = TrustedKey::read(&self.trusted_key())?;
        let release = slot::verify(&self.slot(slot), &key).map_err(|error| {
            let reason = error.to_string();
            DeviceError::NoOther { slot, reason }
        })?;
        let note = format!("{}, put in force again by {by}\n", release_of(&release));
        let path = self.slot(slot).join(NOTE);
        atomic_file::write(&path, note.as_bytes(), Some(0o644))?;
        Ok((slot, self.enforce(slot, service)?))
    }

    /// Ends the door and takes everything away but people's data; returns what is left.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn uninstall(&self, by: &str, service: &dyn Service) -> Result<Vec<PathBuf>, DeviceError> {
        if !self.programs().exists() {
            return Err(DeviceError::Nothing(self.programs()));
        }
        let _lock = self.lock(by)?;
        service.remove(self)?;
        for path in [self.config(), self.trusted_key()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DeviceError::io("removing", &path)(error));
                }
                _ => {}
            }
        }
        let programs = self.programs();
        fs::remove_dir_all(&programs).map_err(DeviceError::io("removing", &programs))?;
        // What others laid there, as a password for the broker, stays.
        let settings = self.root.join("etc/facelatch");
        let _others = fs::remove_dir(&settings);
        let left = [self.state(), settings].into_iter();
        Ok(left.filter(|path| path.exists()).collect())
    }
}
