//! Debian's kernel with the few modules that the emulated machines need, and what it starts with.

use crate::apt::{Apt, Machine};
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The package that names the newest kernel's.
pub(super) const PACKAGE: &str = "linux-image-arm64";

/// Disk, network, a camera without hardware, a watchdog, what systemd looks for. What these need
/// comes too.
pub(super) const MODULES: [&str; 9] = [
    "virtio_mmio",
    "virtio_blk",
    "virtio_net",
    "crc32c_generic",
    "ext4",
    "vivid",
    "softdog",
    "autofs4",
    "loop",
];

/// An unpacked kernel package.
pub(super) struct Kernel {
    root: PathBuf,
    /// As `uname -r` says it.
    release: String,
}

impl Kernel {
    /// Fetches it into a folder.
    pub(super) fn unpack(apt: &Apt, work: &Path) -> Result<Self> {
        let root = work.join("kernel");
        let closure = apt.closure(Machine::EmptyArm64, &[PACKAGE])?;
        let image = |it: &&String| it.starts_with("linux-image-") && !it.starts_with(PACKAGE);
        let package = closure.iter().find(image);
        let package = package.with_context(|| format!("{PACKAGE} needs no kernel"))?;
        apt.unpack(Machine::EmptyArm64, std::slice::from_ref(package), &root)?;
        let modules = root.join("lib/modules");
        let release = fs::read_dir(&modules)?.next();
        let release = release.with_context(|| modules.display().to_string())??;
        let release = release.file_name().to_string_lossy().into_owned();
        let mut depmod = Command::new("/sbin/depmod");
        workspace::run(depmod.arg("-b").arg(&root).arg(&release))?;
        Ok(Self { root, release })
    }

    /// Kernel and device tree for the image.
    pub(super) fn copy(&self, image: &Path) -> Result<()> {
        let kernel = self.root.join(format!("boot/vmlinuz-{}", self.release));
        let trees = format!("usr/lib/linux-image-{}/broadcom", self.release);
        let tree = self.root.join(trees).join("bcm2837-rpi-3-b.dtb");
        for (from, to) in [(kernel, "kernel"), (tree, "pi3.dtb")] {
            fs::copy(&from, image.join(to)).with_context(|| from.display().to_string())?;
        }
        Ok(())
    }

    /// Copies the modules into a file system.
    pub(super) fn give_modules(&self, tree: &Path) -> Result<()> {
        let folder = format!("lib/modules/{}", self.release);
        for module in self.needed()? {
            let inside = module.strip_prefix(&self.root)?;
            let to = tree.join(inside);
            let parent = to.parent().context("a module lies in a folder")?;
            fs::create_dir_all(parent)?;
            fs::copy(&module, &to).with_context(|| module.display().to_string())?;
        }
        for list in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            fs::copy(
                self.root.join(&folder).join(list),
                tree.join(&folder).join(list),
            )?;
        }
        let mut depmod = Command::new("/sbin/depmod");
        workspace::run(depmod.arg("-b").arg(tree).arg(&self.release))
    }

    fn needed(&self) -> Result<BTreeSet<PathBuf>> {
        let mut needed = BTreeSet::new();
        for module in MODULES {
            let mut modprobe = Command::new("/sbin/modprobe");
            modprobe
                .arg("-d")
                .arg(&self.root)
                .args(["-S", &self.release]);
            modprobe.args(["--show-depends", module]);
            needed.extend(inserted(&workspace::output(&mut modprobe)?));
        }
        Ok(needed)
    }
}

/// The files that `modprobe --show-depends` says it would insert; `builtin NAME` is none.
fn inserted(answer: &str) -> Vec<PathBuf> {
    let file = |line: &str| {
        let path = line.strip_prefix("insmod ")?.split_whitespace().next()?;
        Some(PathBuf::from(path))
    };
    answer.lines().filter_map(file).collect()
}

/// Busybox's programs that the first programs call.
const APPLETS: [&str; 9] = [
    "sh",
    "mount",
    "umount",
    "modprobe",
    "switch_root",
    "tr",
    "sleep",
    "echo",
    "cat",
];

/// What each machine starts with: busybox and an `init`; the disk's modules for the one, the
/// libraries that a door's program is linked to for the other.
pub(super) fn initramfs(work: &Path, tree: &Path, kernel: &Kernel, image: &Path) -> Result<()> {
    for (name, init) in [
        ("initramfs", include_str!("../guest/init")),
        ("pi3", include_str!("../guest/init-pi3")),
    ] {
        let root = work.join(name);
        for folder in ["bin", "proc", "sys", "dev", "mnt", "tmp", "lib"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy(tree.join("bin/busybox"), root.join("bin/busybox"))?;
        for applet in APPLETS {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
        }
        crate::disk::replace_text(init, &root.join("init"), 0o755)?;
        match name {
            "pi3" => give_libraries(tree, &root)?,
            _ => kernel.give_modules(&root)?,
        }
        archive(&root, &image.join(name))?;
    }
    Ok(())
}

fn give_libraries(tree: &Path, root: &Path) -> Result<()> {
    fs::copy(
        tree.join("lib/ld-linux-aarch64.so.1"),
        root.join("lib/ld-linux-aarch64.so.1"),
    )?;
    for library in ["libc.so.6", "libm.so.6", "libgcc_s.so.1"] {
        let from = tree.join("lib/aarch64-linux-gnu").join(library);
        fs::copy(&from, root.join("lib").join(library))
            .with_context(|| from.display().to_string())?;
    }
    Ok(())
}

/// Packs a folder as a kernel reads its first file system; all files are root's.
pub(super) fn archive(folder: &Path, to: &Path) -> Result<()> {
    let mut list = Command::new("find");
    list.arg(".").current_dir(folder).stdout(Stdio::piped());
    let mut list = list.spawn().context("starting `find`")?;
    let names = list.stdout.take().context("find's output")?;
    let mut pack = Command::new("cpio");
    pack.args(["--create", "--format=newc", "--owner=0:0", "--quiet"]);
    pack.current_dir(folder).stdin(names);
    let packed = workspace::run(pack.stdout(fs::File::create(to)?));
    if !list.wait()?.success() {
        bail!("listing {} failed", folder.display());
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_inside_the_kernel_are_no_files() {
        let answer = "builtin mbcache\ninsmod /k/lib/modules/6/crc16.ko \ninsmod /k/ext4.ko a=1\n";
        let expected = ["/k/lib/modules/6/crc16.ko", "/k/ext4.ko"].map(PathBuf::from);
        assert_eq!(inserted(answer), expected);
    }
}
