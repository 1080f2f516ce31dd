//! A door on an emulated Pi, deployed to as a person does it: by this program's own command line.

use super::image::Image;
use super::lines::Level;
use super::machine::{Machine, Options};
use super::people::People;
use super::scratch::Scratch;
use super::visitor::{self, Visitor};
use super::{HOST, ssh::User};
use crate::cross::Program;
use crate::deploy::door_config;
use crate::disk;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use toml_edit::value;

/// The lock's line on the board, and the exit button's.
pub(super) const LOCK: u8 = 3;
pub(super) const BUTTON: u8 = 5;
const FRAMES_PER_SECOND: f64 = 0.25;
/// For whatever an emulated door needs on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// A board, and what is deployed to it.
pub(super) struct Field {
    pub(super) machine: Machine,
    /// Configurations, keys and programs; before the machine nothing needs them.
    pub(super) folder: Scratch,
    /// The program without anything added.
    pub(super) program: PathBuf,
    /// Where an `edge-runtime` of this machine is.
    programs: PathBuf,
}

impl Field {
    /// A board with pictures for its camera and for an enrollment, and nothing deployed yet.
    pub(super) fn prepare(program: &Program, people: &People, programs: &Path) -> Result<Self> {
        let mut field = Self {
            machine: Machine::boot(&Image::ensure()?, Options::default())?,
            folder: Scratch::new()?,
            program: program.path.clone(),
            programs: programs.into(),
        };
        disk::replace_text(&config()?, &field.config(), 0o644)?;
        let pictures = field.path("pictures");
        people.enrollment(&pictures.join("enrollment"))?;
        people.other_enrollment(&pictures.join("other"))?;
        people.visits(&pictures.join("visits"))?;
        visitor::repeat(&pictures.join("visits"), &pictures, Visitor::Known)?;
        visitor::repeat(&pictures.join("visits"), &pictures, Visitor::Stranger)?;
        let took = field.machine.wait_until_ready()?;
        println!("board ready after {:.0} s", took.as_secs_f64());
        field.send(&pictures)?;
        field.show(Visitor::Known)?;
        Ok(field)
    }

    /// Who stands before the camera from now on; the door must begin again to look there.
    pub(super) fn show(&self, visitor: Visitor) -> Result<()> {
        let line = format!("sudo ln -sfn {} /srv/pictures/camera", visitor.folder());
        self.machine.ssh(&line).map(drop)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The door's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.path("door.toml")
    }

    /// Lays a folder out as /srv/pictures.
    fn send(&self, folder: &Path) -> Result<()> {
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(folder).args(["-cf", "-", "."]);
        let mut tar = tar.stdout(Stdio::piped()).spawn().context("starting tar")?;
        let unpack =
            "sudo mkdir -p /srv/pictures && sudo tar -C /srv/pictures --no-same-owner -xf -";
        let mut ssh = self.machine.command(User::Pi, unpack);
        let archive = tar.stdout.take().context("tar has an output")?;
        let unpacked = ssh.stdin(archive).status()?.success();
        ensure!(
            tar.wait()?.success() && unpacked,
            "the pictures were not sent"
        );
        Ok(())
    }

