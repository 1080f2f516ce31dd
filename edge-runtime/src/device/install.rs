//! A release comes into force.

use super::links::{Link, replace_link};
use super::slot::{
    self, BUNDLE, CONFIG, MAX_BUNDLE_LEN, MAX_RUNTIME_LEN, NOTE, RELEASE, RUNTIME, Slot,
};
use super::{Device, DeviceError, Service, Verdict};
use crate::atomic_file;
use crate::capped_file;
use crate::release::{self, TrustedKey};
use shared::release::Release;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const MAX_CONFIG_LEN: u64 = 1 << 20;

/// What was brought to a device. The files are left where they are.
pub struct Delivery {
    /// The signed release.
    pub release: PathBuf,
    /// The program.
    pub runtime: PathBuf,
    /// The bundle, perhaps of several precisions.
    pub bundle: PathBuf,
    /// The door's configuration; without it the one on the device goes on.
    pub config: Option<PathBuf>,
    /// The key to trust, at the first deployment.
    pub key: Option<PathBuf>,
    /// Let a release in that is older than one that was here.
    pub allow_older: bool,
    /// How many people the door will know.
    pub people: u32,
    /// Who does this, for the log and for whoever else wants to.
    pub by: String,
}

/// A release that is believed.
struct Believed {
    release: Release,
    key: TrustedKey,
    /// Lower than what was here, and let in.
    older_than: Option<u64>,
}

impl Device {
    /// Fills the idle slot with what was delivered, lets its program read the configuration, leave
    /// one precision in the bundle and test itself, and only then puts it in force and has that
    /// settled. Returns the slot, and the verdict if it was settled here.
    ///
    /// # Errors
    /// [`DeviceError`]; but for [`DeviceError::FirstUnhealthy`] what was in force stays.
    pub fn install(
        &self,
        delivery: &Delivery,
        service: &dyn Service,
    ) -> Result<(Slot, Option<Verdict>), DeviceError> {
        self.make_folders()?;
        let _lock = self.lock(&delivery.by)?;
        if self.follow(Link::Current) != self.follow(Link::Settled) {
            match self.settle_again(service) {
                // There is nothing to go back to, and this is what mends it.
                Err(DeviceError::FirstUnhealthy(_)) => {}
                settled => drop(settled?),
            }
        }
        let believed = self.believe(delivery)?;
        let slot = self.follow(Link::Current).map_or(Slot::A, Slot::other);
        self.fill(slot, delivery, &believed)?;
        // The new program is tested as a user that must be there.
        if self.follow(Link::Current).is_none() {
            self.set_up_by(slot)?;
        }
        self.prepare(slot, delivery.people, &believed.release, service)?;
        if delivery.key.is_some() && !self.trusted_key().exists() {
            believed.key.write(&self.trusted_key())?;
        }
        let settled = self.enforce(slot, service)?;
        Ok((slot, settled))
    }

    /// The folders of the layout, and that of people's data for the door's user alone.
    fn make_folders(&self) -> Result<(), DeviceError> {
        let make = |folder: &Path, mode| {
            let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
            made.map_err(DeviceError::io("making the folder", folder))
        };
        make(&self.programs(), 0o755)?;
        make(&self.root.join("etc/facelatch"), 0o755)?;
        make(&self.root.join("var/lib"), 0o755)?;
        make(&self.state().join("store"), 0o700)
    }

    /// The release, if it is signed with the trusted key, for this device, and not older than what
    /// was here.
    fn believe(&self, delivery: &Delivery) -> Result<Believed, DeviceError> {
        let pinned = self.trusted_key();
        let given = delivery.key.as_deref().map(TrustedKey::read).transpose()?;
        let key = match (pinned.exists(), given) {
            (true, given) => {
                let trusted = TrustedKey::read(&pinned)?;
                if given.is_some_and(|given| given != trusted) {
                    return Err(DeviceError::OtherKey(pinned));
                }
                trusted
            }
            (false, given) => given.ok_or(DeviceError::NoKey)?,
        };
        let release = release::read(&delivery.release, &key)?;
        let here = std::env::consts::ARCH;
        if release.architecture != here {
            return Err(DeviceError::Architecture {
                found: release.architecture,
                expected: here,
            });
        }
        let highest = self.highest();
        let older_than = (release.counter < highest).then_some(highest);
        match older_than {
            Some(highest) if !delivery.allow_older => Err(DeviceError::Older {
                found: release.counter,
                highest,
            }),
            _ => Ok(Believed {
                release,
                key,
                older_than,
            }),
        }
    }

