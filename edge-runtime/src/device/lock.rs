//! One changes a device at a time, and others are told who.

use super::{Device, DeviceError};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// Held until it is dropped, or the process ends.
pub(super) struct Lock(#[allow(dead_code, reason = "the lock lives as long as the file")] File);

impl Device {
    /// The same, and waits for whoever holds it.
    ///
    /// # Errors
    /// As [`Device::lock`], but only when so much time has passed.
    pub(super) fn lock_within(&self, owner: &str, wait: Duration) -> Result<Lock, DeviceError> {
        let began = Instant::now();
        loop {
            match self.lock(owner) {
                Err(DeviceError::Busy { .. }) if began.elapsed() < wait => {
                    thread::sleep(LOOKS_EVERY);
                }
                locked => return locked,
            }
        }
    }

    /// Takes the lock for `owner`.
    ///
    /// # Errors
    /// [`DeviceError::Busy`] with the owner, or [`DeviceError::Io`].
    pub(super) fn lock(&self, owner: &str) -> Result<Lock, DeviceError> {
        let path = self.programs().join("lock");
        let io = |doing| DeviceError::io(doing, &path);
        let mut options = OpenOptions::new();
        let file = options.create(true).read(true).append(true).open(&path);
        let mut file = file.map_err(io("taking the lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = fs::read_to_string(&path).unwrap_or_default();
                return Err(DeviceError::Busy {
                    path: self.programs(),
                    owner: owner.trim().chars().take(200).collect(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io("taking the lock")(error)),
        }
        let named = file.set_len(0).and_then(|()| writeln!(file, "{owner}"));
        named.map_err(io("writing who holds the lock"))?;
        Ok(Lock(file))
    }
}
