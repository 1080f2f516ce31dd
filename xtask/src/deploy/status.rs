//! What a device says of its slots, and how a deployment ended there.

use super::device::CURRENT;
use super::parcel::{Parcel, digest};
use super::ssh::Ssh;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than the device itself waits for a door to be healthy, and to be back.
const SETTLES_WITHIN: Duration = Duration::from_secs(420);

/// What a device says of its slots.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    current: String,
    settled: Option<String>,
    outcome: Option<String>,
    slots: Vec<Slot>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Slot {
    slot: String,
    counter: Option<u64>,
    runtime: Option<String>,
    bundle: Option<String>,
    config: Option<String>,
    fault: Option<String>,
}

impl Status {
    /// Asks a device on which something is deployed.
    ///
    /// # Errors
    /// If the connection fails, or its program is another than ours.
    pub(super) fn of(ssh: &Ssh) -> Result<Self> {
        let told = ssh.root(&format!("{CURRENT} --json device status"))?;
        serde_json::from_str(&told).context("what the device said of its slots")
    }

    fn current(&self) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.slot == self.current)
    }

    /// Whether what is in force, and settled, is just that.
    pub(super) fn is(&self, parcel: &Parcel, config: Option<&Path>) -> Result<bool> {
        let Some(slot) = self.current() else {
            return Ok(false);
        };
        let config = match config {
            None => true,
            Some(config) => slot.config.as_ref() == Some(&digest(config)?),
        };
        Ok(config
            && self.settled.as_ref() == Some(&self.current)
            && slot.fault.is_none()
            && slot.runtime.as_ref() == Some(&parcel.digests.runtime)
            && slot.bundle.as_ref() == parcel.digests.bundles.first())
    }
}

/// Waits until the device has made up its mind, and tells what it came to.
///
/// # Errors
/// If the slot before is in force again, with the reason; or the connection is lost, with what
/// happens then.
pub(super) fn settled(ssh: &Ssh) -> Result<String> {
    let start = Instant::now();
    loop {
        let status = Status::of(ssh).context(
            "the device goes on by itself, and goes back if the door is not healthy; `cargo xtask deploy status` tells how it ended",
        )?;
        let outcome = status.outcome.clone().unwrap_or_default();
        if status.settled.as_ref() == Some(&status.current) && !outcome.is_empty() {
            ensure!(
                outcome.starts_with(&status.current),
                "{outcome}; {} is in force as before",
                status.current
            );
            let number = status.current().and_then(|slot| slot.counter);
            return Ok(format!("release {} in {outcome}", number.unwrap_or(0)));
        }
        ensure!(
            start.elapsed() < SETTLES_WITHIN,
            "the device has not made up its mind for {} s; see `cargo xtask deploy status`, and there `journalctl -u facelatch-settle`",
            SETTLES_WITHIN.as_secs()
        );
        thread::sleep(Duration::from_secs(1));
    }
}
