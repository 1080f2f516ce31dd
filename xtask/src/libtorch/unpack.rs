//! Unpacks the needed members of libtorch's wheels into one folder, all or nothing.

use super::{VERSION, inspect};
use crate::disk;
use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// What of a wheel is unpacked: a folder (`torch/include/`) or a file.
pub(super) type Members = &'static [&'static str];

/// Unpacks the wheels into `home`, which appears only when complete.
///
/// # Errors
/// If a wheel is damaged (it is deleted then: the next run fetches it again), the disk fails, or
/// the result is not a usable libtorch.
pub(super) fn install(wheels: &[(PathBuf, Members)], home: &Path) -> Result<()> {
    let partial = partial(home);
    disk::remove_folder(&partial)?;
    for (wheel, members) in wheels {
        if let Err(error) = unpack(wheel, members, &partial) {
            let unpacking = format!("unpacking {}", wheel.display());
            if is_of_the_system(&error) {
                return Err(error.context(unpacking));
            }
            fs::remove_file(wheel)?;
            return Err(error.context(format!("{unpacking}; it is deleted, run the command again")));
        }
    }
    let torch = partial.join("torch");
    // The wheel's own libtorch.so, which is left out, pulls the CUDA libraries in.
    fs::write(torch.join("lib/libtorch.so"), "INPUT(-ltorch_cpu)\n")?;
    fs::write(torch.join("build-version"), format!("{VERSION}\n"))?;
    inspect(&torch)?;
    disk::remove_folder(home)?;
    fs::rename(&partial, home).with_context(|| home.display().to_string())
}

/// Whether the operating system failed (no space, no permission) and not the wheel: what is found
/// while decompressing has no code of the system.
fn is_of_the_system(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(|cause: &io::Error| cause.raw_os_error().is_some())
}

/// Not `with_extension`: a version's last number looks like one.
fn partial(home: &Path) -> PathBuf {
    let mut name = home.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn unpack(wheel: &Path, members: Members, into: &Path) -> Result<()> {
    let mut archive = ZipArchive::new(io::BufReader::new(File::open(wheel)?))?;
    let mut wanted = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        if is_member(&entry.name()?, members) {
            wanted.push((index, entry.name()?.into_owned(), entry.size()));
        }
    }
    for member in members {
        let there = wanted.iter().any(|(_, name, _)| name.starts_with(member));
        ensure!(there, "{member} is not in it");
    }
    let bar = bar(wheel, wanted.iter().map(|(.., size)| size).sum())?;
    for (index, name, size) in wanted {
        let mut entry = archive.by_index(index)?;
        let inside = entry
            .enclosed_name()
            .with_context(|| format!("{name}: unsafe path"))?;
        let path = into.join(inside);
        let folder = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        // Reading to the end compares the checksum.
        let written =
            io::copy(&mut entry, &mut bar.wrap_write(file)).with_context(|| name.clone())?;
        ensure!(written == size, "{name}: {written} bytes, {size} expected");
    }
    bar.finish();
    Ok(())
}

fn is_member(name: &str, members: Members) -> bool {
    let wanted = |member: &&str| match member.ends_with('/') {
        true => name.starts_with(*member),
        false => name == *member,
    };
    !name.ends_with('/') && members.iter().any(wanted)
}

/// A bar on standard error; indicatif shows none where that is no terminal.
fn bar(wheel: &Path, bytes: u64) -> Result<ProgressBar> {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy();
    let package = name.split('-').next().unwrap_or_default().to_owned();
    let style = "unpacking {msg:20} {bar:30} {bytes}/{total_bytes} {eta}";
    Ok(ProgressBar::new(bytes)
        .with_style(ProgressStyle::with_template(style)?)
        .with_message(package))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    const MEMBERS: Members = &[
        "torch/include/",
        "torch/lib/libtorch_cpu.so",
        "torch/lib/libc10.so",
    ];

    fn wheel(folder: &Path, names: &[&str]) -> PathBuf {
        let path = folder.join(format!("torch-{VERSION}-any.whl"));
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for name in names {
            // Stored, so that a test can damage the contents and nothing else.
            let options =
                SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            zip.start_file(*name, options).unwrap();
            zip.write_all(format!("contents of {name}").as_bytes())
                .unwrap();
        }
        zip.finish().unwrap();
        path
    }

    const NAMES: [&str; 5] = [
        "torch/include/a/b.h",
        "torch/lib/libtorch_cpu.so",
        "torch/lib/libtorch_cpu.so.bak",
        "torch/lib/libc10.so",
        "torch/lib/libtorch.so",
    ];

    #[test]
    fn unpacks_the_members_and_replaces_a_half_done_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("libtorch-1.2.3");
        for stale in [home.clone(), partial(&home)] {
            fs::create_dir_all(stale.join("stale")).unwrap();
        }
        let wheel = wheel(folder.path(), &NAMES);
        install(&[(wheel, MEMBERS)], &home).unwrap();
        let torch = home.join("torch");
        inspect(&torch).unwrap();
        assert!(torch.join("include/a/b.h").exists());
        assert!(!torch.join("lib/libtorch_cpu.so.bak").exists());
        let script = fs::read_to_string(torch.join("lib/libtorch.so")).unwrap();
        assert_eq!(script, "INPUT(-ltorch_cpu)\n");
        assert!(!home.join("stale").exists() && !partial(&home).exists());
    }

    #[test]
    fn damaged_wheel_is_deleted_and_leaves_the_folder_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("libtorch-1.2.3");
        let wheel = wheel(folder.path(), &NAMES);
        let mut bytes = fs::read(&wheel).unwrap();
        let at = bytes
            .windows(8)
            .position(|window| window == b"contents")
            .unwrap();
        bytes[at] ^= 1;
        fs::write(&wheel, bytes).unwrap();
        let error = install(&[(wheel.clone(), MEMBERS)], &home).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("it is deleted, run the command again")
        );
        assert!(!wheel.exists() && !home.exists());
    }

    #[test]
    fn whole_wheel_stays_when_the_disk_fails() {
        let folder = tempfile::tempdir().unwrap();
        // A cache on a disk that is not mounted.
        let cache = folder.path().join("cache");
        std::os::unix::fs::symlink("nowhere", &cache).unwrap();
        let wheel = wheel(folder.path(), &NAMES);
        let error = install(&[(wheel.clone(), MEMBERS)], &cache.join("home")).unwrap_err();
        let error = format!("{error:#}");
        assert!(wheel.exists() && !error.contains("deleted"), "{error}");
        assert!(error.contains("os error"), "{error}");
    }

    #[test]
    fn wheel_without_a_needed_member_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel(folder.path(), &NAMES[..2]);
        let error = install(&[(wheel, MEMBERS)], &folder.path().join("home")).unwrap_err();
        assert!(
            format!("{error:#}").ends_with("torch/lib/libc10.so is not in it"),
            "{error:#}"
        );
    }
}
