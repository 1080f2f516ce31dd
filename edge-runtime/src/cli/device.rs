//! `device`: releases on the device that this program runs on.

use super::select::Demands;
use super::{Output, Result};
use anyhow::bail;
use clap::{Args, Subcommand};
use edge_runtime::bundle;
use edge_runtime::device::{self, Delivery, Service, Slot, Systemd, Unmanaged, Verdict};
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Device {
    /// The device's file system; another than `/` is a simulated device, without services.
    #[arg(long, value_name = "DIR", default_value = "/", global = true)]
    root: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Put a release in force, if it is signed with the trusted key and proves healthy.
    Install(Install),
    /// Settle the last deployment: wait until the door is healthy, or put back what was before.
    Settle,
    /// Tell what is in the slots and which is in force.
    Status,
    /// Put the other slot in force again.
    Rollback {
        /// Who does this, for the log.
        #[arg(long, default_value = "somebody on the device")]
        by: String,
    },
    /// End the door and take everything away but people's data.
    Uninstall {
        /// Who does this.
        #[arg(long, default_value = "somebody on the device")]
        by: String,
    },
    /// Read a slot's configuration, test the slot, write the bundle that is best here to standard
    /// output; what is told goes to standard error.
    #[command(hide = true)]
    Prepare {
        #[arg(long)]
        slot: Slot,
        #[arg(long)]
        people: u32,
    },
    /// Lay out the system's files of this program.
    #[command(hide = true)]
    SetUp,
}

#[derive(Args)]
struct Install {
    /// The signed release.
    #[arg(long, value_name = "FILE")]
    release: PathBuf,
    /// The program.
    #[arg(long, value_name = "FILE")]
    runtime: PathBuf,
    /// The bundle; of several precisions the fastest here that does what is asked is left.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The door's configuration; without it the one on the device goes on.
    #[arg(long, value_name = "DOOR.TOML")]
    config: Option<PathBuf>,
    /// The key to trust from now on; needed at the first deployment.
    #[arg(long, value_name = "FILE.PUB")]
    key: Option<PathBuf>,
    /// Let a release in that is older than one that was here; this goes into the door's log.
    #[arg(long)]
    allow_older: bool,
    /// How many people the door will know, if more than are enrolled.
    #[arg(long, default_value_t = 1)]
    people: u32,
    /// Who does this, for the log.
    #[arg(long, default_value = "somebody on the device")]
    by: String,
}

/// How many faces each precision embeds before one is chosen.
const ROUNDS: u32 = 20;

impl Device {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let device = device::Device::at(&self.root);
        let service: &dyn Service = match self.root == Path::new("/") {
            true => &Systemd,
            false => &Unmanaged,
        };
        match self.what {
            What::Install(install) => {
                told(device.install(&install.into(), service)?, out)?;
            }
            What::Rollback { by } => told(device.roll_back(&by, service)?, out)?,
            What::Settle => match device.settle(service)? {
                None => out.line(&Told::nothing())?,
                Some(verdict) => judged(verdict, out)?,
            },
            What::Status => out.line(&device.status()?)?,
            What::Uninstall { by } => {
                let left = device.uninstall(&by, service)?;
                out.line(&Left { left })?;
            }
            What::Prepare { slot, people } => prepare(&device, slot, people)?,
            What::SetUp => service.set_up(&device)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl From<Install> for Delivery {
    fn from(install: Install) -> Self {
        Self {
            release: install.release,
            runtime: install.runtime,
            bundle: install.bundle,
            config: install.config,
            key: install.key,
            allow_older: install.allow_older,
            people: install.people,
            by: install.by,
        }
    }
}

/// This program is the slot's, and runs as the door does.
fn prepare(device: &device::Device, slot: Slot, people: u32) -> Result<()> {
    let config = device.config_in(slot)?;
    let whole = bundle::read(&config.bundle)?;
    let demands = Demands {
        config: &config,
        path: &device.config(),
        people,
        rounds: ROUNDS,
    };
    let (chosen, selected) = demands.choose(&whole)?;
    let proved = bundle::prove(&chosen, &config.bundle)?;
    let mut told = io::stderr().lock();
    writeln!(
        told,
        "{selected}\n{} self-test faces, lowest cosine {:.6}",
        proved.self_test.faces, proved.self_test.lowest_cosine
    )?;
    io::stdout().lock().write_all(&chosen.encode()?)?;
    Ok(())
}

#[derive(Serialize)]
struct Told {
    slot: Option<Slot>,
    /// False while the device still waits whether the door is healthy.
    settled: bool,
}

#[derive(Serialize)]
struct Left {
    left: Vec<PathBuf>,
}

impl Told {
    fn nothing() -> Self {
        Self {
            slot: None,
            settled: true,
        }
    }
}

fn told((slot, verdict): (Slot, Option<Verdict>), out: &Output) -> Result<()> {
    match verdict {
        Some(verdict) => judged(verdict, out),
        None => Ok(out.line(&Told {
            slot: Some(slot),
            settled: false,
        })?),
    }
}

fn judged(verdict: Verdict, out: &Output) -> Result<()> {
    match verdict {
        Verdict::Settled(slot) => Ok(out.line(&Told {
            slot: Some(slot),
            settled: true,
        })?),
        Verdict::Reverted(slot, reason) => {
            bail!(
                "{} was taken out of force again: {reason}; what was before is in force",
                slot.name()
            )
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.slot, self.settled) {
            (None, _) => f.write_str("everything is settled"),
            (Some(slot), true) => write!(f, "{} is in force", slot.name()),
            (Some(slot), false) => write!(
                f,
                "{} is in force, and stays if the door proves healthy; see `device status`",
                slot.name()
            ),
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("removed")?;
        self.left.iter().try_for_each(|path| {
            write!(
                f,
                "\nkept: {p}; `rm -r {p}` removes it for good",
                p = path.display()
            )
        })
    }
}
