//! What is on a device.

use super::links::Link;
use super::slot::{self, NOTE, Slot};
use super::{Device, DeviceError};
use crate::capped_file;
use crate::release::TrustedKey;
use serde::Serialize;
use shared::digest::Digest;
use std::fmt;

const MAX_TEXT_LEN: u64 = 4096;

/// A device, as `status` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The slot that the door runs from.
    pub current: Slot,
    /// The slot that last proved healthy; another than `current` while a deployment is not settled.
    pub settled: Option<Slot>,
    /// The highest release that was settled here.
    pub highest: u64,
    /// What became of the last deployment.
    pub outcome: Option<String>,
    /// Both slots, as far as something is in them.
    pub slots: Vec<SlotStatus>,
}

/// A slot, as `status` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotStatus {
    /// Which.
    pub slot: Slot,
    /// Of its release.
    pub counter: Option<u64>,
    /// Of its program.
    pub version: Option<String>,
    /// Of its program's file, in hexadecimal.
    pub runtime: Option<String>,
    /// Of the bundle as it was delivered, in hexadecimal.
    pub bundle: Option<String>,
    /// Of its configuration, in hexadecimal.
    pub config: Option<String>,
    /// How it came there.
    pub note: Option<String>,
    /// Why it could not be put in force.
    pub fault: Option<String>,
}

impl Device {
    /// What is here.
    ///
    /// # Errors
    /// [`DeviceError::Nothing`], or the trusted key cannot be read.
    pub fn status(&self) -> Result<Status, DeviceError> {
        let nothing = || DeviceError::Nothing(self.programs());
        let current = self.follow(Link::Current).ok_or_else(nothing)?;
        let key = TrustedKey::read(&self.trusted_key())?;
        let filled = Slot::ALL.into_iter().filter(|s| self.slot(*s).exists());
        Ok(Status {
            current,
            settled: self.follow(Link::Settled),
            highest: self.highest(),
            outcome: text(&self.outcome()),
            slots: filled.map(|slot| self.look_at(slot, &key)).collect(),
        })
    }

    fn look_at(&self, slot: Slot, key: &TrustedKey) -> SlotStatus {
        let folder = self.slot(slot);
        let (release, fault) = match slot::verify(&folder, key) {
            Ok(release) => (Some(release), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let config = capped_file::read(&folder.join(slot::CONFIG), 1 << 20).ok();
        SlotStatus {
            slot,
            counter: release.as_ref().map(|release| release.counter),
            runtime: release.as_ref().map(|release| release.runtime.to_string()),
            bundle: release
                .as_ref()
                .map(|release| release.bundles[0].to_string()),
            version: release.map(|release| release.version),
            config: config.map(|bytes| Digest::of(&bytes).to_string()),
            note: text(&folder.join(NOTE)),
            fault,
        }
    }
}

fn text(path: &std::path::Path) -> Option<String> {
    let bytes = capped_file::read(path, MAX_TEXT_LEN).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.settled == Some(self.current) {
            true => "settled",
            false => "not settled yet",
        };
        write!(f, "{} is in force, {state}", self.current.name())?;
        if let Some(outcome) = &self.outcome {
            write!(f, "; the last deployment: {outcome}")?;
        }
        for slot in &self.slots {
            let name = slot.slot.name();
            match (&slot.fault, &slot.note) {
                (Some(fault), _) => write!(f, "\n  {name}: cannot be put in force: {fault}")?,
                (None, Some(note)) => write!(f, "\n  {name}: {note}")?,
                (None, None) => write!(f, "\n  {name}: release {}", slot.counter.unwrap_or(0))?,
            }
        }
        Ok(())
    }
}
