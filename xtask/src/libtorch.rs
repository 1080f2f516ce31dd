//! Which libtorch the trainer is built against: the user's own, the cached one, Python's, or a
//! download, in this order.

mod download;
mod unpack;

use crate::{disk, workspace};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release that the `tch` crate of this workspace is made for.
pub(crate) const VERSION: &str = "2.11.0";

/// Where the folder with `include` and `lib` is, and whose it is.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    /// The user set `LIBTORCH`.
    Own(PathBuf),
    /// This program's copy in the user's cache.
    Cached(PathBuf),
    /// PyTorch of the active Python.
    Python(PathBuf),
    /// Nowhere yet: to be downloaded into the user's cache.
    Missing,
}

/// The folder that all checkouts of one user share.
///
/// # Errors
/// If the user has no home folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let cache = dirs::cache_dir().context("no home folder: set XDG_CACHE_HOME to a folder")?;
    Ok(cache.join("facelatch"))
}

/// Where the downloaded copy lies once it is complete.
fn managed(cache: &Path) -> PathBuf {
    home(cache).join("torch")
}

fn home(cache: &Path) -> PathBuf {
    cache.join(format!("libtorch-{VERSION}"))
}

/// Finds or downloads libtorch and links it to where `.cargo/config.toml` looks for it.
///
/// # Errors
/// If the user's own copy is not usable, or the download cannot be made or completed.
pub(crate) fn ensure() -> Result<PathBuf> {
    let (root, cache) = (workspace::root(), cache()?);
    let link = root.join(".libtorch");
    let own = own(std::env::var_os("LIBTORCH"), &link, &managed(&cache));
    let found = match source(own, &cache, python_torch) {
        Source::Own(folder) => {
            inspect(&folder).with_context(|| {
                let folder = folder.display();
                format!("LIBTORCH is {folder}, which is no libtorch {VERSION}; unset it to have one downloaded")
            })?;
            return Ok(folder);
        }
        Source::Cached(folder) | Source::Python(folder) => folder,
        Source::Missing => download::fill(&cache)?,
    };
    if fs::read_link(&link).ok().as_ref() != Some(&found) {
        disk::point_link(&link, &found)?;
    }
    Ok(found)
}

/// The user's own choice: what `LIBTORCH` says, unless that is only cargo's configured default
/// or the place in the cache that this program fills itself.
fn own(variable: Option<OsString>, link: &Path, managed: &Path) -> Option<PathBuf> {
    let set = variable.map(PathBuf::from)?;
    let ours = set.as_os_str().is_empty() || set == link || set == managed;
    (!ours).then_some(set)
}

fn source(own: Option<PathBuf>, cache: &Path, python: impl FnOnce() -> Option<PathBuf>) -> Source {
    if let Some(own) = own {
        return Source::Own(own);
    }
    let managed = managed(cache);
    if inspect(&managed).is_ok() {
        return Source::Cached(managed);
    }
    match python() {
        Some(folder) if inspect(&folder).is_ok() => Source::Python(folder),
        _ => Source::Missing,
    }
}

/// Checks that a folder holds what building and running need, in the right version.
///
/// # Errors
/// The first thing that is missing or wrong.
fn inspect(folder: &Path) -> Result<()> {
    for needed in ["include", "lib/libtorch_cpu.so", "lib/libc10.so"] {
        let path = folder.join(needed);
        ensure!(path.exists(), "{} is missing", path.display());
    }
    match version(folder) {
        Some(found) if release(&found) == VERSION => Ok(()),
        found => bail!(
            "{}: version {} found, {VERSION} needed",
            folder.display(),
            found.as_deref().unwrap_or("unknown")
        ),
    }
}

/// The version that a libtorch folder states: PyTorch's own wheels have no `build-version`, the
/// archives of its site have no `version.py`.
fn version(folder: &Path) -> Option<String> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    if let Some(text) = read("build-version") {
        return Some(text.trim().to_owned());
    }
    read("version.py")
        .as_deref()
        .and_then(version_in_python)
        .or_else(|| version_in_header(&read("include/torch/headeronly/version.h")?))
        .or_else(|| version_in_header(&read("include/torch/csrc/api/include/torch/version.h")?))
}

fn version_in_python(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    Some(line.split(['\'', '"']).nth(1)?.to_owned())
}

