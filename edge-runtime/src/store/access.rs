//! Taking turns at the database: a lock on the folder, the database open only while it is held.

use super::erase::{self, Rewrite};
use super::error::StoreError;
use super::fault::Fault;
use super::vault::{self, Vault};
use super::{DATABASE, MARKER, Store, begin, key};
use crate::atomic_file::Folder;
use crate::contained::contained;
use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, WriteTransaction};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A change takes milliseconds, erasing one a few seconds with very many people.
const LOCK_WAIT: Duration = Duration::from_secs(20);
/// Who reads waits less: a door that waits lets nobody in, and says why before its watchdog does.
const READ_WAIT: Duration = Duration::from_secs(8);

impl Store {
    /// Reads the database as it is between two changes.
    pub(super) fn read<T>(
        &self,
        job: impl FnOnce(&Vault, &ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let path = self.database();
        let _locked = self.lock(true)?;
        guarded(&path, || vault::read(&path, |tx| job(&self.0.vault, tx)))
    }

    /// Changes people, and tells a running door.
    pub(super) fn change_people<T>(
        &self,
        job: impl FnOnce(&Vault, &WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write(|database| {
            // Told first: a door that reads now waits for the lock. What is told is changed, or
            // it is read once in vain.
            let marker = self.0.settings.folder.join(MARKER);
            let mark = key::random::<16>()?;
            private_file(&marker, &mark).map_err(|source| StoreError::Disk {
                path: marker,
                source,
            })?;
            vault::change(database, |tx| job(&self.0.vault, tx))
        })
    }

    /// Opens the database to change it, and erases what the change removed.
    pub(super) fn write<T>(
        &self,
        job: impl FnOnce(&Database) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let locked = self.lock(false)?;
        let folder = &self.0.settings.folder;
        locked.sweep().map_err(|e| self.fault(folder, e))?;
        let path = self.database();
        let check = !self.0.checked.load(Ordering::Relaxed);
        let done = guarded(&path, || {
            let database = open_file(&path, check)?;
            // Of a change before, which was interrupted.
            let database = self.erase(database)?;
            let done = job(&database)?;
            Ok((database, done))
        });
        let (database, done) = done?;
        self.0.checked.store(true, Ordering::Relaxed);
        let erased = guarded(&path, || self.erase(database));
        // What fails when it is closed is put right when it is opened: the change is on the disk.
        drop(erased.map_err(StoreError::after_the_change)?);
        begin::erase_old_files(&self.0, &locked)?;
        Ok(done)
    }

    /// Writes the database anew if its pages may hold what was removed.
    fn erase(&self, database: Database) -> Result<Database, Fault> {
        if !vault::is_marked(&database)? {
            return Ok(database);
        }
        let path = self.database();
        erase::rewrite(&path, database).map_err(|error| match error {
            Rewrite::Fault(fault) => fault,
            Rewrite::Io(source) => Fault::Redb(redb::Error::Io(source)),
        })?;
        open_file(&path, false)
    }

    fn database(&self) -> PathBuf {
        self.0.settings.folder.join(DATABASE)
    }

    pub(super) fn lock(&self, shared: bool) -> Result<Folder, StoreError> {
        lock(&self.0.settings.folder, shared)
    }

    pub(super) fn fault(&self, path: &Path, source: io::Error) -> StoreError {
        let path = path.into();
        StoreError::Folder { path, source }
    }
}

/// Takes the turn of this program, shared with others that read.
pub(super) fn lock(path: &Path, shared: bool) -> Result<Folder, StoreError> {
    private(path)?;
    let wait = if shared { READ_WAIT } else { LOCK_WAIT };
    let folder = Folder::open(path).and_then(|folder| {
        let locked = folder.lock(shared, wait)?;
        Ok((folder, locked))
    });
    match folder {
        Ok((folder, true)) => Ok(folder),
        Ok((_, false)) => Err(StoreError::Busy {
            path: path.into(),
            waited_s: wait.as_secs(),
        }),
        Err(source) => Err(StoreError::Folder {
            path: path.into(),
            source,
        }),
    }
}

pub(super) fn open_file(path: &Path, check: bool) -> Result<Database, Fault> {
    let io = |error| Fault::Redb(redb::Error::Io(error));
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(io)?;
    // An empty file would be made a new store.
    if file.metadata().map_err(io)?.len() == 0 {
        return Err(io(io::ErrorKind::UnexpectedEof.into()));
    }
    vault::open(FileBackend::new(file)?, check)
}

/// What a damaged file makes the database panic with is an error, too.
pub(super) fn guarded<T>(
    path: &Path,
    job: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, StoreError> {
    match contained(job) {
        Ok(done) => done.map_err(|fault| fault.of(path)),
        Err(reason) => Err(StoreError::Damaged {
            path: path.into(),
            reason,
        }),
    }
}

/// That nobody but the owner, who runs this program, may enter the folder.
pub(super) fn private(folder: &Path) -> Result<(), StoreError> {
    let path = || folder.into();
    let metadata = fs::metadata(folder).map_err(|source| StoreError::Folder {
        path: path(),
        source,
    })?;
    if !metadata.is_dir() {
        let source = io::ErrorKind::NotADirectory.into();
        return Err(StoreError::Folder {
            path: path(),
            source,
        });
    }
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::MetadataExt::uid(&metadata);
        let user = rustix::process::geteuid().as_raw();
        if owner != user {
            let path = path();
            return Err(StoreError::Owner { path, owner, user });
        }
    }
    let mode = mode(&metadata);
    if mode & 0o077 != 0 {
        return Err(StoreError::Permissions { path: path(), mode });
    }
    Ok(())
}

/// The permission bits; elsewhere than on Unix there are none to look at.
#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o700
}

/// Writes a file that nobody else may read, and need not outlive a power cut.
fn private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(bytes)
}