    /// A program that does the same and is another: its file is longer by so many bytes.
    pub(super) fn variant(&self, name: &str, more: usize) -> Result<PathBuf> {
        let mut bytes = fs::read(&self.program)?;
        // Nothing that a connection could compress.
        let mut state = 1_u64;
        bytes.extend((0..more).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        }));
        bytes.extend(name.bytes());
        let path = self.path(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// `cargo xtask deploy WORDS TARGET`, with another configuration of ssh if one is named.
    pub(super) fn xtask(
        &self,
        words: &[&str],
        target: &str,
        ssh: Option<&Path>,
    ) -> Result<Command> {
        // By this name, for its file may have been built anew since it was started.
        let mut xtask = Command::new("/proc/self/exe");
        xtask.arg("deploy").args(words).arg(target);
        let own = self.machine.ssh_config();
        xtask.arg("--ssh-config").arg(ssh.unwrap_or(&own));
        xtask.stdin(Stdio::null());
        Ok(xtask)
    }

    /// A deployment that is signed with that key, and nothing more said yet.
    pub(super) fn delivery(&self, target: &str, key: &str) -> Result<Command> {
        let mut xtask = self.xtask(&[], target, None)?;
        xtask.arg("--programs").arg(&self.programs);
        xtask.arg("--key").arg(self.path(key));
        Ok(xtask)
    }

    /// The board's clock falls behind ours, which is a fault that deployments find.
    pub(super) fn set_clock(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let set = format!("sudo date --set=@{}", now.as_secs());
        self.machine.ssh(&set).map(drop)
    }

    /// Deploys; without `config` the one on the device goes on.
    pub(super) fn deployment(&self, runtime: &Path, config: Option<&Path>) -> Result<Command> {
        self.set_clock()?;
        let mut xtask = self.delivery(HOST, "release.key")?;
        xtask.arg("--runtime").arg(runtime);
        if let Some(config) = config {
            xtask.arg("--config").arg(config);
        }
        Ok(xtask)
    }

    /// Deploys, and returns what was said.
    pub(super) fn deploy(&self, runtime: &Path, config: Option<&Path>) -> Result<String> {
        done(self.deployment(runtime, config)?.output()?)
    }

    pub(super) fn start(&self, runtime: &Path) -> Result<Child> {
        let mut deployment = self.deployment(runtime, None)?;
        let deployment = deployment.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(deployment.spawn()?)
    }

    /// What the device says of its slots.
    pub(super) fn status(&self) -> Result<serde_json::Value> {
        let said = self
            .machine
            .ssh("sudo /opt/facelatch/current/edge-runtime --json device status")?;
        Ok(serde_json::from_str(&said)?)
    }

    /// The door runs, from what is settled.
    pub(super) fn serves(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let state = self.machine.command(
                User::Pi,
                "systemctl is-active facelatch; readlink /opt/facelatch/current /opt/facelatch/settled",
            );
            let mut state = state;
            let said = String::from_utf8(state.output()?.stdout)?;
            let lines: Vec<&str> = said.lines().collect();
            if let ["active", current, settled] = lines[..]
                && current == settled
            {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                let log = self
                    .machine
                    .ssh("sudo journalctl -n 30 --no-pager -u 'facelatch*'");
                bail!(
                    "the door is not in force: {said}\n{}",
                    log.unwrap_or_default()
                );
            }
            // Asking keeps the board busy, and while it is busy its clock stands nearly still.
            thread::sleep(Duration::from_secs(5));
        }
    }

    /// Waits until the lock's line has that level; says how long that took.
    pub(super) fn wait_for(&mut self, level: Level) -> Result<Duration> {
        let start = Instant::now();
        while self.machine.line(LOCK)? != level {
            ensure!(
                start.elapsed() < PATIENCE,
                "the lock's line did not become {level:?}; the door says:\n{}",
                self.machine
                    .ssh("sudo journalctl -n 30 --no-pager -u facelatch")?
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(start.elapsed())
    }

    /// Enrolls somebody with the pictures of that folder, as the door's user.
    pub(super) fn enroll(&self, subject: &str, pictures: &str) -> String {
        let more = format!("--subject {subject} /srv/pictures/{pictures}/*.png");
        self.as_door("enroll", &more)
    }

    /// A command of the door's program about its people.
    pub(super) fn as_door(&self, command: &str, more: &str) -> String {
        format!(
            "sudo -u facelatch /opt/facelatch/current/edge-runtime {command} --config /etc/facelatch/door.toml {more}"
        )
    }
}

/// The example, for this board: everything else is as a user would have it.
fn config() -> Result<String> {
    let mut config = door_config::simulated()?;
    config["bundle"] = value("/opt/facelatch/current/model.bundle");
    config["store"]["folder"] = value("/var/lib/facelatch/store");
    config["camera"]["path"] = value("/srv/pictures/camera");
    config["camera"]["landmarks"] = value("/srv/pictures/camera/landmarks.csv");
    config["camera"]["frames_per_second"] = value(FRAMES_PER_SECOND);
    config["identify"]["false_accept_rate"] = value(0.0001);
    config["decide"]["window_ms"] = value(60_000);
    config["door"]["driver"] = value("cdev");
    config["door"]["pin"] = value(i64::from(LOCK));
    let button = &mut config["door"]["exit_button"];
    button["pin"] = value(i64::from(BUTTON));
    button["active_level"] = value("high");
    // The board's chip has no resistors.
    button["pull"] = value("none");
    Ok(config.to_string())
}

/// What a command said that did what it should.
pub(super) fn done(output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// A command must be refused, and say this.
pub(super) fn refused(mut command: Command, complaint: &str) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains(complaint),
        "expected {complaint:?} and a failure, got {} and {said}",
        output.status
    );
    Ok(())
}