fn version_in_header(text: &str) -> Option<String> {
    let number = |part: &str| {
        let name = format!("TORCH_VERSION_{part} ");
        let rest = text.split(name.as_str()).nth(1)?;
        rest.split_whitespace().next()?.parse::<u32>().ok()
    };
    let [major, minor, patch] = ["MAJOR", "MINOR", "PATCH"].map(number);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

/// Without the build's suffix: `2.11.0+cpu` is a `2.11.0`.
fn release(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

/// The active Python's PyTorch, asked for without importing it (an import takes seconds).
fn python_torch() -> Option<PathBuf> {
    let script = "import importlib.metadata as m; d = m.distribution('torch'); \
                  print(d.version); print(d.locate_file('torch'))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (version, folder) = text.trim().split_once('\n')?;
    (release(version.trim()) == VERSION).then(|| PathBuf::from(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libtorch_at(folder: &Path, version: &str) {
        fs::create_dir_all(folder.join("include")).unwrap();
        fs::create_dir_all(folder.join("lib")).unwrap();
        for library in ["libtorch_cpu.so", "libc10.so"] {
            fs::write(folder.join("lib").join(library), "").unwrap();
        }
        fs::write(folder.join("build-version"), version).unwrap();
    }

    #[test]
    fn only_a_foreign_variable_is_the_users_own() {
        let (link, managed) = (Path::new("/ws/.libtorch"), Path::new("/cache/torch"));
        for (variable, expected) in [
            (None, None),
            (Some(""), None),
            (Some("/ws/.libtorch"), None),
            (Some("/cache/torch"), None),
            (Some("/opt/libtorch"), Some("/opt/libtorch")),
        ] {
            let found = own(variable.map(OsString::from), link, managed);
            assert_eq!(found, expected.map(PathBuf::from), "{variable:?}");
        }
    }

    #[test]
    fn the_cache_comes_before_python_and_python_before_a_download() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, python) = (folder.path().join("cache"), folder.path().join("python"));
        let from_python = || Some(python.clone());
        assert_eq!(source(None, &cache, || None), Source::Missing);
        // Announced by Python, but not there.
        assert_eq!(source(None, &cache, from_python), Source::Missing);
        libtorch_at(&python, "2.11.0+cu130");
        assert_eq!(
            source(None, &cache, from_python),
            Source::Python(python.clone())
        );
        libtorch_at(&managed(&cache), "2.10.0");
        assert_eq!(
            source(None, &cache, from_python),
            Source::Python(python.clone())
        );
        libtorch_at(&managed(&cache), VERSION);
        assert_eq!(
            source(None, &cache, from_python),
            Source::Cached(managed(&cache))
        );
        let own = PathBuf::from("/opt/libtorch");
        assert_eq!(
            source(Some(own.clone()), &cache, from_python),
            Source::Own(own)
        );
    }

    #[test]
    fn unusable_folder_is_told_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert!(
            inspect(at)
                .unwrap_err()
                .to_string()
                .ends_with("include is missing")
        );
        libtorch_at(at, "2.9.1+cpu\n");
        let error = inspect(at).unwrap_err().to_string();
        assert!(
            error.ends_with("version 2.9.1+cpu found, 2.11.0 needed"),
            "{error}"
        );
        fs::remove_file(at.join("build-version")).unwrap();
        let error = inspect(at).unwrap_err().to_string();
        assert!(
            error.ends_with("version unknown found, 2.11.0 needed"),
            "{error}"
        );
    }

    #[test]
    fn version_is_read_from_every_form_it_comes_in() {
        let python = "from typing import Optional\n__version__ = '2.11.0+cu130'\ndebug = False\n";
        assert_eq!(version_in_python(python).unwrap(), "2.11.0+cu130");
        let header = "#define TORCH_VERSION_MAJOR 2\n\n#define TORCH_VERSION_MINOR 11\n\
                      #define TORCH_VERSION_PATCH 0\n#define TORCH_VERSION \\\n  \"2.11.0\"\n";
        assert_eq!(version_in_header(header).unwrap(), "2.11.0");
        assert_eq!(version_in_header("#define OTHER 1"), None);
        assert_eq!(release("2.11.0+cpu"), VERSION);
    }
}
