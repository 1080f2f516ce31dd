//! The door's program, built here for the door's processor.

mod toolchain;
mod unpacked;

use crate::{libtorch, workspace};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toolchain::Toolchain;

/// A processor that doors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// A Raspberry Pi 3 or later with a 64-bit system.
    Aarch64,
    /// A small PC, if this machine is one.
    X86_64,
}

impl Architecture {
    /// Reads what `uname -m` says.
    ///
    /// # Errors
    /// For a processor that no door was built for.
    pub(crate) fn of_uname(name: &str) -> Result<Self> {
        match name.trim() {
            "aarch64" => Ok(Self::Aarch64),
            "x86_64" => Ok(Self::X86_64),
            "armv7l" | "armv6l" => bail!(
                "{}: a 32-bit system; install the 64-bit one, every Raspberry Pi since the 3 runs it",
                name.trim()
            ),
            other => bail!("{other}: expected aarch64 or x86_64"),
        }
    }

    /// As `uname -m` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Rust's name of it with Linux and glibc.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// An `edge-runtime` as a door gets it.
#[derive(Debug)]
pub(crate) struct Program {
    /// The program without its symbols.
    pub(crate) path: PathBuf,
    /// The symbols and line tables, which a debugger finds when they lie beside the program.
    pub(crate) debug: PathBuf,
    /// The size in bytes before the symbols were split off.
    pub(crate) unstripped: u64,
    /// Whether it reads V4L2 cameras.
    pub(crate) v4l2: bool,
}

impl Program {
    /// The size in bytes.
    ///
    /// # Errors
    /// If the program is gone.
    pub(crate) fn size(&self) -> Result<u64> {
        let about = fs::metadata(&self.path);
        Ok(about
            .with_context(|| self.path.display().to_string())?
            .len())
    }
}

/// Builds `edge-runtime` for a machine, in a target folder of the user's cache: another compiler
/// may be at work than for everything else, and the work is too much to do it for each checkout.
///
/// # Errors
/// If there is no toolchain for the machine, with the command that gets one, or the build fails.
pub(crate) fn build(machine: Architecture) -> Result<Program> {
    let tools = Toolchain::of(machine)?;
    let folder = libtorch::cache()?.join(format!("target-{}", machine.name()));
    let v4l2 = workspace::has_libclang();
    if !v4l2 {
        eprintln!("without V4L2 cameras: libclang is missing, `apt install libclang-dev`");
    }
    let mut cargo = workspace::cargo(["build", "--release", "--package", "edge-runtime"]);
    cargo.args(["--target", machine.triple()]);
    if v4l2 {
        cargo.args(["--features", "v4l2"]);
    }
    tools.set(machine, &mut cargo);
    cargo.env("CARGO_TARGET_DIR", &folder);
    // Standard output may carry a command's JSON.
    workspace::run(cargo.stdout(std::io::stderr()))?;
    let built = folder.join(machine.triple()).join("release/edge-runtime");
    split(&tools.objcopy, &built, &folder.join("door"), v4l2)
}

/// Splits the symbols off into a file beside, which the program names.
fn split(objcopy: &Path, built: &Path, folder: &Path, v4l2: bool) -> Result<Program> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let program = Program {
        path: folder.join("edge-runtime"),
        debug: folder.join("edge-runtime.debug"),
        unstripped: fs::metadata(built)
            .with_context(|| built.display().to_string())?
            .len(),
        v4l2,
    };
    let objcopy = |option: &str| {
        let mut command = Command::new(objcopy);
        command.arg(option);
        command
    };
    let mut debug = objcopy("--only-keep-debug");
    workspace::run(debug.arg(built).arg(&program.debug))?;
    let mut strip = objcopy("--strip-all");
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(&program.debug);
    workspace::run(strip.arg(link).arg(built).arg(&program.path))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_known_by_what_they_call_themselves() {
        for machine in [Architecture::Aarch64, Architecture::X86_64] {
            let name = format!("{}\n", machine.name());
            assert_eq!(Architecture::of_uname(&name).unwrap(), machine);
            assert!(machine.triple().starts_with(machine.name()));
        }
        for (name, expected) in [("armv7l\n", "32-bit"), ("riscv64", "expected aarch64")] {
            let error = Architecture::of_uname(name).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn symbols_lie_beside_and_the_program_still_runs() {
        let _turn = workspace::STARTING.lock();
        let folder = tempfile::tempdir().unwrap();
        let built = std::env::current_exe().unwrap();
        if !workspace::answers("objcopy", &["--version"]) {
            return;
        }
        let program = split(Path::new("objcopy"), &built, folder.path(), false).unwrap();
        assert!(program.size().unwrap() < program.unstripped);
        let sections = |file: &Path| {
            let mut readelf = Command::new("readelf");
            workspace::output(readelf.arg("--section-headers").arg("--wide").arg(file)).unwrap()
        };
        assert!(sections(&program.debug).contains(".debug_line"));
        let kept = sections(&program.path);
        assert!(
            kept.contains(".gnu_debuglink") && !kept.contains(".debug_line"),
            "{kept}"
        );
        assert!(workspace::answers(&program.path, &["--list"]));
    }
}
