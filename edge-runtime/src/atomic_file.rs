//! Writing a file so that a power cut leaves the old one or the new one, whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file was not written; what lay there before still does.
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
/// [`WriteError`]; the file that was there is unchanged.
pub fn write(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), WriteError> {
    replace(path, bytes, mode).map_err(|source| WriteError {
        path: path.into(),
        source,
    })
}

fn replace(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let folder = folder_of(path);
    let mut beside = builder(mode).tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    sync_folder(folder)
}

/// Removes a file and syncs its folder, so that it does not come back after a power cut.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The new name is in the folder, so it is durable only when the folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn builder(mode: Option<u32>) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
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
    use std::fs;
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
    fn a_removed_file_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"x", None).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists() && remove(&path).is_err());
    }
}
