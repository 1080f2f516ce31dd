//! Releases on a device: two slots, a key that is trusted, and which slot is in force.
//!
//! ```text
//! /opt/facelatch/slot-a, slot-b     edge-runtime  model.bundle  release  door.toml  note
//!                current            link to the slot that the door runs from
//!                settled            link to the slot that last proved healthy
//!                counter            the highest release that did
//!                outcome            what became of the last deployment, in a sentence
//! /etc/facelatch/door.toml          link to the configuration in `current`
//!                release.pub        the key that releases must be signed with
//! /var/lib/facelatch/store          the people; no deployment touches them
//! ```
//!
//! A slot is filled and proved while the other is in force. Then `current` moves, in one step, and
//! program, bundle and configuration with it. While the two links differ, a deployment is not
//! settled: whoever settles it waits until the door is healthy and moves `settled`, or moves
//! `current` back. That is a service of its own, of the program that is settled, and it runs at
//! every start of the system: neither a lost connection nor a lost power leaves the door between
//! the two.

mod error;
mod install;
mod links;
mod lock;
mod prepare;
mod remove;
mod service;
mod settle;
mod slot;
mod status;
mod units;

pub use error::DeviceError;
pub use install::Delivery;
pub use service::{Health, Service, Systemd, Unmanaged};
pub use settle::{Patience, Verdict};
pub use slot::Slot;
pub use status::{SlotStatus, Status};

use std::path::{Path, PathBuf};

/// A device's file system.
#[derive(Debug, Clone)]
pub struct Device {
    root: PathBuf,
}

impl Device {
    /// The one under a folder: `/` for the device that this program runs on.
    pub fn at(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The configuration of the door.
    pub fn config(&self) -> PathBuf {
        self.root.join("etc/facelatch/door.toml")
    }

    /// The key that releases must be signed with, PEM.
    pub fn trusted_key(&self) -> PathBuf {
        self.root.join("etc/facelatch/release.pub")
    }

    /// Where people's data lies.
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/facelatch")
    }

    fn programs(&self) -> PathBuf {
        self.root.join("opt/facelatch")
    }

    fn slot(&self, slot: Slot) -> PathBuf {
        self.programs().join(slot.name())
    }

    fn counter(&self) -> PathBuf {
        self.programs().join("counter")
    }

    fn outcome(&self) -> PathBuf {
        self.programs().join("outcome")
    }
}

#[cfg(test)]
mod tests;
