//! A disk in memory, which records what it is told, and fails when it is told to.

use redb::StorageBackend;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk is told, in order.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Write { at: u64, bytes: Vec<u8> },
    SetLen(u64),
    Sync,
}

/// A file on it; clones are the same file.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    told: Vec<Told>,
    /// So many more changes are made; what comes then fails with that error.
    fails: Option<(usize, ErrorKind)>,
}

impl Disk {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.state().bytes = bytes;
        disk
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// What it was told since the beginning.
    pub(super) fn told(&self) -> Vec<Told> {
        self.state().told.clone()
    }

    pub(super) fn told_len(&self) -> usize {
        self.state().told.len()
    }

    pub(super) fn fail_after(&self, changes: usize, error: ErrorKind) {
        self.state().fails = Some((changes, error));
    }

    pub(super) fn recover(&self) {
        self.state().fails = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn tell(&self, told: Told) -> Result<()> {
        let state = &mut *self.state();
        match &mut state.fails {
            Some((0, error)) => return Err(Error::from(*error)),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        apply(&mut state.bytes, &told);
        state.told.push(told);
        Ok(())
    }
}

/// What the disk holds after it was told something.
pub(super) fn apply(bytes: &mut Vec<u8>, told: &Told) {
    match told {
        Told::Write { at, bytes: new } => {
            let at = *at as usize;
            if bytes.len() < at + new.len() {
                bytes.resize(at + new.len(), 0);
            }
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        Told::SetLen(len) => bytes.resize(*len as usize, 0),
        Told::Sync => {}
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state();
        let at = offset as usize;
        let bytes = state.bytes.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.tell(Told::SetLen(len))
    }

    fn sync_data(&self) -> Result<()> {
        self.tell(Told::Sync)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let bytes = bytes.into();
        self.tell(Told::Write { at, bytes })
    }
}
