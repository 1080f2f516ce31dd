//! The two links that say which slot is in force and which is settled.

use super::{Device, DeviceError, slot::Slot};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Which of the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// To the slot that the door runs from.
    Current,
    /// To the slot that last proved healthy.
    Settled,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Settled => "settled",
        }
    }
}

impl Device {
    /// Where a link leads; `None` if it is not there.
    pub(super) fn follow(&self, link: Link) -> Option<Slot> {
        let target = fs::read_link(self.programs().join(link.name())).ok()?;
        let mut slots = Slot::ALL.into_iter();
        slots.find(|slot| target == Path::new(slot.name()))
    }

    /// Makes or moves a link in one step, that a power cut does not undo.
    ///
    /// # Errors
    /// [`DeviceError::Io`].
    pub(super) fn point(&self, link: Link, slot: Slot) -> Result<(), DeviceError> {
        // Relative, so that the whole tree can be moved.
        replace_link(&self.programs().join(link.name()), slot.name())
    }
}

/// Makes or moves a symbolic link: there is no moment without it.
///
/// # Errors
/// [`DeviceError::Io`], as where a folder lies there.
pub(super) fn replace_link(link: &Path, target: &str) -> Result<(), DeviceError> {
    let folder = link.parent().unwrap_or(Path::new("."));
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.new"));
    let moved = (|| {
        // Left over if an earlier move was cut short.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(target, &beside)?;
        fs::rename(&beside, link)?;
        fs::File::open(folder)?.sync_all()
    })();
    moved.map_err(DeviceError::io("linking", link))
}
