//! Before anything is sent: is a device what a door needs.

use super::ssh::{Root, Ssh};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use toml_edit::DocumentMut;

const SCRIPT: &str = include_str!("preflight.sh");
/// What schedules, dates and the log are told by must be about right.
const MOST_APART_S: u64 = 300;
/// A door starts with less than this of its own.
const STATE_KB: u64 = 16 << 10;
/// Of this release on, everything that the unit asks for is there.
const SYSTEMD: u32 = 247;

/// What a device says of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) architecture: String,
    pub(super) system: String,
    pub(super) installed: bool,
    pub(super) root: Option<Root>,
    seconds: u64,
    systemd: Option<u32>,
    lacks: Vec<String>,
    writable: bool,
    free_kb: u64,
    state_free_kb: u64,
    devices: Vec<String>,
}

/// What a door is to have.
pub(super) struct Needs<'a> {
    /// Program and bundle, in bytes.
    pub(super) bytes: u64,
    /// Of the door, if it comes along.
    pub(super) config: Option<&'a Path>,
}

impl Found {
    /// Asks a device.
    ///
    /// # Errors
    /// If the connection fails.
    pub(super) fn ask(ssh: &Ssh) -> Result<Self> {
        Ok(Self::read(&ssh.sh(SCRIPT)?))
    }

