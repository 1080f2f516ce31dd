//! A door's file system under a folder of this machine.

use super::device::Delivery;
use super::door_config;
use super::parcel::{Parcel, Workshop};
use crate::{disk, workspace};
use anyhow::{Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A simulated door.
pub(crate) struct Door {
    root: PathBuf,
}

impl Door {
    /// The one under a folder.
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The door's configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("etc/facelatch/door.toml")
    }

    /// The runtime in force.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.join("opt/facelatch/current/edge-runtime")
    }

    /// Installs what is given, with the example for a configuration where there is none.
    ///
    /// # Errors
    /// If anything is refused: then what was in force stays.
    pub(crate) fn deploy(&self, delivery: &Delivery, workshop: &Workshop) -> Result<String> {
        let parcel = workshop.pack_native(&delivery.bundle)?;
        if delivery.dry_run {
            return Ok(format!("would install release {}", parcel.digests.counter));
        }
        let mut config = delivery.config.clone();
        if config.is_none() && !self.config().exists() {
            let example = workshop.folder.path().join("door.toml");
            let text = door_config::simulated()?.to_string();
            disk::replace_text(&text, &example, 0o644)?;
            config = Some(example);
        }
        self.install(&parcel, config.as_deref(), delivery)?;
        Ok(format!(
            "{} is in force\nconfiguration: {}",
            self.slot(),
            self.config().display()
        ))
    }

    fn install(&self, parcel: &Parcel, config: Option<&Path>, delivery: &Delivery) -> Result<()> {
        let mut install = Command::new(self.program(parcel));
        install
            .args(["device", "install", "--root"])
            .arg(&self.root);
        install.arg("--release").arg(&parcel.release);
        install.arg("--runtime").arg(&parcel.runtime);
        install.arg("--bundle").arg(&parcel.bundle);
        install.arg("--key").arg(&parcel.trusted);
        install.args(["--people", &delivery.people.to_string()]);
        install.args(["--by", &super::device::myself()]);
        if let Some(config) = config {
            install.arg("--config").arg(config);
        }
        if delivery.allow_older {
            install.arg("--allow-older");
        }
        workspace::run(install.stdout(Stdio::null()))
    }

    /// What installs: the program in force, as on a device, or the first.
    fn program(&self, parcel: &Parcel) -> PathBuf {
        let runtime = self.runtime();
        match runtime.exists() {
            true => runtime,
            false => parcel.runtime.clone(),
        }
    }

    /// Asks the program in force about the door.
    ///
    /// # Errors
    /// What it says, or that there is none.
    pub(super) fn ask(&self, words: &[&str]) -> Result<String> {
        let root = self.root.display();
        ensure!(self.runtime().exists(), "nothing is deployed in {root}");
        let mut ask = Command::new(self.runtime());
        ask.arg("device").args(words).arg("--root").arg(&self.root);
        Ok(workspace::output(&mut ask)?.trim().to_owned())
    }

    fn slot(&self) -> String {
        let link = fs::read_link(self.root.join("opt/facelatch/current"));
        link.map_or("nothing".into(), |slot| slot.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_door_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let error = Door::at(folder.path()).ask(&["status"]).unwrap_err();
        let told = format!("nothing is deployed in {}", folder.path().display());
        assert_eq!(error.to_string(), told);
    }
}
