//! The programs that an emulated Pi is made with.

use crate::workspace::answers;
use anyhow::{Result, bail};

/// A program that answers this question if it is there, and Debian's package of it.
struct Tool {
    program: &'static str,
    question: &'static str,
    package: &'static str,
}

const fn tool(program: &'static str, question: &'static str, package: &'static str) -> Tool {
    Tool {
        program,
        question,
        package,
    }
}

/// What builds an image and boots it. Debian keeps administrators' programs in folders of their
/// own, which not everybody searches.
const TOOLS: [Tool; 8] = [
    tool(super::qemu::PROGRAM, "--version", "qemu-system-arm"),
    tool("setpriv", "--version", "util-linux"),
    tool("ssh", "-V", "openssh-client"),
    tool("cpio", "--version", "cpio"),
    tool("/sbin/depmod", "--version", "kmod"),
    tool("/sbin/modprobe", "--version", "kmod"),
    tool("/sbin/mke2fs", "-V", "e2fsprogs"),
    tool("apt-get", "--version", "apt"),
];

/// What runs one program of a Pi on this machine, with the libraries of the cross compiler.
const USER: [Tool; 1] = [tool(super::user::QEMU, "--version", "qemu-user-static")];

/// Checks that everything is here that emulated machines need.
///
/// # Errors
/// All that is missing, and the command that installs it.
pub(crate) fn demand() -> Result<()> {
    complain(&missing(&TOOLS))
}

/// Checks that programs of a Pi can be run here.
///
/// # Errors
/// As [`demand`].
pub(super) fn demand_user() -> Result<()> {
    complain(&missing(&USER))
}

fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let mut packages: Vec<_> = tools
        .iter()
        .filter(|tool| !answers(tool.program, &[tool.question]))
        .map(|tool| tool.package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn complain(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    bail!(
        "missing for the virtual Pi: `apt-get install --no-install-recommends {}`",
        packages.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_named_once_in_one_command() {
        let _turn = crate::workspace::STARTING.lock();
        let tools = [
            tool("/nonexistent/b", "--version", "two"),
            tool("true", "--version", "coreutils"),
            tool("/nonexistent/a", "--version", "one"),
            tool("/nonexistent/c", "--version", "two"),
        ];
        let error = complain(&missing(&tools)).unwrap_err().to_string();
        assert!(error.ends_with("recommends one two`"), "{error}");
        complain(&[]).unwrap();
    }
}
