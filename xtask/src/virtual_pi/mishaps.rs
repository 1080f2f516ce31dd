//! What may go wrong with a deployment, each as it happens: a clear message, and the old release
//! still serves.

use super::deployment::people_are_there;
use super::field::{Field, done, refused};
use super::{HOST, ssh::User};
use crate::disk;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

/// So much takes a while to send.
const LONG: usize = 24 << 20;

type Mishap = fn(&Field) -> Result<()>;

const ALL: [(&str, Mishap); 11] = [
    ("unknown host key", unknown_key),
    ("wrong password", wrong_password),
    ("no sudo", no_sudo),
    ("full disk", full_disk),
    ("read-only file system", read_only),
    ("another processor's program", other_processor),
    ("clock in 1970", old_clock),
    ("connection lost while sending", lost_connection),
    ("two at once", two_at_once),
    ("foreign key", foreign_key),
    ("a program that does not run", broken_program),
];

/// All of them, on a door that is deployed.
///
/// # Errors
/// The first that went otherwise.
pub(super) fn all(field: &Field) -> Result<()> {
    for (name, mishap) in ALL {
        let before = field.status()?["current"].clone();
        mishap(field).with_context(|| name.to_owned())?;
        field.serves().with_context(|| name.to_owned())?;
        people_are_there(field).with_context(|| name.to_owned())?;
        let moved = ["connection lost while sending", "two at once"].contains(&name);
        let now = field.status()?["current"].clone();
        ensure!((now != before) == moved, "{name}: {now} is in force");
        println!("{name}: as it must be");
    }
    Ok(())
}

/// The field's own configuration of ssh, with other lines before it.
fn ssh_config(field: &Field, lines: &str) -> Result<std::path::PathBuf> {
    let own = fs::read_to_string(field.machine.ssh_config())?;
    let path = field.path("other_ssh_config");
    disk::replace_text(&format!("{lines}\n{own}"), &path, 0o600)?;
    Ok(path)
}

fn unknown_key(field: &Field) -> Result<()> {
    let config = ssh_config(field, "UserKnownHostsFile /dev/null")?;
    let deploy = field.xtask(&["status"], HOST, Some(&config))?;
    refused(deploy, "the host's key is not known yet")
}

fn wrong_password(field: &Field) -> Result<()> {
    let ask = field.path("askpass");
    fs::write(&ask, "#!/bin/sh\necho wrong\n")?;
    fs::set_permissions(&ask, fs::Permissions::from_mode(0o700))?;
    let lines = "PreferredAuthentications password\nNumberOfPasswordPrompts 1";
    let config = ssh_config(field, lines)?;
    let mut deploy = field.xtask(&["status"], HOST, Some(&config))?;
    deploy
        .env("SSH_ASKPASS", &ask)
        .env("SSH_ASKPASS_REQUIRE", "force");
    refused(deploy, "the password or the key is wrong")
}

fn no_sudo(field: &Field) -> Result<()> {
    let target = format!("{}@{HOST}", User::Guest.name());
    let mut deploy = field.delivery(&target, "release.key")?;
    deploy.arg("--runtime").arg(&field.program);
    refused(deploy, "may not become root without a password")
}

fn full_disk(field: &Field) -> Result<()> {
    let next = field.variant("full-disk", 0)?;
    let fill =
        "sudo sh -c 'fallocate -l $(($(df -Pk / | awk \"NR==2{print \\$4}\") - 4000))K /fill'";
    field.machine.ssh(fill)?;
    let outcome = refused(field.deployment(&next, None)?, "make room");
    field.machine.ssh("sudo rm /fill")?;
    outcome
}

fn read_only(field: &Field) -> Result<()> {
    let next = field.variant("read-only", 0)?;
    field
        .machine
        .ssh("sudo mount --bind /opt /opt && sudo mount -o remount,ro,bind /opt")?;
    let outcome = refused(
        field.deployment(&next, None)?,
        "is the file system read-only",
    );
    field.machine.ssh("sudo umount /opt")?;
    outcome
}

/// The device says that it is another, and so gets what another would: it refuses that itself.
fn other_processor(field: &Field) -> Result<()> {
    let script = "sudo mkdir -p /usr/local/bin && printf '#!/bin/sh\\necho x86_64\\n' | sudo tee /usr/local/bin/uname > /dev/null && sudo chmod 755 /usr/local/bin/uname";
    field.machine.ssh(script)?;
    let next = field.variant("other", 0)?;
    let outcome = refused(field.deployment(&next, None)?, "the release is for x86_64");
    field.machine.ssh("sudo rm /usr/local/bin/uname")?;
    outcome
}

fn old_clock(field: &Field) -> Result<()> {
    let next = field.variant("clock", 0)?;
    let deployment = field.deployment(&next, None)?;
    // Linux refuses a time before the board was switched on.
    field.machine.ssh("sudo date --set=@86400")?;
    let outcome = refused(deployment, "its clock is");
    field.set_clock()?;
    outcome
}

/// Whoever is cut off goes on where it stopped.
fn lost_connection(field: &Field) -> Result<()> {
    let next = field.variant("lost", LONG)?;
    let deploying = field.start(&next)?;
    part(field)?;
    field
        .machine
        .ssh("sudo pkill -KILL -f 'sshd: pi' ; true")
        .ok();
    let said = done(deploying.wait_with_output()?)?;
    println!("  {said}");
    Ok(())
}

/// Waits until a part of a file has arrived.
fn part(field: &Field) -> Result<()> {
    for _ in 0..600 {
        let size = field
            .machine
            .ssh("sudo sh -c 'stat -c %s /opt/facelatch/incoming/*.part 2>/dev/null || echo 0'")?;
        if size.trim().parse::<u64>().is_ok_and(|size| size > 1 << 20) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("nothing arrives")
}

fn two_at_once(field: &Field) -> Result<()> {
    let next = field.variant("first", LONG)?;
    let first = field.start(&next)?;
    part(field)?;
    let second = field.variant("second", 0)?;
    let outcome = refused(
        field.deployment(&second, None)?,
        "is deploying to this device",
    );
    println!("  {}", done(first.wait_with_output()?)?);
    outcome
}

fn foreign_key(field: &Field) -> Result<()> {
    let mut deploy = field.delivery(HOST, "foreign.key")?;
    deploy.arg("--runtime").arg(field.variant("foreign", 0)?);
    refused(
        deploy,
        "sign with the key that the door was first deployed with",
    )
}

fn broken_program(field: &Field) -> Result<()> {
    let broken = field.path("broken");
    fs::write(&broken, "#!/bin/sh\necho it crashes >&2\nexit 1\n")?;
    refused(field.deployment(&broken, None)?, "it crashes")
}
