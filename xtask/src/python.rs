//! The Python side: pip for downloads, and a virtual environment with ONNX Runtime, which the
//! exported networks are compared with.

use crate::workspace::{self, answers};
use crate::{disk, libtorch};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the environment holds; the pins are in this one file.
const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// Installed size, rounded up.
const BYTES: u64 = 500_000_000;

/// Checks that Python and pip answer.
///
/// # Errors
/// The tool that is missing, and how to get it.
pub(crate) fn demand_pip() -> Result<()> {
    ensure!(
        answers("python3", &["--version"]),
        "python3 is missing: `apt install python3 python3-pip`"
    );
    ensure!(
        answers("python3", &["-m", "pip", "--version"]),
        "pip is missing: `apt install python3-pip` or `python3 -m ensurepip`"
    );
    Ok(())
}

/// The Python of the environment, which is made unless it is there and works.
///
/// # Errors
/// If Python lacks pip or venv, or the packages cannot be fetched.
pub(crate) fn ensure() -> Result<PathBuf> {
    let cache = libtorch::cache()?;
    let home = cache.join(format!("python-{:016x}", key(REQUIREMENTS)));
    let python = home.join("bin/python");
    // Importing is the proof: an upgrade of the system's Python breaks an environment silently.
    if answers(
        &python,
        &["-c", "import numpy, onnx, onnxruntime, playwright"],
    ) {
        return Ok(python);
    }
    demand_pip()?;
    ensure!(
        answers("python3", &["-c", "import venv, ensurepip"]),
        "Python's venv is missing: `apt install python3-venv`"
    );
    fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    disk::demand_space(&cache, BYTES)?;
    eprintln!("Python environment with ONNX Runtime in {}", home.display());
    make(&home, &python)?;
    Ok(python)
}

fn make(home: &Path, python: &Path) -> Result<()> {
    // `--clear` empties what an interrupted run left.
    let mut venv = Command::new("python3");
    workspace::run(venv.args(["-m", "venv", "--clear"]).arg(home))?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]);
    pip.args(["--disable-pip-version-check", "--requirement"]);
    pip.arg(workspace::root().join("xtask/requirements.txt"));
    // Standard output may carry a command's JSON.
    workspace::run(pip.stdout(Stdio::from(io::stderr())))
}

/// Environments of other pins stay usable by other checkouts: each list has a folder of its own.
fn key(requirements: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned() {
        let lines = REQUIREMENTS.lines().filter(|line| !line.starts_with('#'));
        let packages: Vec<_> = lines.map(|line| line.split_once("==").unwrap().0).collect();
        assert_eq!(packages, ["numpy", "onnx", "onnxruntime", "playwright"]);
    }

    #[test]
    fn other_pins_have_another_folder() {
        assert_eq!(key("a==1"), key("a==1"));
        assert_ne!(key("a==1"), key("a==2"));
    }
}
