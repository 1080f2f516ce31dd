//! Debian's packages, fetched and unpacked beside the system.
//!
//! The lists, the architectures and the downloads are kept in the user's cache, the sources are
//! this machine's: nothing is installed, and what dpkg knows of this machine stays as it is.

use crate::workspace::{self, answers};
use crate::{disk, libtorch};
use anyhow::{Context, Result, ensure};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An apt of its own.
pub(crate) struct Apt {
    state: PathBuf,
    /// Whether the lists are of today.
    fresh: Cell<bool>,
}

/// Whose packages are looked for, and what counts as installed.
#[derive(Clone, Copy)]
pub(crate) enum Machine {
    /// This one.
    Host,
    /// An empty one with 64-bit Arm processors.
    EmptyArm64,
}

impl Apt {
    /// Opens the user's own lists, and fetches them if they were never fetched.
    ///
    /// # Errors
    /// If this is no Debian, or its sources cannot be read.
    pub(crate) fn open() -> Result<Self> {
        ensure!(
            is_there(),
            "apt-get and dpkg-deb are missing: this needs a Debian"
        );
        let state = libtorch::cache()?.join("apt");
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        disk::replace_text("", &state.join("empty"), 0o644)?;
        let fresh = Cell::new(false);
        let apt = Self { state, fresh };
        if !apt.state.join("fetched").exists() {
            apt.update()?;
        }
        Ok(apt)
    }

    /// Fetches the lists anew, once in a run.
    ///
    /// # Errors
    /// If the machine's sources cannot be reached.
    pub(crate) fn update(&self) -> Result<()> {
        if self.fresh.replace(true) {
            return Ok(());
        }
        eprintln!("package lists of Debian in {}", self.state.display());
        let mut update = self.command("apt-get", Machine::Host);
        workspace::run(quiet(update.args(["update", "-qq"])))?;
        disk::replace_text("", &self.state.join("fetched"), 0o644)
    }

    /// The versions that would be installed: package, version, in the order asked for.
    ///
    /// # Errors
    /// If a package is not in the lists.
    pub(crate) fn versions(
        &self,
        machine: Machine,
        packages: &[&str],
    ) -> Result<Vec<(String, String)>> {
        let mut policy = self.command("apt-cache", machine);
        let answer = workspace::output(policy.arg("policy").args(packages))?;
        let found = candidates(&answer);
        ensure!(
            found.len() == packages.len(),
            "of {} packages Debian's lists have {}: {found:?}",
            packages.len(),
            found.len()
        );
        Ok(found)
    }

    /// The packages that come with these on a machine: the missing ones among all that they need.
    ///
    /// # Errors
    /// If they cannot be installed together.
    pub(crate) fn closure(&self, machine: Machine, packages: &[&str]) -> Result<Vec<String>> {
        let mut install = self.command("apt-get", machine);
        install.args(["install", "--simulate", "--no-install-recommends", "-qq"]);
        let answer = workspace::output(install.args(packages))?;
        Ok(installed(&answer))
    }

    /// Downloads packages into a folder and unpacks them, one over the other, into `root`. No
    /// program of theirs is run.
    ///
    /// # Errors
    /// If a package cannot be had or unpacked.
    pub(crate) fn unpack(&self, machine: Machine, packages: &[String], root: &Path) -> Result<()> {
        fs::create_dir_all(root).with_context(|| root.display().to_string())?;
        let downloads = tempfile::tempdir_in(&self.state)?;
        let mut download = self.command("apt-get", machine);
        download.args(["download", "-qq"]).args(packages);
        workspace::run(quiet(download.current_dir(downloads.path())))?;
        for package in fs::read_dir(downloads.path())? {
            let package = package?.path();
            let mut unpack = Command::new("dpkg-deb");
            workspace::run(unpack.arg("--extract").arg(package).arg(root))?;
        }
        Ok(())
    }

    fn command(&self, program: &str, machine: Machine) -> Command {
        let mut command = Command::new(program);
        let option = |name: &str, value: &str| format!("{name}={value}");
        let own = |name: &str, path: &str| option(name, &self.state.join(path).to_string_lossy());
        let mut options = vec![
            own("Dir::State::Lists", "lists"),
            own("Dir::Cache", "cache"),
            // As root apt would step down to a user who may not write here.
            option("APT::Sandbox::User", "root"),
            option("Debug::NoLocking", "1"),
            option("APT::Architectures::", "amd64"),
            option("APT::Architectures::", "arm64"),
            // Debian's images for containers throw downloads and caches away.
            option("APT::Get::Show-User-Simulation-Note", "0"),
        ];
        if let Machine::EmptyArm64 = machine {
            options.push(option("APT::Architecture", "arm64"));
            options.push(own("Dir::State::status", "empty"));
        }
        for option in options {
            command.args(["-o", &option]);
        }
        command.env("LC_ALL", "C");
        command
    }
}

/// Whether apt and dpkg are here.
pub(crate) fn is_there() -> bool {
    answers("apt-get", &["--version"]) && answers("dpkg-deb", &["--version"])
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(std::io::stderr())
}

/// What `apt-cache policy` says: a line with the package, and lines about it that are indented.
fn candidates(policy: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut package = "";
    for line in policy.lines() {
        if let Some(version) = line.strip_prefix("  Candidate: ") {
            if version != "(none)" {
                found.push((package.to_owned(), version.to_owned()));
            }
        } else if !line.starts_with(' ') {
            package = line.trim_end_matches(':');
        }
    }
    found
}

/// What a simulated installation says: `Inst NAME [OLD VERSION] (VERSION ARCHIVE [ARCHITECTURE])`.
/// Returned as `NAME:ARCHITECTURE=VERSION`, which names one file.
fn installed(simulation: &str) -> Vec<String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let (_, rest) = rest.split_once('(')?;
        let (version, rest) = rest.split_once(' ')?;
        let architecture = rest.split_once('[')?.1.split_once(']')?.0;
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        Some(format!("{name}:{architecture}={version}").replace(":all=", "="))
    };
    simulation.lines().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_without_a_candidate_are_not_found() {
        let policy = "bash:\n  Installed: 5.2-1\n  Candidate: 5.2-2\n  Version table:\n     \
                      5.2-2 500\nnone:\n  Installed: (none)\n  Candidate: (none)\n\
                      sudo:arm64:\n  Installed: (none)\n  Candidate: 1.9\n";
        let expected = [("bash", "5.2-2"), ("sudo:arm64", "1.9")];
        let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(candidates(policy), expected);
    }

    #[test]
    fn simulated_installations_name_files() {
        let simulation = "NOTE: something\n\
             Inst logsave [1.47.0-2] (1.47.0-2+b2 Debian:12.15/oldstable [amd64]) []\n\
             Inst cpp-12-cross-base (12.2.0-14cross1 Debian:12.15/oldstable [all])\n\
             Inst libc6:arm64 (2.36-9 Debian:12.15/oldstable [arm64])\n\
             Conf logsave (1.47.0-2+b2 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(
            installed(simulation),
            [
                "logsave:amd64=1.47.0-2+b2",
                "cpp-12-cross-base=12.2.0-14cross1",
                "libc6:arm64=2.36-9"
            ]
        );
    }
}
