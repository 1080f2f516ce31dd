//! Where things are in this workspace, and how its programs are started.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    // `cargo run` sets the variable at run time too; the compiled-in one serves a bare start.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or(here.clone(), Path::to_path_buf)
}

/// The folder that this program, and so the others of the workspace, were built into.
///
/// # Errors
/// If the operating system does not say where the program lies.
pub(crate) fn programs() -> Result<PathBuf> {
    let me = std::env::current_exe().context("where this program lies")?;
    Ok(me.parent().context("a program lies in a folder")?.into())
}

/// Cargo's target folder.
///
/// # Errors
/// As [`programs`].
pub(crate) fn target() -> Result<PathBuf> {
    let programs = programs()?;
    Ok(programs.parent().unwrap_or(&programs).into())
}

/// A cargo command in the workspace's folder.
pub(crate) fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Builds every program of the workspace and returns the folder they are in.
///
/// Always the whole workspace: a smaller selection would choose other features for shared
/// dependencies and compile the inference engine a second time.
///
/// # Errors
/// If the build fails.
pub(crate) fn build() -> Result<PathBuf> {
    run(&mut cargo(["build", "--workspace"]))?;
    programs()
}

/// Builds what needs no libtorch, the door's program among it, and returns the folder it is in.
///
/// # Errors
/// If the build fails.
pub(crate) fn build_door() -> Result<PathBuf> {
    // What needs libtorch is no default member.
    run(cargo(["build"]).stdout(std::io::stderr()))?;
    programs()
}

/// A `host-trainer` command. Its threads sleep when idle: spinning costs a shared machine eight
/// times the processor time, and libtorch reads the variable only before it starts.
pub(crate) fn host_trainer(programs: &Path) -> Command {
    let mut command = Command::new(programs.join("host-trainer"));
    command.env("OMP_WAIT_POLICY", "PASSIVE");
    command
}

/// Runs a command to its end with this program's own input and output.
///
/// # Errors
/// If it cannot be started or fails; the message shows the command line.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| starting(command))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// As [`run`], and if the output is not UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    command.stderr(Stdio::inherit());
    let output = command.output().with_context(|| starting(command))?;
    if !output.status.success() {
        bail!("{} failed ({})", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of {}", shown(command)))
}

/// Whether a program is there and answers `--version`-like arguments.
pub(crate) fn answers(program: impl AsRef<OsStr>, args: &[&str]) -> bool {
    let quiet = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

/// Whether libclang is here, which reads C headers for bindings.
pub(crate) fn has_libclang() -> bool {
    let libraries = Command::new("/sbin/ldconfig").arg("-p").output();
    std::env::var_os("LIBCLANG_PATH").is_some()
        || libraries.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("libclang"))
}

fn starting(command: &Command) -> String {
    format!("starting {}", shown(command))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}

/// Held by every test that starts a program: one that was just written cannot be started while
/// another thread's child still holds a copy of its open file.
#[cfg(test)]
pub(crate) static STARTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_where_the_workspace_manifest_lies() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn failure_names_the_command_line() {
        let _turn = STARTING.lock();
        let error = run(Command::new("false").arg("--loudly")).unwrap_err();
        assert!(error.to_string().starts_with("`false --loudly` failed"));
        let error = output(&mut Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.to_string(), "starting `/nonexistent/program`");
    }
}
