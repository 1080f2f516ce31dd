//! Writing a file so that a power cut leaves the old one or the new one, whole.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// How the names of files begin that are still being written.
const PREFIX: &str = ".writing-";

/// The file was not written. What lay there before still does, unless the disk failed at the last
/// step, the syncing of the folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: cannot be written: {source}; check that its folder exists, has room and may be written to",
    path.display()
)]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes `bytes` beside `path`, syncs them, renames them over it and syncs the folder.
///
/// `mode` is the Unix permission of the new file (0o600 for one that nobody else may read);
/// without it the file gets what the process's umask leaves of 0o666.
///
/// # Errors
/// [`WriteError`].
pub fn write(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), WriteError> {
    replace(path, bytes, mode).map_err(|source| WriteError {
        path: path.into(),
        source,
    })
}

fn replace(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    // Opened first: a folder that cannot be must not have been changed.
    let folder = Folder::of(path)?;
    let mut beside = builder(mode).tempfile_in(&folder.path)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    folder.sync()
}

/// An empty file beside `path`, to be written, synced and renamed over it; `mode` as in [`write`].
pub(crate) fn beside(path: &Path, mode: Option<u32>) -> io::Result<NamedTempFile> {
    builder(mode).tempfile_in(&Folder::of(path)?.path)
}

/// Removes a file and syncs its folder, so that it does not come back after a power cut.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    let folder = Folder::of(path)?;
    fs::remove_file(path)?;
    folder.sync()
}

/// An open folder. A name is in its folder, so it is durable only when the folder is.
pub(crate) struct Folder {
    path: PathBuf,
    /// Elsewhere than on Unix a folder cannot be opened.
    file: Option<File>,
}

impl Folder {
    /// The folder that a path lies in.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        Self::open(parent.unwrap_or(Path::new(".")))
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = cfg!(unix).then(|| File::open(path)).transpose()?;
        let path = path.into();
        Ok(Self { path, file })
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// Waits until nobody holds a lock that conflicts, but no longer than `wait`; returns whether
    /// it is held now, which it is until `self` is dropped. Any number may hold a shared lock.
    pub(crate) fn lock(&self, shared: bool, wait: Duration) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(true);
        };
        let started = Instant::now();
        loop {
            let locked = if shared {
                file.try_lock_shared()
            } else {
                file.try_lock()
            };
            match locked {
                Ok(()) => return Ok(true),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if started.elapsed() >= wait => return Ok(false),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Deletes what killed writers left. Whoever writes here must hold the lock.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn builder(mode: Option<u32>) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = mode.unwrap_or(0o666);
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"old", None).unwrap();
        write(&path, b"new", Some(0o600)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        // A folder cannot be renamed over by a file.
        let path = dir.path().join("folder");
        fs::create_dir(&path).unwrap();
        let error = write(&path, b"new", None).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("none/file"), b"new", None).is_err());
    }

    #[test]
    fn a_write_that_fails_in_a_folder_that_cannot_be_listed_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, path) = (dir.path().join("folder"), dir.path().join("folder/file"));
        fs::create_dir(&folder).unwrap();
        write(&path, b"old", None).unwrap();
        let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o300);
        // Root lists any folder, and so writes there.
        let expected = [b"old", b"new"][usize::from(write(&path, b"new", None).is_ok())];
        assert_eq!(fs::read(&path).unwrap(), expected);
        let removed = remove(&path).is_ok();
        assert_eq!(path.exists(), !removed);
        mode(0o700);
    }

    #[test]
    fn one_writes_or_several_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = || Folder::open(dir.path()).unwrap();
        let lock = |folder: &Folder, shared| folder.lock(shared, Duration::ZERO).unwrap();
        let (first, second, third) = (folder(), folder(), folder());
        assert!(lock(&first, true) && lock(&second, true) && !lock(&third, false));
        drop((first, second));
        assert!(lock(&third, false) && !lock(&folder(), true));
        let waiting = folder();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| waiting.lock(true, Duration::from_secs(60)).unwrap());
            drop(third);
            assert!(waits.join().unwrap());
        });
    }

    #[test]
    fn a_removed_file_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"x", None).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists() && remove(&path).is_err());
    }
}
