//! `cargo xtask virtual-pi`: a Raspberry Pi made of QEMU, for who has none at hand.

mod check;
mod deployment;
mod field;
mod image;
mod lines;
mod machine;
mod mishaps;
mod people;
mod power;
mod qemu;
mod qmp;
mod raspi3b;
mod scratch;
mod ssh;
mod tools;
mod user;
mod visitor;

use anyhow::Result;
use image::Image;
use machine::{Machine, Options};
use std::path::PathBuf;
use std::thread;

/// What the emulated Pi is called in ssh configurations.
pub(crate) const HOST: &str = "virtual-pi";

/// Try the door on an emulated Raspberry Pi, or boot one
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to try; if nothing is named, the arithmetic and a deployment
    #[arg(value_enum)]
    checks: Vec<check::Check>,
    /// Try everything if nothing is named
    #[arg(long)]
    full: bool,
    /// How often the power is cut
    #[arg(long, default_value_t = 50)]
    cuts: u32,
    /// Boot it, say how to log in, and keep it until Ctrl-C
    #[arg(long, conflicts_with = "checks")]
    boot: bool,
    /// Where a `host-trainer` lies that was built already; otherwise it is built, and libtorch
    /// fetched for it
    #[arg(long, value_name = "DIR", conflicts_with = "boot")]
    programs: Option<PathBuf>,
}

impl Args {
    /// What is usual, with programs that are built already.
    pub(crate) fn short(programs: PathBuf) -> Self {
        Self {
            checks: Vec::new(),
            full: false,
            cuts: 0,
            boot: false,
            programs: Some(programs),
        }
    }
}

/// Whether something is missing that every check needs.
pub(crate) fn lacks_tools() -> bool {
    tools::demand().and_then(|()| tools::demand_user()).is_err()
}

pub(crate) fn run(args: &Args) -> Result<()> {
    tools::demand()?;
    if args.boot {
        boot()
    } else {
        check::run(&check::Plan {
            named: &args.checks,
            full: args.full,
            // What is named is meant as a whole.
            all: args.full || !args.checks.is_empty(),
            cuts: args.cuts,
            programs: args.programs.as_deref(),
        })
    }
}

fn boot() -> Result<()> {
    let mut machine = Machine::boot(&Image::ensure()?, Options::default())?;
    let console = machine.folder().join("console.log");
    println!("booting; its console is {}", console.display());
    let took = machine.wait_until_ready()?;
    println!("ready after {:.0} s", took.as_secs_f64());
    println!("ssh -F {} {HOST}", machine.ssh_config().display());
    println!("Ctrl-C ends it");
    while !machine.has_stopped()? {
        thread::sleep(std::time::Duration::from_millis(500));
    }
    println!("it has switched itself off");
    Ok(())
}
