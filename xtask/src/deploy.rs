//! `cargo xtask deploy`: a signed release onto doors, or onto a simulated one.

mod device;
pub(crate) mod door_config;
mod hosts;
mod parcel;
mod preflight;
mod simulated;
mod ssh;
mod status;
mod upload;

pub(crate) use device::Delivery;
pub(crate) use parcel::Workshop;
pub(crate) use simulated::Door;

use crate::{trial, workspace};
use anyhow::{Result, bail};
use device::Device;
use hosts::Host;
use std::path::PathBuf;

/// Put a signed release of program, bundle and configuration onto doors
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    on: On,
    /// The bundle to install; of one with several precisions the fastest there that keeps the rates
    /// which the configuration asks for [default: the one that comes with the project]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The door's configuration; without it the one on the door goes on, and on a simulated door's
    /// first deployment the example
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many people the door will know, if more than are enrolled; its false-accept rate is
    /// divided by their number where a precision is chosen
    #[arg(long, default_value_t = 1)]
    people: u32,
    /// The key to sign with; made where there is none yet [default: see `cargo xtask keys`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A program that was built elsewhere, in the place of one that is built here
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Where an `edge-runtime` of this machine is that need not be built
    #[arg(long, value_name = "DIR", hide = true)]
    programs: Option<PathBuf>,
    /// Let a release in that is older than one that was on the door; the door's log tells it
    #[arg(long)]
    allow_older: bool,
    /// Check the devices, say what would be sent, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which doors.
#[derive(clap::Args)]
pub(crate) struct On {
    /// `user@host` as ssh knows it, or `sim:DIR`, which lays DIR out as a device's file system
    targets: Vec<String>,
    /// A file that names doors and what differs for each; docs/deploy.md shows one
    #[arg(long, value_name = "HOSTS.TOML")]
    hosts: Option<PathBuf>,
    /// In the place of your own configuration of ssh
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Tell what is on the doors, and what became of the last deployment
    Status(On),
    /// Put the release before in force again
    Rollback(On),
    /// End the doors and take everything away but people's data
    Uninstall(On),
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.what {
        Some(What::Status(on)) => on.each(|device| device.status()),
        Some(What::Rollback(on)) => on.each(|device| device.roll_back()),
        Some(What::Uninstall(on)) => on.each(|device| device.uninstall()),
        None => deploy(args),
    }
}

impl On {
    /// The doors that are named, each with what differs for it.
    fn hosts(&self) -> Result<Vec<Host>> {
        let mut hosts: Vec<Host> = self.targets.iter().map(|t| Host::named(t)).collect();
        if let Some(path) = &self.hosts {
            hosts.extend(hosts::read(path)?);
        }
        if hosts.is_empty() {
            bail!("no door is named: give `user@host`, `sim:DIR` or --hosts HOSTS.TOML");
        }
        Ok(hosts)
    }

    fn each(&self, what: impl Fn(&Device) -> Result<String> + Sync) -> Result<()> {
        let hosts = self.hosts()?;
        let alone = hosts.len() == 1;
        hosts::each(&hosts, |host| {
            what(&Device::at(
                &host.target,
                self.ssh_config.as_deref(),
                alone,
            )?)
        })
    }
}

fn deploy(args: &Args) -> Result<()> {
    let hosts = args.on.hosts()?;
    let alone = hosts.len() == 1;
    let programs = args
        .programs
        .clone()
        .map_or_else(workspace::build_door, Ok)?;
    let workshop = Workshop::open(&programs, args.key.as_deref(), args.runtime.as_deref())?;
    hosts::each(&hosts, |host| {
        let device = Device::at(&host.target, args.on.ssh_config.as_deref(), alone)?;
        let default = || workspace::root().join(trial::BUNDLE);
        let bundle = host.bundle.clone().or_else(|| args.bundle.clone());
        let delivery = Delivery {
            bundle: bundle.unwrap_or_else(default),
            config: host.config.clone().or_else(|| args.config.clone()),
            people: host.people.unwrap_or(args.people),
            allow_older: args.allow_older,
            dry_run: args.dry_run,
        };
        device.deploy(&delivery, &workshop)
    })
}
