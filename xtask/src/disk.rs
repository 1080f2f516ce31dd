//! Free space, sizes in words, and files that are replaced whole.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Fails unless `folder`, which exists, has room for `needed` bytes.
///
/// # Errors
/// If the room is too small, with both figures and the folder.
pub(crate) fn demand_space(folder: &Path, needed: u64) -> Result<()> {
    let disk =
        rustix::fs::statvfs(folder).with_context(|| format!("{}: free space", folder.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    if free < needed {
        bail!(
            "{}: {} needed, {} free; make room, or point XDG_CACHE_HOME at a larger disk",
            folder.display(),
            megabytes(needed),
            megabytes(free)
        );
    }
    Ok(())
}

/// A size in the unit that downloads are stated in.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// Copies a file so that a crash leaves the old or the new one, whole.
///
/// # Errors
/// If reading or writing fails; the message names both files.
pub(crate) fn replace_file(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let copied = fs::read(from).and_then(|bytes| write_whole(&bytes, to, mode));
    copied.with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// Writes a file so that a crash leaves the old or the new one, whole.
///
/// # Errors
/// If writing fails; the message names the file.
pub(crate) fn replace_text(text: &str, to: &Path, mode: u32) -> Result<()> {
    write_whole(text.as_bytes(), to, mode).with_context(|| to.display().to_string())
}

/// Beside, sync, rename.
fn write_whole(bytes: &[u8], to: &Path, mode: u32) -> io::Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    let permissions = fs::Permissions::from_mode(mode);
    beside.as_file().set_permissions(permissions)?;
    beside.as_file().sync_all()?;
    beside.persist(to)?;
    File::open(folder)?.sync_all()
}

/// Makes or moves a symbolic link in one step: there is no moment without it.
///
/// # Errors
/// If the folder cannot be written, or something that is not a link lies at `link`.
pub(crate) fn point_link(link: &Path, to: &Path) -> Result<()> {
    let name = link.file_name().context("a link has a name")?;
    if fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink()) {
        bail!(
            "{}: expected a link, move what is there away",
            link.display()
        );
    }
    let beside = link.with_file_name(format!(".{}.new", name.to_string_lossy()));
    let moved = (|| -> io::Result<()> {
        // Left over if an earlier move was cut short.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::os::unix::fs::symlink(to, &beside)?;
        fs::rename(&beside, link)
    })();
    moved.with_context(|| format!("linking {} to {}", link.display(), to.display()))
}

/// What lies in a folder, by name.
///
/// # Errors
/// If it cannot be listed; the message names it.
pub(crate) fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Deletes a folder with all that is in it, if it is there.
///
/// # Errors
/// If something in it cannot be deleted.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_names_the_folder_and_both_figures() {
        let here = Path::new("/");
        demand_space(here, 1).unwrap();
        let error = demand_space(here, u64::MAX).unwrap_err().to_string();
        assert!(
            error.starts_with("/: ") && error.contains("MB free"),
            "{error}"
        );
    }

    #[test]
    fn file_and_link_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [old, link] = ["old", "link"].map(|name| folder.path().join(name));
        fs::write(&link, "old").unwrap();
        replace_file(&link, &old, 0o600).unwrap();
        fs::remove_file(&link).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
        replace_text("newer", &old, 0o600).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "newer");
        for target in ["old", "new"] {
            // What a link that was cut short leaves behind.
            let _ = std::os::unix::fs::symlink("x", folder.path().join(".link.new"));
            point_link(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(point_link(&old, Path::new("new")).is_err());
    }
}
