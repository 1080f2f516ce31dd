//! How the emulated Pi is reached: an ssh configuration of its own, with which nobody is asked
//! anything and nothing of the user's is read or written.

use super::{HOST, image::Image};
use crate::disk;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A user of the emulated Pi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// May become root without a password.
    Pi,
    /// May log in and use lines and cameras, and never becomes root.
    Guest,
}

impl User {
    /// The name to log in with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pi => "pi",
            Self::Guest => "guest",
        }
    }
}

/// Writes the configuration for a machine whose sshd answers at `port`.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn write_config(path: &Path, image: &Image, port: u16) -> Result<()> {
    let text = config(port, &image.identity(), &image.known_hosts());
    disk::replace_text(&text, path, 0o600)
}

fn config(port: u16, identity: &Path, known_hosts: &Path) -> String {
    let [identity, known_hosts] = [identity, known_hosts].map(Path::display);
    format!(
        "Host {HOST}
    HostName 127.0.0.1
    Port {port}
    User {}
    HostKeyAlias {HOST}
    IdentityFile \"{identity}\"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile \"{known_hosts}\"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode yes
    ConnectTimeout 15
    LogLevel ERROR
",
        User::Pi.name()
    )
}

/// A command on the emulated Pi, of a user.
pub(super) fn command(config: &Path, user: User, line: &str) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(config).args(["-l", user.name(), HOST]);
    ssh.arg(line).stdin(Stdio::null());
    ssh
}

/// Whether the machine lets `pi` in.
pub(super) fn answers(config: &Path) -> Result<Output> {
    let mut ssh = command(config, User::Pi, "true");
    ssh.output().context("starting `ssh`")
}

/// Where a machine's configuration lies.
pub(super) fn config_file(folder: &Path) -> PathBuf {
    folder.join("ssh_config")
}

/// The port of this machine that leads to the emulated one's sshd, as `info usernet` tells it.
pub(super) fn port(network: &str) -> Option<u16> {
    let line = network.lines().find(|it| it.contains("HOST_FORWARD"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_read_from_the_emulators_table() {
        let table = "Hub -1 (n):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  \
                     Port RecvQ SendQ\n  TCP[HOST_FORWARD]  12       127.0.0.1 43210       \
                     10.0.2.15    22     0     0\n";
        assert_eq!(port(table), Some(43210));
        assert_eq!(port("Hub -1 (n):\n"), None);
    }

    #[test]
    fn openssh_reads_the_configuration_as_meant() {
        let _turn = crate::workspace::STARTING.lock();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ssh config");
        let text = config(2222, Path::new("/my keys/key"), Path::new("/my keys/known"));
        std::fs::write(&path, text).unwrap();
        let mut ssh = Command::new("ssh");
        let Ok(output) = ssh.arg("-G").arg("-F").arg(&path).arg(HOST).output() else {
            return;
        };
        let found = String::from_utf8(output.stdout).unwrap();
        for expected in [
            "user pi\n",
            "hostname 127.0.0.1\n",
            "port 2222\n",
            "identityfile /my keys/key\n",
            "stricthostkeychecking true\n",
            "hostkeyalias virtual-pi\n",
            "batchmode yes\n",
        ] {
            assert!(found.contains(expected), "{expected} in {found}");
        }
    }
}
