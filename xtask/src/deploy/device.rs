//! A deployment to one device, from the first question to the door that is healthy.

use super::parcel::{Parcel, Workshop, digest};
use super::preflight::{Found, Needs};
use super::simulated::Door;
use super::ssh::{Ssh, quoted};
use super::status::{Status, settled};
use super::upload;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;

/// The program in force on a device.
pub(super) const CURRENT: &str = "/opt/facelatch/current/edge-runtime";
/// No program of ours is larger; it is built when the device is known to be ready.
const PROGRAM_BYTES: u64 = 32 << 20;

/// What is to be delivered.
pub(crate) struct Delivery {
    pub(crate) bundle: PathBuf,
    pub(crate) config: Option<PathBuf>,
    pub(crate) people: u32,
    pub(crate) allow_older: bool,
    pub(crate) dry_run: bool,
}

/// A device, or a simulated one.
pub(super) enum Device {
    Simulated(Door),
    Remote(Box<Ssh>),
}

/// Who deploys, as the door's log tells it.
pub(super) fn myself() -> String {
    let name = |variable| std::env::var(variable).ok();
    let user = name("USER").or_else(|| name("LOGNAME"));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = user.unwrap_or_else(|| "somebody".into());
    format!("{user} from {}", host.trim())
}

impl Device {
    /// Reads a target; `alone`, its questions may be answered on the terminal.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn at(target: &str, ssh_config: Option<&Path>, alone: bool) -> Result<Self> {
        match target.strip_prefix("sim:") {
            Some("") => bail!("sim: names no folder, expected sim:DIR"),
            Some(folder) => Ok(Self::Simulated(Door::at(Path::new(folder)))),
            None => Ok(Self::Remote(Box::new(Ssh::to(target, ssh_config, !alone)?))),
        }
    }

    pub(super) fn deploy(mut self, delivery: &Delivery, workshop: &Workshop) -> Result<String> {
        match &mut self {
            Self::Simulated(door) => door.deploy(delivery, workshop),
            Self::Remote(ssh) => deploy(ssh, delivery, workshop),
        }
    }

    pub(super) fn status(&self) -> Result<String> {
        self.ask(&["status"])
    }

    pub(super) fn uninstall(&self) -> Result<String> {
        self.ask(&["uninstall", "--by", &myself()])
    }

    pub(super) fn roll_back(&self) -> Result<String> {
        let told = self.ask(&["rollback", "--by", &myself()])?;
        match self {
            Self::Simulated(_) => Ok(told),
            Self::Remote(ssh) => settled(ssh),
        }
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        match self {
            Self::Simulated(door) => door.ask(words),
            Self::Remote(ssh) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                let line = format!(
                    "if [ -x {CURRENT} ]; then {CURRENT} device {}; else echo 'nothing is deployed here' >&2; exit 1; fi",
                    words.join(" ")
                );
                Ok(ssh.root(&line)?.trim().to_owned())
            }
        }
    }
}

fn deploy(ssh: &mut Ssh, delivery: &Delivery, workshop: &Workshop) -> Result<String> {
    let start = Instant::now();
    let found = Found::ask(ssh)?;
    if let Some(root) = found.root {
        ssh.become_root_by(root);
    }
    let needs = Needs {
        bytes: PROGRAM_BYTES + size(&delivery.bundle)?,
        config: delivery.config.as_deref(),
    };
    found.judge(&needs)?;
    ensure!(
        found.installed || delivery.config.is_some(),
        "the first deployment needs a configuration: copy edge-runtime/door.example.toml, fill it in, and give it with --config"
    );
    let parcel = workshop.pack(&found.architecture, &delivery.bundle)?;
    let before = match found.installed {
        true => Status::of(ssh)?,
        false => Status::default(),
    };
    let config = delivery.config.as_deref().map(digest).transpose()?;
    if before.is(&parcel.digests, config.as_ref()) {
        let seconds = start.elapsed().as_secs_f64();
        return Ok(format!(
            "unchanged: all of it is in force there, nothing was sent, {seconds:.1} s"
        ));
    }
    if delivery.dry_run {
        return Ok(format!(
            "ready: {}, {}; at most {} kB would be sent",
            found.architecture,
            found.system,
            (size(&parcel.runtime)? + size(&parcel.bundle)?) / 1000
        ));
    }
    let _held = hold(ssh)?;
    let sent = send(ssh, &parcel, delivery)?;
    ssh.root(&install(&sent.paths, delivery, found.installed))
        .context("installing")?;
    let told = settled(ssh)?;
    upload::prune(ssh, &sent.paths)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "{told}; {} kB sent, {seconds:.1} s",
        sent.bytes.div_ceil(1000)
    ))
}

fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len())
}

/// Keeps others away for as long as the child lives, and so the connection.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // Its input ends, and so does what holds the lock.
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

fn hold(ssh: &Ssh) -> Result<Held> {
    let lock = "/opt/facelatch/deploying";
    let owner = quoted(&myself());
    let line = format!(
        "mkdir -p -m 755 /opt/facelatch\nexec 9>> {lock}\nif ! flock -n 9; then echo \"busy $(cat {lock})\"; exit 0; fi\n\
         echo {owner} \"since $(date '+%F %T')\" > {lock}; echo held; cat > /dev/null"
    );
    let mut child = ssh.start_root(&line)?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut said)?;
    }
    match said.trim().split_once(' ') {
        None if said.trim() == "held" => Ok(Held(child)),
        Some(("busy", owner)) => {
            bail!("{owner} is deploying to this device; wait until that is done")
        }
        _ => Err(ssh
            .ended(child)
            .err()
            .unwrap_or_else(|| anyhow::anyhow!("no lock on the device"))),
    }
}

/// Everything that is not there yet: release, program, bundle, key, and the configuration.
fn send(ssh: &Ssh, parcel: &Parcel, delivery: &Delivery) -> Result<upload::Sent> {
    let mut files = vec![
        (&*parcel.release, digest(&parcel.release)?),
        (&*parcel.runtime, parcel.digests.runtime.clone()),
        (&*parcel.bundle, parcel.digests.bundles[0].clone()),
        (&*parcel.trusted, digest(&parcel.trusted)?),
    ];
    if let Some(config) = &delivery.config {
        files.push((config, digest(config)?));
    }
    upload::send(ssh, &files)
}

/// The command line that puts what was sent in force: by the program that is, or at first by the
/// one that came.
fn install(paths: &[String], delivery: &Delivery, installed: bool) -> String {
    let mut line = match installed {
        true => CURRENT.to_owned(),
        false => format!("chmod 700 {runtime} && {runtime}", runtime = paths[1]),
    };
    line += " device install";
    let names = ["--release", "--runtime", "--bundle", "--key", "--config"];
    for (name, path) in names.iter().zip(paths) {
        line += &format!(" {name} {path}");
    }
    line += &format!(" --people {} --by {}", delivery.people, quoted(&myself()));
    if delivery.allow_older {
        line += " --allow-older";
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_devices_or_simulated() {
        let at = |target| Device::at(target, None, true);
        assert!(matches!(at("sim:target/door"), Ok(Device::Simulated(_))));
        assert!(matches!(at("pi@door.local"), Ok(Device::Remote(_))));
        assert!(at("sim:").is_err() && at("").is_err() && at("-oX").is_err());
    }

    #[test]
    fn the_program_in_force_installs_and_at_first_the_one_that_came() {
        let paths: Vec<String> = ["r", "p", "b", "k"]
            .map(|name| format!("/in/{name}"))
            .into();
        let delivery = Delivery {
            bundle: PathBuf::new(),
            config: None,
            people: 4,
            allow_older: true,
            dry_run: false,
        };
        let line = install(&paths, &delivery, true);
        assert!(line.starts_with("/opt/facelatch/current/edge-runtime device install"));
        assert!(
            line.contains("--release /in/r --runtime /in/p --bundle /in/b --key /in/k --people 4")
        );
        assert!(line.ends_with("--allow-older") && !line.contains("--config"));
        assert!(install(&paths, &delivery, false).starts_with("chmod 700 /in/p && /in/p device"));
    }
}
