//! `cargo xtask virtual-pi`: a Raspberry Pi made of QEMU, for who has none at hand.

mod image;
mod lines;
mod machine;
mod qemu;
mod qmp;
mod ssh;
mod tools;
mod user;

use anyhow::{Context, Result};
use image::Image;
use machine::{Machine, Options};
use std::sync::mpsc;

/// What the emulated Pi is called in ssh configurations.
pub(crate) const HOST: &str = "virtual-pi";

/// Boot an emulated Raspberry Pi
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Boot it, say how to log in, and keep it until Ctrl-C
    #[arg(long)]
    boot: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    tools::demand()?;
    let _ = args.boot;
    boot()
}

fn boot() -> Result<()> {
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || {
        let _ = stop.send(());
    })
    .context("listening for Ctrl-C")?;
    let mut machine = Machine::boot(Image::ensure()?, Options::default())?;
    println!(
        "booting; console: {}",
        machine.folder().join("console.log").display()
    );
    let took = machine.wait_until_ready()?;
    println!("ready after {:.0} s", took.as_secs_f64());
    println!("ssh -F {} {HOST}", machine.ssh_config().display());
    println!("Ctrl-C ends it");
    stopped.recv().context("waiting for Ctrl-C")
}
