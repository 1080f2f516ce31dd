//! Opening a store, and making one at the first start, of what an earlier release left.

use super::access::{guarded, lock, private};
use super::error::{KeyError, RecordError, StoreError};
use super::fault::Fault;
use super::vault::{self, Person, Vault};
use super::{DATABASE, Inner, Settings, Store, erase, key};
use crate::atomic_file::{self, Folder};
use crate::capped_file;
use crate::millis::unix_millis;
use redb::backends::FileBackend;
use shared::audit::{AuditEvent, What};
use shared::enrollment::EnrollmentRecord;
use shared::envelope::Kind;
use shared::store::KeyFile;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Earlier releases had a file of this kind for each person, not sealed.
const OLD_EXTENSION: &str = "record";
const OLD_MAX_LEN: u64 = Kind::EnrollmentRecord.max_len() as u64 + 1024;

pub(super) fn open(settings: &Settings) -> Result<Store, StoreError> {
    let folder = &settings.folder;
    let fault = |path: &Path, source| StoreError::Folder {
        path: path.into(),
        source,
    };
    if !folder.exists() {
        let made = make_private(folder).or_else(|error| match error.kind() {
            // By another program, meanwhile.
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        });
        let made = made.and_then(|()| Folder::of(folder)?.sync());
        made.map_err(|source| fault(folder, source))?;
    }
    private(folder)?;
    let (key_path, path) = (settings.key_path(), folder.join(DATABASE));
    let exists = |path: &Path| path.try_exists().map_err(|source| fault(path, source));
    let reads = exists(&key_path)? && exists(&path)?;
    let locked = lock(folder, reads)?;
    let key = match (exists(&key_path)?, exists(&path)?) {
        (true, _) => key::read(&key_path, Kind::StoreKey)?,
        (false, false) => {
            let new = KeyFile::new(key::random()?, false);
            key::write(&key_path, &new, Kind::StoreKey)?;
            new
        }
        (false, true) => {
            return Err(KeyError::Missing {
                key: key_path,
                store: path,
            }
            .into());
        }
    };
    let vault = Vault {
        keys: key::Keys::of(&key),
        log_entries: settings.log_entries,
    };
    match exists(&path)? {
        true => check_key(&vault, &path, &key_path)?,
        false if key.in_use => {
            let key = key_path;
            return Err(StoreError::Missing { path, key });
        }
        false => guarded(&path, || found(&vault, folder, &path))?,
    }
    if !key.in_use {
        let used = KeyFile::new(*key.key(), true);
        key::write(&key_path, &used, Kind::StoreKey)?;
    }
    drop(locked);
    let store = Store::new(settings, vault);
    if !key.in_use {
        // What is in the store now is not left beside it.
        let locked = lock(folder, false)?;
        erase_old_files(&store.0, &locked)?;
    }
    Ok(store)
}

/// That the key is this store's.
fn check_key(vault: &Vault, path: &Path, key: &Path) -> Result<(), StoreError> {
    if guarded(path, || vault::read(path, |tx| vault.is_mine(tx, path)))? {
        return Ok(());
    }
    Err(KeyError::Wrong {
        key: key.into(),
        store: path.into(),
    }
    .into())
}

/// Makes the database, whole under its name or not at all.
fn found(vault: &Vault, folder: &Path, path: &Path) -> Result<(), Fault> {
    let io = |error| Fault::Redb(redb::Error::Io(error));
    let old = old_files(folder)?;
    let old: Vec<_> = old.iter().filter_map(|path| read_old(path).ok()).collect();
    let beside = atomic_file::beside(path, Some(0o600)).map_err(io)?;
    let database = vault::open(FileBackend::new(beside.reopen().map_err(io)?)?, false)?;
    vault::change(&database, |tx| {
        vault.found(tx)?;
        for record in &old {
            let crops = None;
            vault.add(tx, Person { record, crops }, false)?;
            let detail = "from a file of an earlier release";
            let event = AuditEvent::new(What::Imported, Some(record.subject()), detail);
            vault.append(tx, unix_millis(), [event])?;
        }
        Ok(())
    })?;
    database.close()?;
    beside.as_file().sync_all().map_err(io)?;
    beside.persist(path).map_err(|error| io(error.error))?;
    Folder::of(path)
        .and_then(|folder| folder.sync())
        .map_err(io)
}

/// The files of an earlier release, ordered by name.
pub(super) fn old_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<io::Result<Vec<_>>>()
    });
    let mut paths = listed.map_err(|source| StoreError::Folder {
        path: folder.into(),
        source,
    })?;
    paths.retain(|path| path.extension().is_some_and(|e| e == OLD_EXTENSION));
    paths.sort();
    Ok(paths)
}

/// Why a file of an earlier release is not in the store.
pub(super) fn not_imported(path: &Path) -> RecordError {
    let came_late = || "it came when there was a sealed store already".into();
    RecordError::OldFile {
        path: path.into(),
        reason: read_old(path).err().unwrap_or_else(came_late),
    }
}

fn read_old(path: &Path) -> Result<EnrollmentRecord, String> {
    let bytes = capped_file::read(path, OLD_MAX_LEN).map_err(|error| error.to_string())?;
    let record = EnrollmentRecord::decode(&bytes).map_err(|error| error.to_string())?;
    match path
        .file_stem()
        .is_some_and(|stem| stem == record.subject())
    {
        true => Ok(record),
        false => Err("the record is of another person than its name says".into()),
    }
}

/// Overwrites and removes the files of an earlier release whose records are in the store.
pub(super) fn erase_old_files(store: &Inner, _locked: &Folder) -> Result<(), StoreError> {
    let folder = &store.settings.folder;
    let path = folder.join(DATABASE);
    for old in old_files(folder)? {
        let Ok(record) = read_old(&old) else { continue };
        let stored = guarded(&path, || {
            vault::read(&path, |tx| store.vault.find(tx, record.subject()))
        })?;
        if stored.and_then(Result::ok) == Some(record) {
            let file = OpenOptions::new().write(true).open(&old);
            let erased = file.and_then(erase::wipe);
            let removed = erased.and_then(|()| atomic_file::remove(&old));
            removed.map_err(|source| StoreError::Folder { path: old, source })?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}
