//! Commands on a device, over the user's own ssh.

use anyhow::{Context, Result, anyhow, bail};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// A connection that several commands share, so that a password is asked for once.
pub(super) struct Ssh {
    host: String,
    config: Option<PathBuf>,
    /// Nobody is there to answer questions, for several doors are served at once.
    batch: bool,
    /// The connection's socket is in it.
    folder: tempfile::TempDir,
    root: Root,
}

/// How commands become root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// They are.
    Already,
    /// By `sudo`, which must not ask.
    Sudo,
}

impl Ssh {
    pub(super) fn to(host: &str, config: Option<&Path>, batch: bool) -> Result<Self> {
        if host.is_empty() || host.starts_with('-') {
            bail!("{host:?} is no host; expected user@host as ssh knows it");
        }
        Ok(Self {
            host: host.into(),
            config: config.map(Path::to_owned),
            batch,
            // The path of a socket may not be long.
            folder: tempfile::Builder::new().prefix("fl").tempdir()?,
            root: Root::Sudo,
        })
    }

    pub(super) fn become_root_by(&mut self, root: Root) {
        self.root = root;
    }

    /// Runs a shell script as the user who logs in; `script` goes in on standard input.
    ///
    /// # Errors
    /// If the connection fails, or the script does, with what it said.
    pub(super) fn sh(&self, script: &str) -> Result<String> {
        let mut command = self.command("sh -s");
        self.text(finish(command.stdin(Stdio::piped()), script.as_bytes())?)
    }

    /// Runs a command line as root.
    ///
    /// # Errors
    /// As [`Ssh::sh`].
    pub(super) fn root(&self, line: &str) -> Result<String> {
        self.text(finish(
            self.command(&self.as_root(line)).stdin(Stdio::null()),
            &[],
        )?)
    }

    /// Starts a command line as root, to be written to.
    ///
    /// # Errors
    /// If ssh is not there.
    pub(super) fn start_root(&self, line: &str) -> Result<Child> {
        let mut command = self.command(&self.as_root(line));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::piped()).spawn();
        child.context("ssh is missing: `apt install openssh-client`")
    }

    /// What a child that was written to came to.
    ///
    /// # Errors
    /// As [`Ssh::sh`].
    pub(super) fn ended(&self, child: Child) -> Result<String> {
        self.text(child.wait_with_output()?)
    }

    fn as_root(&self, line: &str) -> String {
        let line = quoted(line);
        match self.root {
            Root::Already => format!("sh -c {line}"),
            Root::Sudo => format!("sudo -n sh -c {line}"),
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut ssh = Command::new("ssh");
        if let Some(config) = &self.config {
            ssh.arg("-F").arg(config);
        }
        let socket = self.folder.path().join("%C");
        for option in [
            "ControlMaster=auto".into(),
            format!("ControlPath={}", socket.display()),
            "ControlPersist=20".into(),
            "Compression=yes".into(),
            "ConnectTimeout=15".into(),
            "ServerAliveInterval=5".into(),
            "ServerAliveCountMax=4".into(),
            format!("BatchMode={}", if self.batch { "yes" } else { "no" }),
        ] {
            ssh.args(["-o", &option]);
        }
        // Messages in one language, to be told apart.
        ssh.env("LC_ALL", "C").arg("-T").arg("--").arg(&self.host);
        ssh.arg(line);
        ssh
    }

    fn text(&self, output: Output) -> Result<String> {
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            // ssh's own; a script that ends with it says so little that nothing is lost.
            Some(255) => Err(anyhow!("{}", explained(&self.host, &said))),
            _ => Err(anyhow!("{}", last_lines(&said, &output))),
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let mut end = self.command("true");
        let end = end.args(["-O", "exit"]).stdin(Stdio::null());
        let _ended = end.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Runs a command to its end with that input.
fn finish(command: &mut Command, input: &[u8]) -> Result<Output> {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.context("ssh is missing: `apt install openssh-client`")?;
    let stdin = child.stdin.take();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output()?;
    // Whoever ends early does not read all of it.
    let _unread = writer.join();
    Ok(output)
}

/// A text as one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What ssh's complaint means and what to do.
fn explained(host: &str, said: &str) -> String {
    let advice = if said.contains("IDENTIFICATION HAS CHANGED") {
        "the host's key is another one than before: somebody else may be answering. If the device was set up anew, remove the old key \
         with `ssh-keygen -R HOST`"
    } else if said.contains("Host key verification failed") || said.contains("host key is known") {
        "the host's key is not known yet: connect once with `ssh`, and compare the fingerprint that it shows with the device's"
    } else if said.contains("Permission denied") {
        "it does not let you in: the password or the key is wrong, or the user. Try `ssh` first; `ssh-copy-id` makes passwords needless"
    } else if said.contains("Could not resolve") {
        "there is no host of that name"
    } else if said.contains("refused") || said.contains("timed out") || said.contains("No route") {
        "it does not answer: is it on, in this network, and does it run an ssh server?"
    } else {
        "the connection was lost. Nothing is harmed: what was in force stays until something else has proved healthy. Deploy again, an upload \
         goes on where it stopped"
    };
    format!("{host}: {advice} (ssh said: {})", one_line(said))
}

fn one_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

fn last_lines(said: &str, output: &Output) -> String {
    let line = one_line(said);
    match line.is_empty() {
        true => output.status.to_string(),
        false => line,
    }
}

/// Sends all of a reader to a child.
pub(super) fn feed(child: &mut Child, from: &mut impl Read) -> std::io::Result<u64> {
    let Some(mut stdin) = child.stdin.take() else {
        return Ok(0);
    };
    std::io::copy(from, &mut stdin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_say_what_to_do() {
        for (said, advice) in [
            (
                "Host key verification failed.\r\n",
                "compare the fingerprint",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "ssh-keygen -R",
            ),
            (
                "pi@door: Permission denied (publickey,password).",
                "password or the key is wrong",
            ),
            (
                "ssh: Could not resolve hostname door: Name or service not known",
                "no host of that name",
            ),
            (
                "ssh: connect to host door port 22: Connection refused",
                "does not answer",
            ),
            (
                "ssh: connect to host door port 22: Connection timed out",
                "does not answer",
            ),
            (
                "client_loop: send disconnect: Broken pipe",
                "goes on where it stopped",
            ),
        ] {
            let told = explained("pi@door", said);
            assert!(
                told.contains(advice) && told.starts_with("pi@door: "),
                "{told}"
            );
        }
    }

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("a'b $c"), r"'a'\''b $c'");
        assert!(Ssh::to("-oProxyCommand=x", None, true).is_err());
    }
}
