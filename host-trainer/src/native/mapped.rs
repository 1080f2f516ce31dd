//! A packed file in memory.

use std::fs::File;
use std::ops::Deref;

/// The bytes of a file that nobody changes any more.
pub(crate) struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps a file that this program made whole under another name and renamed; no program of ours
    /// writes to such a file or cuts it afterwards, it is only deleted.
    ///
    /// # Errors
    /// What the system said. Should the disk fail later, the process ends with SIGBUS.
    pub(crate) fn of(file: &File) -> std::io::Result<Self> {
        // SAFETY: the map is read-only, and the bytes stay as they are for as long as it lives: see
        // above. A deleted file lives on while it is mapped.
        unsafe { memmap2::Mmap::map(file) }.map(Self)
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
