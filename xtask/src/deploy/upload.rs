//! Files to a device, by what is in them: what is there already costs nothing, what was cut short
//! goes on.

use super::ssh::{Ssh, feed, quoted};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

/// Where files wait on the device, named by their SHA-256.
const INCOMING: &str = "/opt/facelatch/incoming";
/// How often a lost connection is made again.
const TRIES: u32 = 3;

/// What an upload was.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// Where the files lie on the device now, in the order in which they were given.
    pub(super) paths: Vec<String>,
    /// That went over the line, before compression.
    pub(super) bytes: u64,
}

/// Sends files that are not there yet.
///
/// # Errors
/// If a file cannot be read, the connection stays lost, or the device has no room.
pub(super) fn send(ssh: &Ssh, files: &[(&Path, String)]) -> Result<Sent> {
    ssh.root(&format!(
        "mkdir -p -m 755 /opt/facelatch && mkdir -p -m 700 {INCOMING}"
    ))?;
    let mut sent = Sent::default();
    for (file, digest) in files {
        let path = format!("{INCOMING}/{digest}");
        sent.bytes += resumed(ssh, file, &path)?;
        sent.paths.push(path);
    }
    Ok(sent)
}

/// Removes what earlier deployments sent and this one did not need.
///
/// # Errors
/// If the connection is lost.
pub(super) fn prune(ssh: &Ssh, keep: &[String]) -> Result<()> {
    let kept = keep.iter().map(|path| format!("! -path {}", quoted(path)));
    let kept: Vec<String> = kept.collect();
    let line = format!("find {INCOMING} -type f {} -delete", kept.join(" "));
    ssh.root(&line).map(drop)
}

fn resumed(ssh: &Ssh, file: &Path, path: &str) -> Result<u64> {
    let mut bytes = 0;
    let mut tries = 0;
    loop {
        tries += 1;
        match once(ssh, file, path, &mut bytes) {
            Err(error) if tries == TRIES => {
                return Err(error.context(format!("sending {}", file.display())));
            }
            Err(_) => {}
            Ok(()) => return Ok(bytes),
        }
    }
}

/// Goes on where the device's part ends; a part that turns out wrong is thrown away.
fn once(ssh: &Ssh, file: &Path, path: &str, bytes: &mut u64) -> Result<()> {
    let part = format!("{path}.part");
    let there = format!(
        "if [ -f {path} ]; then echo whole; elif [ -f {part} ]; then stat -c %s {part}; else echo 0; fi"
    );
    let there = ssh.root(&there)?;
    if there.trim() == "whole" {
        return Ok(());
    }
    let at: u64 = there.trim().parse().context("the size of a part")?;
    let mut from = File::open(file).with_context(|| file.display().to_string())?;
    from.seek(SeekFrom::Start(at))?;
    let digest = path.rsplit('/').next().unwrap_or_default();
    // One that was interrupted may be longer than what reached the disk; the digest decides.
    let line = format!(
        "cat >> {part} && sync {part} || exit 3\n\
         if [ \"$(sha256sum < {part})\" = '{digest}  -' ]; then mv {part} {path}; exit 0; fi\n\
         if [ \"$(stat -c %s {part})\" -ge {len} ]; then rm {part}; fi\nexit 4",
        len = from.metadata()?.len()
    );
    let mut child = ssh.start_root(&line)?;
    // A device without room stops reading; why, it says itself.
    *bytes += feed(&mut child, &mut from).unwrap_or(0);
    match ssh.ended(child) {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("No space left") => {
            bail!("the device's disk is full; make room and deploy again")
        }
        Err(error) => Err(error),
    }
}