    /// The highest release that proved healthy here; 0 before the first.
    pub(super) fn highest(&self) -> u64 {
        let text = capped_file::read(&self.counter(), 64).unwrap_or_default();
        let number = String::from_utf8_lossy(&text).trim().parse();
        number.unwrap_or(0)
    }

    /// Lays everything into a slot that nothing leads to.
    fn fill(
        &self,
        slot: Slot,
        delivery: &Delivery,
        believed: &Believed,
    ) -> Result<(), DeviceError> {
        // Read once: what is checked is what is written, and only then the slot is emptied.
        let runtime = capped_file::read(&delivery.runtime, MAX_RUNTIME_LEN)?;
        slot::named(&delivery.runtime, &runtime, &[believed.release.runtime])?;
        let bundle = capped_file::read(&delivery.bundle, MAX_BUNDLE_LEN)?;
        slot::named(&delivery.bundle, &bundle, &believed.release.bundles)?;
        let release = capped_file::read(&delivery.release, MAX_CONFIG_LEN)?;
        let config = self.next_config(delivery.config.as_deref())?;
        let folder = self.slot(slot);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DeviceError::io("emptying", &folder)(error));
            }
            _ => {}
        }
        fs::create_dir(&folder).map_err(DeviceError::io("making the folder", &folder))?;
        let note = note(believed, &delivery.by);
        for (name, bytes, mode) in [
            (RUNTIME, &runtime[..], 0o755),
            (BUNDLE, &bundle, 0o644),
            (RELEASE, &release, 0o644),
            // It may hold a password.
            (CONFIG, &config, 0o640),
            (NOTE, note.as_bytes(), 0o644),
        ] {
            atomic_file::write(&folder.join(name), bytes, Some(mode))?;
        }
        Ok(())
    }

    /// The configuration that goes on: the delivered one, else the door's own.
    fn next_config(&self, given: Option<&Path>) -> Result<Vec<u8>, DeviceError> {
        let own = self.config();
        let path = given.unwrap_or(&own);
        if given.is_none() && !own.exists() {
            return Err(DeviceError::NoConfig(own));
        }
        Ok(capped_file::read(path, MAX_CONFIG_LEN)?)
    }

    /// The configuration is the one in force, in the place of one that somebody laid there; a
    /// deployment has taken that along.
    pub(super) fn link_config(&self) -> Result<(), DeviceError> {
        let config = self.config();
        match config.is_symlink() {
            true => Ok(()),
            false => replace_link(&config, "../../opt/facelatch/current/door.toml"),
        }
    }

    /// Puts a slot that is whole in force, and has that settled.
    pub(super) fn enforce(
        &self,
        slot: Slot,
        service: &dyn Service,
    ) -> Result<Option<Verdict>, DeviceError> {
        self.set_up_by(slot)?;
        let _old = fs::remove_file(self.outcome());
        self.point(Link::Current, slot)?;
        // After it, so that a configuration that somebody laid there is never gone.
        self.link_config()?;
        service.restart()?;
        if self.follow(Link::Settled).is_some() && service.settle()? {
            return Ok(None);
        }
        self.settle_again(service).map(Some)
    }
}

/// How a slot was filled.
fn note(believed: &Believed, by: &str) -> String {
    let older = believed.older_than.map_or(String::new(), |highest| {
        format!("; older than release {highest}, which was here, and let in by --allow-older")
    });
    format!(
        "{}, deployed by {by}{older}\n",
        release_of(&believed.release)
    )
}

/// A release in a note.
pub(super) fn release_of(release: &Release) -> String {
    format!("release {}, version {}", release.counter, release.version)
}
