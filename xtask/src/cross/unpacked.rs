//! Debian's own Rust compiler with the door's standard library, unpacked in the cache: for machines
//! whose compiler came without, and cannot get it.

use crate::apt::{Apt, Machine};
use crate::{disk, libtorch};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Debian's Rust of a release that lives long is old; this one is kept new, for browsers.
const COMPILER: &str = "rustc-web";
const LIBRARY: &str = "libstd-rust-web-dev";

/// Unpacked size, rounded up.
const BYTES: u64 = 900_000_000;

/// The compiler, which is fetched unless it is there.
///
/// # Errors
/// If the packages cannot be had.
pub(super) fn rustc() -> Result<PathBuf> {
    let cache = libtorch::cache()?;
    if let Some(rustc) = newest(&cache)? {
        return Ok(rustc);
    }
    let apt = Apt::open()?;
    // Lists of an earlier day name files that may be gone.
    apt.update()?;
    let versions = apt.versions(Machine::Host, &[COMPILER])?;
    let version = &versions.first().context("one package")?.1;
    let home = cache.join(folder(version));
    disk::demand_space(&cache, BYTES)?;
    eprintln!(
        "Rust compiler with the door's library in {}",
        home.display()
    );
    // Whole or not at all: unpacked beside, then renamed.
    let beside = tempfile::tempdir_in(&cache)?;
    unpack(&apt, version, &beside.path().join("root"))?;
    disk::replace_text(&wrapper(&home), &beside.path().join("rustc"), 0o755)?;
    disk::remove_folder(&home)?;
    fs::rename(beside.keep(), &home).with_context(|| home.display().to_string())?;
    Ok(home.join("rustc"))
}

/// The compiler of this machine's kind, both libraries, and what of their needs is not installed.
fn unpack(apt: &Apt, version: &str, root: &Path) -> Result<()> {
    let mut packages = apt.closure(Machine::Host, &[COMPILER])?;
    packages.push(format!("{COMPILER}={version}"));
    packages.push(format!("{LIBRARY}={version}"));
    packages.push(format!("{LIBRARY}:arm64={version}"));
    apt.unpack(Machine::Host, &packages, root)
}

/// `cross-1.96.0` for Debian's `1.96.0+dfsg1-1~deb12u2`.
fn folder(version: &str) -> String {
    let end = version.find(|it: char| !it.is_ascii_digit() && it != '.');
    format!("cross-{}", &version[..end.unwrap_or(version.len())])
}

/// One that was unpacked earlier, the newest of several.
fn newest(cache: &Path) -> Result<Option<PathBuf>> {
    let Ok(entries) = fs::read_dir(cache) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let rustc = entry.path().join("rustc");
        if let Some(version) = name.strip_prefix("cross-")
            && rustc.exists()
        {
            let numbers: Vec<u32> = version.split('.').flat_map(str::parse).collect();
            found.push((numbers, rustc));
        }
    }
    Ok(found.into_iter().max().map(|(_, rustc)| rustc))
}

/// The compiler's own libraries lie where no linker looks for them.
fn wrapper(home: &Path) -> String {
    let root = home.join("root").display().to_string();
    let libraries = ["usr/lib", "lib"].map(|it| format!("{root}/{it}/x86_64-linux-gnu"));
    format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{root}/usr/bin/rustc' --sysroot '{root}/usr' \"$@\"\n",
        libraries.join(":")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_has_the_compilers_version() {
        assert_eq!(folder("1.96.0+dfsg1-1~deb12u2"), "cross-1.96.0");
        assert_eq!(folder("1.100.1"), "cross-1.100.1");
    }

    #[test]
    fn newest_that_is_whole_is_taken() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(newest(cache.path()).unwrap(), None);
        for version in ["1.96.0", "1.100.0", "1.101.0"] {
            let home = cache.path().join(format!("cross-{version}"));
            fs::create_dir(&home).unwrap();
            if version != "1.101.0" {
                fs::write(home.join("rustc"), "").unwrap();
            }
        }
        let found = newest(cache.path()).unwrap().unwrap();
        assert_eq!(found, cache.path().join("cross-1.100.0/rustc"));
    }

    #[test]
    fn wrapper_names_the_final_place() {
        let text = wrapper(Path::new("/cache/cross-1"));
        assert!(text.contains(
            "exec '/cache/cross-1/root/usr/bin/rustc' --sysroot '/cache/cross-1/root/usr'"
        ));
        assert!(text.contains("LD_LIBRARY_PATH='/cache/cross-1/root/usr/lib/x86_64-linux-gnu:"));
    }
}