    fn read(text: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let number = value.parse().unwrap_or(0);
            match name {
                "architecture" => found.architecture = value.into(),
                "system" => found.system = value.into(),
                "seconds" => found.seconds = number,
                "root" => {
                    found.root = match value {
                        "already" => Some(Root::Already),
                        "sudo" => Some(Root::Sudo),
                        _ => None,
                    }
                }
                "systemd" => found.systemd = value.parse().ok(),
                "lacks" => found.lacks.push(value.into()),
                "writable" => found.writable = true,
                "free" => found.free_kb = number,
                "state_free" => found.state_free_kb = number,
                "device" => found.devices.push(value.into()),
                "installed" => found.installed = true,
                _ => {}
            }
        }
        found
    }

    /// Everything that is missing, at once.
    ///
    /// # Errors
    /// A line for each, with what to do; or the configuration cannot be read.
    pub(super) fn judge(&self, needs: &Needs<'_>) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut missing = self.missing(needs.bytes, now);
        if let Some(config) = needs.config {
            let text =
                std::fs::read_to_string(config).with_context(|| config.display().to_string())?;
            let config: DocumentMut = text.parse().with_context(|| config.display().to_string())?;
            missing.extend(self.missing_devices(&config));
        }
        match missing.is_empty() {
            true => Ok(()),
            false => bail!("the device is not ready:\n  {}", missing.join("\n  ")),
        }
    }

    fn missing(&self, bytes: u64, now: u64) -> Vec<String> {
        let mut missing = Vec::new();
        let mut check = |good: bool, what: &dyn Fn() -> String| {
            if !good {
                missing.push(what());
            }
        };
        check(self.root.is_some(), &|| {
            "the user may not become root without a password: log in as root, or let the user with a line in /etc/sudoers.d, \
             `USER ALL=(root) NOPASSWD: ALL`"
                .into()
        });
        check(self.systemd.is_some_and(|found| found >= SYSTEMD), &|| {
            let found = self
                .systemd
                .map_or("none".into(), |found| found.to_string());
            format!("systemd {SYSTEMD} or newer runs the door, found {found}")
        });
        check(self.lacks.is_empty(), &|| {
            let tools = self.lacks.join(", ");
            format!("programs are missing: {tools}: `apt install util-linux coreutils systemd`")
        });
        check(self.writable || self.root.is_none(), &|| {
            "/opt/facelatch, /etc/facelatch or /var/lib cannot be written: is the file system read-only, or full?".into()
        });
        // Both slots, and what is sent.
        let needed_kb = 3 * bytes / 1024 + STATE_KB;
        check(!self.writable || self.free_kb >= needed_kb, &|| {
            let free = self.free_kb;
            format!("/opt has {free} kB free, {needed_kb} kB are needed: make room")
        });
        check(self.state_free_kb >= STATE_KB, &|| {
            let free = self.state_free_kb;
            format!("/var/lib has {free} kB free, {STATE_KB} kB are needed: make room")
        });
        let apart = self.seconds.abs_diff(now);
        check(apart <= MOST_APART_S, &|| {
            format!(
                "its clock is {} off, so schedules and the log would be wrong: `sudo timedatectl set-ntp true`, or set it with `date -s`",
                span(apart)
            )
        });
        missing
    }

    /// Devices that a configuration names and that are not there.
    fn missing_devices(&self, config: &DocumentMut) -> Vec<String> {
        let text = |table: &str, name: &str| config.get(table)?.get(name)?.as_str();
        let has = |device: &str| self.devices.iter().any(|found| found == device);
        let mut missing = Vec::new();
        match text("camera", "kind") {
            Some("rpicam") if text("camera", "program").is_none() && !has("rpicam-vid") => {
                missing.push("the configuration's camera is \"rpicam\", and rpicam-vid is missing: `sudo apt install rpicam-apps`".into());
            }
            Some("v4l2") => {
                let device = text("camera", "device").unwrap_or("/dev/video0");
                // Links by name are not listed.
                let listed = device.starts_with("/dev/video");
                if (listed && !has(device)) || !self.has_any("/dev/video") {
                    missing.push(format!(
                        "the configuration's camera {device} is missing: is it plugged in?"
                    ));
                }
            }
            _ => {}
        }
        match text("door", "driver") {
            Some("rppal") if !self.has_any("/dev/gpiomem") => missing.push(
                "the configuration's lock is at \"rppal\", and /dev/gpiomem is missing: is it a Raspberry Pi? \"cdev\" works on others".into(),
            ),
            Some("cdev") => {
                let chip = text("door", "chip").unwrap_or("/dev/gpiochip0");
                if !has(chip) {
                    missing.push(format!("the configuration's GPIO chip {chip} is missing"));
                }
            }
            _ => {}
        }
        missing
    }

    fn has_any(&self, prefix: &str) -> bool {
        self.devices.iter().any(|found| found.starts_with(prefix))
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        ..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "architecture=aarch64\nsystem=Debian GNU/Linux 12\nseconds=1000000\nroot=sudo\nsystemd=252\nwritable=yes\n\
        free=900000\nstate_free=900000\ndevice=/dev/gpiochip0\ndevice=/dev/video0\ninstalled=yes\n";

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let missing = |text: &str| Found::read(text).missing(30 << 20, 1_000_100);
        assert_eq!(missing(GOOD), [""; 0]);
        for (good, bad, complaint) in [
            ("root=sudo", "root=no", "become root"),
            ("systemd=252", "systemd=241", "found 241"),
            ("systemd=252\n", "", "found none"),
            ("root=sudo", "root=sudo\nlacks=flock", "flock"),
            ("writable=yes\n", "", "read-only"),
            ("free=900000", "free=90000", "/opt has 90000 kB"),
            ("state_free=900000", "state_free=9", "/var/lib has 9 kB"),
            ("seconds=1000000", "seconds=60", "11 days off"),
        ] {
            let found = missing(&GOOD.replacen(good, bad, 1));
            assert!(
                found.iter().any(|line| line.contains(complaint)),
                "{complaint}: {found:?}"
            );
        }
    }

    #[test]
    fn devices_of_the_configuration_must_be_there() {
        let found = Found::read(GOOD);
        let missing = |text: &str| found.missing_devices(&text.parse().unwrap()).join("\n");
        for (config, complaint) in [
            (
                "[camera]\nkind = \"folder\"\n[door]\ndriver = \"simulated\"\n",
                "",
            ),
            ("[camera]\nkind = \"v4l2\"\n[door]\ndriver = \"cdev\"\n", ""),
            (
                "[camera]\nkind = \"v4l2\"\ndevice = \"/dev/v4l/by-id/x\"\n",
                "",
            ),
            (
                "[camera]\nkind = \"v4l2\"\ndevice = \"/dev/video1\"\n",
                "/dev/video1",
            ),
            ("[camera]\nkind = \"rpicam\"\n", "rpicam-apps"),
            ("[camera]\nkind = \"rpicam\"\nprogram = \"x\"\n", ""),
            ("[door]\ndriver = \"rppal\"\n", "gpiomem"),
            (
                "[door]\ndriver = \"cdev\"\nchip = \"/dev/gpiochip4\"\n",
                "gpiochip4",
            ),
        ] {
            let found = missing(config);
            assert!(
                found.contains(complaint) && found.is_empty() == complaint.is_empty(),
                "{config}: {found}"
            );
        }
    }
}
