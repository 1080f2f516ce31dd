//! Whether the disk has room for a packed set, told before it is made.

use indicatif::{DecimalBytes, HumanCount};
use shared::align::AlignTemplate;
use std::path::{Path, PathBuf};

/// Of the index for each crop, rounded up: its name and checksum.
const ENTRY_LEN: u64 = 100;

/// The disk is too small.
#[derive(Debug, thiserror::Error)]
#[error(
    "packing {} faces takes {} in {}, {} are free; make room, or point XDG_CACHE_HOME at a larger disk",
    HumanCount(*.faces), DecimalBytes(*.needed), folder.display(), DecimalBytes(*.free)
)]
pub struct NoRoom {
    faces: u64,
    needed: u64,
    folder: PathBuf,
    free: u64,
}

/// Says how large the set will be, and looks whether `folder`, which exists, has room for it.
///
/// # Errors
/// [`NoRoom`]. Where the free space is not known, the writing will show.
pub(super) fn demand(folder: &Path, faces: usize, template: AlignTemplate) -> Result<(), NoRoom> {
    let free = rustix::fs::statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
    eprintln!("{}", plan(faces as u64, template, folder, free)?);
    Ok(())
}

/// What will be made, in words.
fn plan(faces: u64, template: AlignTemplate, folder: &Path, free: u64) -> Result<String, NoRoom> {
    let needed = faces * (template.rgb_len() as u64 + ENTRY_LEN);
    if needed > free {
        let folder = folder.into();
        return Err(NoRoom {
            faces,
            needed,
            folder,
            free,
        });
    }
    Ok(format!(
        "packing {} faces: {} in {}, {} free",
        HumanCount(faces),
        DecimalBytes(needed),
        folder.display(),
        DecimalBytes(free)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_planned_or_refused_with_both_figures() {
        let check = |free: u64, expected: &str| {
            let template = AlignTemplate::Arcface112x112;
            let told = plan(14_183, template, Path::new("/cache"), free);
            assert_eq!(told.unwrap_or_else(|error| error.to_string()), expected);
        };
        check(
            64_000_000_000,
            "packing 14,183 faces: 535.15 MB in /cache, 64.00 GB free",
        );
        check(
            535_152_955,
            "packing 14,183 faces takes 535.15 MB in /cache, 535.15 MB are free; \
             make room, or point XDG_CACHE_HOME at a larger disk",
        );
        check(
            0,
            "packing 14,183 faces takes 535.15 MB in /cache, 0 B are free; \
             make room, or point XDG_CACHE_HOME at a larger disk",
        );
    }

    #[test]
    fn a_set_that_no_disk_holds_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let faces = 1 << 44;
        let refused = demand(dir.path(), faces, AlignTemplate::Sphereface112x96).unwrap_err();
        assert!(refused.to_string().contains(dir.path().to_str().unwrap()));
        demand(dir.path(), 1, AlignTemplate::Sphereface112x96).unwrap();
    }
}
