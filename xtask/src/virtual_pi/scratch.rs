//! Folders that live as long as the program, and do not outlive it when somebody presses Ctrl-C.

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, Once, PoisonError};
use tempfile::TempDir;

/// What there is to delete.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();
/// What a shell gives a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// A folder of this program alone, deleted when it is dropped, and at Ctrl-C or a request to end.
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes one where temporary files lie: its path is short enough for sockets.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new() -> Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// Makes one in a folder, for what will be renamed to lie there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn within(parent: &Path) -> Result<Self> {
        LISTENING.call_once(|| {
            // Whoever listens already decides what happens.
            let _ = ctrlc::set_handler(end);
        });
        let mine = fs::Permissions::from_mode(0o700);
        let mut builder = tempfile::Builder::new();
        builder.prefix("virtual-pi.").permissions(mine);
        let folder = builder.tempdir_in(parent);
        let folder = folder.with_context(|| format!("a folder in {}", parent.display()))?;
        folders().push(folder.path().into());
        Ok(Self { folder })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        folders().retain(|folder| folder != self.folder.path());
    }
}

fn folders() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end() {
    // The lock is kept: nobody makes another one now. Emulators end with this program.
    let folders = folders();
    for folder in folders.iter() {
        let _ = fs::remove_dir_all(folder);
    }
    process::exit(INTERRUPTED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_folders_are_gone_and_forgotten() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("disk"), "").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(folders().contains(&path));
        drop(scratch);
        assert!(!path.exists() && !folders().contains(&path));
    }
}
