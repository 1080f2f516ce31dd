//! Reading a whole file that claims to be small.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{}: not a regular file; give the path of a file", path.display())]
    NotAFile {
        /// What it is not.
        path: PathBuf,
    },
    /// Longer than any real one.
    #[error("{}: {found} bytes, expected at most {limit}; a path is mixed up", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes there are, at least.
        found: u64,
        /// Bytes there may be.
        limit: u64,
    },
}

/// The bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// [`ReadError`]; no more than `limit` bytes are ever allocated.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let io = |source| ReadError::Io {
        path: path.into(),
        source,
    };
    // Asked before the file is opened: opening a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.into() });
    }
    let too_large = |found| ReadError::TooLarge {
        path: path.into(),
        found,
        limit,
    };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    let file = File::open(path).map_err(io)?;
    // One byte more than allowed tells a file that grew meanwhile from one that just fits.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    let found = bytes.len() as u64;
    (found <= limit)
        .then_some(bytes)
        .ok_or_else(|| too_large(found))
}

/// The permission bits of a file, if they let others than its owner read it.
#[cfg(unix)]
pub(crate) fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_small_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, [7; 10]).unwrap();
        assert_eq!(read(&file, 10).unwrap(), [7; 10]);
        for (path, limit, needle) in [
            (file.clone(), 9, "10 bytes, expected at most 9"),
            (dir.path().into(), 9, "not a regular file"),
            (dir.path().join("none"), 9, "No such file"),
            ("/dev/zero".into(), 9, "not a regular file"),
        ] {
            let error = read(&path, limit).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
