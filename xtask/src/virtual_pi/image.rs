//! What an emulated Pi boots: kernel, first file system, disk, and the keys to get in.
//!
//! Made once, of Debian's packages for 64-bit Arm, and kept in the user's cache in a folder whose
//! name has a digest of what it is made of. No Arm program runs while it is made.

mod kernel;
mod recipe;
mod root;

use super::scratch::Scratch;
use crate::apt::{Apt, Machine};
use crate::workspace;
use crate::{disk, libtorch};
use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Size of the machine's disk; what is not written takes no room here.
const DISK_BYTES: u64 = 2_000_000_000;
/// What the making needs at most, downloads included.
const BYTES: u64 = 3_000_000_000;
/// Changes whenever code here makes another image of the same packages and files.
const EDITION: u32 = 1;

/// A Debian for 64-bit Arm that starts in an emulated machine.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    folder: PathBuf,
}

impl Image {
    /// The image, which is made unless it is there; minutes then.
    ///
    /// # Errors
    /// If this is no Debian, or its packages cannot be had.
    pub(crate) fn ensure() -> Result<Self> {
        let apt = Apt::open()?;
        let cache = libtorch::cache()?;
        let here = cache.join(name(&apt)?);
        if here.is_dir() {
            return Ok(Self { folder: here });
        }
        // Lists of an earlier day name files that may be gone, and other versions.
        apt.update()?;
        let folder = cache.join(name(&apt)?);
        if !folder.is_dir() {
            disk::demand_space(&cache, BYTES)?;
            make(&apt, &cache, &folder)?;
        }
        Ok(Self { folder })
    }

    /// The kernel, for any machine.
    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    /// The first file system, which leads to the disk.
    pub(super) fn initramfs(&self) -> PathBuf {
        self.folder.join("initramfs")
    }

    /// The disk as it is before the first start; machines get copies.
    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// The key that `pi`, `guest` and `root` let in.
    pub(super) fn identity(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// The machine's own public key, by the name that ssh configurations here use.
    pub(super) fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// The first file system of a Pi 3 that has nothing else, without a door.
    pub(super) fn pi3_initramfs(&self) -> PathBuf {
        self.folder.join("pi3")
    }

    /// The hardware of a Pi 3, as its kernel is told it.
    pub(super) fn pi3_device_tree(&self) -> PathBuf {
        self.folder.join("pi3.dtb")
    }
}

/// Packs a folder as a kernel reads its first file system; all files are root's.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn archive(folder: &Path, to: &Path) -> Result<()> {
    kernel::archive(folder, to)
}

/// `virtual-pi-DIGEST`.
fn name(apt: &Apt) -> Result<String> {
    let packages = apt.versions(Machine::EmptyArm64, &recipe::packages())?;
    let mut hasher = DefaultHasher::new();
    (
        EDITION,
        DISK_BYTES,
        packages,
        recipe::files(),
        kernel::MODULES,
    )
        .hash(&mut hasher);
    Ok(format!("virtual-pi-{:016x}", hasher.finish()))
}

/// Made beside, then renamed: there is a whole one or none.
fn make(apt: &Apt, cache: &Path, folder: &Path) -> Result<()> {
    let start = Instant::now();
    eprintln!("image of the virtual Pi in {}", folder.display());
    let beside = Scratch::within(cache)?;
    let [work, image] = ["work", "image"].map(|name| beside.path().join(name));
    fs::create_dir(&image)?;
    fs::set_permissions(&image, fs::Permissions::from_mode(0o700))?;
    make_keys(&image)?;
    let tree = root::unpack(apt, &work)?;
    let kernel = kernel::Kernel::unpack(apt, &work)?;
    kernel.copy(&image)?;
    kernel.give_modules(&tree)?;
    kernel::initramfs(&work, &tree, &kernel, &image)?;
    root::settle(&tree, &image)?;
    make_disk(&tree, &image.join("disk"))?;
    let moved = fs::rename(&image, folder);
    // Another run may have been faster.
    if !folder.is_dir() {
        moved.with_context(|| folder.display().to_string())?;
    }
    eprintln!("made in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// One key to get in, and one that the machine is known by.
fn make_keys(image: &Path) -> Result<()> {
    for name in ["key", "host_key"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "virtual-pi", "-f"]);
        workspace::run(keygen.arg(image.join(name)).stdout(Stdio::null()))?;
    }
    let public = fs::read_to_string(image.join("host_key.pub"))?;
    fs::write(
        image.join("known_hosts"),
        format!("{} {public}", super::HOST),
    )?;
    Ok(())
}

/// A file system with a folder's content, all of it root's.
fn make_disk(tree: &Path, disk: &Path) -> Result<()> {
    let file = fs::File::create(disk)?;
    file.set_len(DISK_BYTES)?;
    // Who makes the image owns the files, and is called root for this one program.
    let mut make = if rustix::process::geteuid().is_root() {
        Command::new("/sbin/mke2fs")
    } else {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "/sbin/mke2fs"]);
        unshare
    };
    make.args(["-q", "-F", "-t", "ext4", "-m", "0", "-L", "root", "-d"]);
    workspace::run(make.arg(tree).arg(disk))
}
