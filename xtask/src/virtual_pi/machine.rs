//! An emulated board with a Debian on it: booted, reached, wired and cut off from the power.

use super::image::Image;
use super::lines::{self, Level};
use super::qemu::{self, Qemu};
use super::scratch::Scratch;
use super::ssh::{self, User};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const TEST_PORT: &str = "qtest.sock";
const DISK: &str = "disk";

/// What the board has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Cores.
    pub(crate) cores: u8,
    /// Memory in MiB.
    pub(crate) memory_mib: u32,
    /// Whether time there is counted in instructions, a thousand million a second, and not by this
    /// machine's clock. All that takes work there then takes as long by its clock however busy this
    /// machine is, and longer by ours, so that a door keeps its times. Only one core of ours works.
    pub(crate) counted_time: bool,
    /// How long it may take until it answers. Emulated, on a busy machine, all takes long.
    pub(crate) ready_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cores: 2,
            memory_mib: 1024,
            counted_time: true,
            ready_within: Duration::from_secs(300),
        }
    }
}

/// A board with a disk of its own, a copy of the image's. Dropping it ends it and deletes the disk.
pub(crate) struct Machine {
    // Before the folder, so that it ends before the folder goes.
    qemu: Option<Qemu>,
    options: Options,
    image: Image,
    folder: Scratch,
}

impl Machine {
    /// Copies the image's disk and switches the board on. The thread that calls this must live as
    /// long as the machine: the emulator ends with it.
    ///
    /// # Errors
    /// If a tool is missing, or the emulator does not start.
    pub(crate) fn boot(image: &Image, options: Options) -> Result<Self> {
        super::tools::demand()?;
        let folder = Scratch::new()?;
        copy(&image.disk(), &folder.path().join(DISK))?;
        let mut machine = Self {
            qemu: None,
            options,
            image: image.clone(),
            folder,
        };
        machine.power_on()?;
        Ok(machine)
    }

    /// Switches the board on again, with the disk as it is. Its ssh configuration stays where it
    /// is, the port in it changes.
    ///
    /// # Errors
    /// If it is on, or the emulator does not start.
    pub(crate) fn power_on(&mut self) -> Result<()> {
        ensure!(self.qemu.is_none(), "the virtual Pi is on");
        let mut qemu = Qemu::start(self.folder.path(), &self.arguments())?;
        let network = qemu.control().monitor("info usernet")?;
        let port = ssh::port(&network).with_context(|| format!("no port in {network:?}"))?;
        ssh::write_config(&self.ssh_config(), &self.image, port)?;
        self.qemu = Some(qemu);
        Ok(())
    }

    /// Cuts the power: what the system there had not written yet is lost.
    pub(crate) fn power_cut(&mut self) {
        self.qemu = None;
    }

    /// Copies the disk as a power cut now would leave it. The board stands still meanwhile, and does
    /// not see that.
    ///
    /// # Errors
    /// If the power is off, or there is no room.
    pub(crate) fn copy_disk(&mut self, to: &Path) -> Result<()> {
        self.qemu()?.control().execute("stop", json!({}))?;
        copy(&self.folder.path().join(DISK), to)?;
        self.qemu()?.control().execute("cont", json!({})).map(drop)
    }

    /// Cuts the power and takes that disk in the place of its own.
    ///
    /// # Errors
    /// If it is none on the same file system.
    pub(crate) fn change_disk(&mut self, disk: &Path) -> Result<()> {
        self.power_cut();
        fs::rename(disk, self.folder.path().join(DISK)).with_context(|| disk.display().to_string())
    }

    /// Waits until `pi` can log in; says how long that took.
    ///
    /// # Errors
    /// After the time that the options give, or when the board has stopped: with the end of what its
    /// console showed and what ssh said last.
    pub(crate) fn wait_until_ready(&mut self) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let answer = ssh::answers(&self.ssh_config())?;
            if answer.status.success() {
                return Ok(start.elapsed());
            }
            let stopped = self.qemu()?.ended()?;
            if stopped.is_some() || start.elapsed() > self.options.ready_within {
                bail!(
                    "the virtual Pi {} after {:.0} s; ssh: {}; its console:\n{}",
                    stopped.map_or("does not answer".into(), |it| format!("stopped ({it})")),
                    start.elapsed().as_secs_f64(),
                    String::from_utf8_lossy(&answer.stderr).trim(),
                    qemu::console_tail(self.folder.path())
                );
            }
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// The file with which `ssh -F FILE virtual-pi`, and `scp` and `sftp`, reach the board as `pi`.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        ssh::config_file(self.folder.path())
    }

    /// Runs a shell's line as `pi` and returns what it wrote to standard output.
    ///
    /// # Errors
    /// If it cannot be run or fails; the message has the line.
    pub(crate) fn ssh(&self, line: &str) -> Result<String> {
        workspace::output(&mut self.command(User::Pi, line))
    }

    /// A command that runs a shell's line as a user, with nothing on its standard input.
    pub(crate) fn command(&self, user: User, line: &str) -> Command {
        ssh::command(&self.ssh_config(), user, line)
    }

    /// What is on a line of the board's GPIO chip, 0 to 7, seen from outside.
    ///
    /// # Errors
    /// If there is no such line, or the power is off.
    pub(crate) fn line(&mut self, line: u8) -> Result<Level> {
        lines::read(self.qemu()?.control(), line)
    }

    /// Drives a line from outside, as a button or a contact does, until it is driven anew or the
    /// power is cut.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub(crate) fn set_line(&mut self, line: u8, level: Level) -> Result<()> {
        let socket = self.folder.path().join(TEST_PORT);
        lines::drive(self.qemu()?.control(), &socket, line, level)
    }

    /// The machine's folder, which goes with it: disk, console's log, ssh configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the board has stopped by itself, as after `sudo poweroff` or `sudo reboot` there.
    ///
    /// # Errors
    /// If the power is off.
    pub(crate) fn has_stopped(&mut self) -> Result<bool> {
        Ok(self.qemu()?.ended()?.is_some())
    }

    fn qemu(&mut self) -> Result<&mut Qemu> {
        self.qemu.as_mut().context("the virtual Pi is off")
    }

    fn arguments(&self) -> Vec<(&str, String)> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut words = vec![
            ("-M", "virt".into()),
            ("-cpu", "cortex-a72".into()),
            ("-smp", self.options.cores.to_string()),
            ("-m", self.options.memory_mib.to_string()),
            ("-kernel", path(self.image.kernel())),
            ("-initrd", path(self.image.initramfs())),
            ("-append", "console=ttyAMA0 quiet panic=-1".into()),
            ("-drive", format!("file={DISK},format=raw,if=none,id=disk")),
            ("-device", "virtio-blk-device,drive=disk".into()),
            // It reaches nothing; ssh alone reaches it, through a port that the system chooses.
            (
                "-netdev",
                "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22".into(),
            ),
            ("-device", "virtio-net-device,netdev=net".into()),
            // Where randomness comes from; without it a start waits for it.
            ("-device", "virtio-rng-device".into()),
            ("-qtest", format!("unix:{TEST_PORT},server=on,wait=off")),
            ("-qtest-log", "/dev/null".into()),
        ];
        if self.options.counted_time {
            words.push(qemu::counted_time());
        }
        words
    }
}

/// Copies a disk, of which most is empty.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["--sparse=always", "--reflink=auto"]);
    workspace::run(copy.arg(from).arg(to))
}
