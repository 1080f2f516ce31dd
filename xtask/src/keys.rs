//! `cargo xtask keys`: the key that releases are signed with.

use crate::workspace;
use anyhow::{Context, Result};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Make the key that releases are signed with, and the one that doors trust
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the secret key goes; the other one lies beside it, with the ending .pub [default:
    /// facelatch/release.key among the user's settings]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let out = args.out.clone().map_or_else(default, Ok)?;
    make(&workspace::build_door()?.join("edge-runtime"), &out)
}

/// Where the key lies unless somebody says otherwise.
///
/// # Errors
/// If the system names no folder for the user's settings.
pub(crate) fn default() -> Result<PathBuf> {
    let settings = dirs::config_dir().context("no folder for settings; set XDG_CONFIG_HOME")?;
    Ok(settings.join("facelatch/release.key"))
}

/// Makes a pair.
///
/// # Errors
/// If one is there already, or cannot be written.
pub(crate) fn make(runtime: &Path, out: &Path) -> Result<()> {
    if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| folder.display().to_string())?;
    }
    let mut keys = Command::new(runtime);
    let keys = keys.args(["release", "keys", "--out"]).arg(out);
    // Standard output is what a deployment came to.
    workspace::run(keys.stdout(std::io::stderr()))
}
