//! Fetches libtorch's wheels and fills the cache; what was complete before a break is kept.

use super::unpack::{self, Members};
use super::{VERSION, home, inspect, managed};
use crate::{disk, python, workspace};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A wheel of the Python package index, and what of it is needed to build and run on the CPU.
///
/// The files do not depend on the Python that asks for them: a fixed build with a known digest is
/// taken, so that every machine gets the same bytes.
struct Wheel {
    package: &'static str,
    version: &'static str,
    sha256: &'static str,
    bytes: u64,
    members: Members,
}

/// PyTorch's x86-64 build is the CUDA one: its CPU library wants the CUDA runtime and CUPTI too.
const WHEELS: [Wheel; 3] = [
    Wheel {
        package: "nvidia-cuda-runtime",
        version: "13.0.96",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        bytes: 2_243_632,
        members: &["nvidia/cu13/lib/"],
    },
    Wheel {
        package: "nvidia-cuda-cupti",
        version: "13.0.85",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        bytes: 10_715_597,
        members: &["nvidia/cu13/lib/"],
    },
    Wheel {
        package: "torch",
        version: VERSION,
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        bytes: 530_604_548,
        members: &[
            "torch/include/",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libc10.so",
            "torch/lib/libgomp.so.1",
        ],
    },
];

/// The Python whose builds are taken, and the Linux releases they are made for: asked for another
/// machine, pip does not know that a newer release runs what an older one does.
const BUILD: [&str; 12] = [
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_25_x86_64",
    "--platform",
    "manylinux2014_x86_64",
    "--only-binary",
    ":all:",
];

const UNPACKED_BYTES: u64 = 540_000_000;

/// Fills the cache and returns the folder with `include` and `lib`.
///
/// # Errors
/// If the platform has no such build, a tool or disk space is missing, or a transfer fails. What
/// is complete stays, and the next call goes on from there.
pub(super) fn fill(cache: &Path) -> Result<PathBuf> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "libtorch can be downloaded for x86-64 Linux only: get libtorch {VERSION} for this \
         machine and set LIBTORCH to its folder"
    );
    let downloads = cache.join("downloads");
    fs::create_dir_all(&downloads).with_context(|| format!("making {}", downloads.display()))?;
    let _turn = take_turn(cache)?;
    let torch = managed(cache);
    // Another checkout may have filled it while this one waited.
    if inspect(&torch).is_ok() {
        return Ok(torch);
    }
    forget_broken(&downloads)?;
    let missing: u64 = missing(&downloads).map(|wheel| wheel.bytes).sum();
    // Twice what is missing: pip loads a wheel into a temporary folder and copies it from there.
    disk::demand_space(cache, missing + missing.max(UNPACKED_BYTES))?;
    python::demand_pip()?;
    eprintln!(
        "libtorch {VERSION}: {} to download, {} on disk, in {}",
        disk::megabytes(missing),
        disk::megabytes(UNPACKED_BYTES),
        home(cache).display()
    );
    let wheels: Result<Vec<_>> = WHEELS
        .iter()
        .map(|wheel| fetch(wheel, &downloads))
        .collect();
    unpack::install(&wheels?, &home(cache))?;
    fs::remove_dir_all(&downloads).with_context(|| format!("removing {}", downloads.display()))?;
    Ok(torch)
}

/// Two checkouts may be set up at once; the lock ends with this process, however it ends.
fn take_turn(cache: &Path) -> Result<File> {
    let path = cache.join("setup.lock");
    let lock = File::create(&path).with_context(|| path.display().to_string())?;
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        eprintln!(
            "another set-up is at work: waiting for it ({})",
            path.display()
        );
    }
    lock.lock().with_context(|| path.display().to_string())?;
    Ok(lock)
}

/// Returns a wheel and its members, downloading it unless an earlier run completed it.
fn fetch(wheel: &Wheel, downloads: &Path) -> Result<(PathBuf, Members)> {
    if let Some(kept) = kept(wheel, downloads) {
        return Ok((kept, wheel.members));
    }
    let beside = tempfile::Builder::new()
        .prefix(BROKEN)
        .tempdir_in(downloads)?;
    let requirement = beside.path().join("requirement.txt");
    let line = format!(
        "{}=={} --hash=sha256:{}\n",
        wheel.package, wheel.version, wheel.sha256
    );
    fs::write(&requirement, line)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--no-cache-dir"]);
    pip.args(BUILD)
        .args(["--require-hashes", "--requirement"])
        .arg(&requirement);
    pip.arg("--dest")
        .arg(beside.path())
        .env("TMPDIR", beside.path());
    // pip's progress belongs with the messages: standard output may carry a command's JSON.
    workspace::run(pip.stdout(Stdio::from(io::stderr())))?;
    let complete = kept(wheel, beside.path())
        .with_context(|| format!("pip left no whole {} {}", wheel.package, wheel.version))?;
    let name = complete.file_name().context("a wheel has a name")?;
    let path = downloads.join(name);
    fs::rename(&complete, &path).with_context(|| path.display().to_string())?;
    Ok((path, wheel.members))
}

const BROKEN: &str = ".partial-";

/// Deletes what a run that was cut short left half done.
fn forget_broken(downloads: &Path) -> Result<()> {
    for entry in fs::read_dir(downloads)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(BROKEN) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn missing(downloads: &Path) -> impl Iterator<Item = &'static Wheel> {
    WHEELS
        .iter()
        .filter(move |wheel| kept(wheel, downloads).is_none())
}

/// The complete file of a wheel in a folder.
fn kept(wheel: &Wheel, folder: &Path) -> Option<PathBuf> {
    let prefix = format!("{}-{}-", wheel.package.replace('-', "_"), wheel.version);
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut whole = entries.filter(|entry| entry.metadata().is_ok_and(|m| m.len() == wheel.bytes));
    let found = whole.find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))?;
    Some(found.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_run_fetches_only_what_the_first_did_not_complete() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = folder.path();
        let names = |folder| {
            missing(folder)
                .map(|wheel| wheel.package)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(downloads).len(), WHEELS.len());
        // One whole, one cut short, and the folder of a transfer that was killed.
        let sized = |name: &str, bytes| {
            let file = File::create(downloads.join(name)).unwrap();
            file.set_len(bytes).unwrap();
        };
        sized(
            "nvidia_cuda_runtime-13.0.96-py3-none-any.whl",
            WHEELS[0].bytes,
        );
        sized(&format!("torch-{VERSION}-cp311-cp311-any.whl"), 100);
        fs::create_dir(downloads.join(".partial-x")).unwrap();
        forget_broken(downloads).unwrap();
        assert!(!downloads.join(".partial-x").exists());
        assert_eq!(names(downloads), ["nvidia-cuda-cupti", "torch"]);
        let (path, _) = fetch(&WHEELS[0], downloads).unwrap();
        assert_eq!(path.parent(), Some(downloads));
    }

    #[test]
    fn only_one_set_up_works_on_a_cache_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let turn = take_turn(folder.path()).unwrap();
        let other = File::create(folder.path().join("setup.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(turn);
        assert!(other.try_lock().is_ok());
    }
}
