//! The commands of this workspace; `cargo xtask help` lists them.

#![allow(
    clippy::print_stdout,
    reason = "a command line speaks on standard output"
)]

mod apt;
mod bench;
mod cross;
mod demo;
mod deploy;
mod disk;
mod evaluate;
mod experiment;
mod forward;
mod illustrate;
mod keys;
mod libtorch;
mod python;
mod setup;
mod test;
mod train;
mod trial;
mod virtual_pi;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The commands of the Facelatch workspace"
)]
enum Command {
    Setup(setup::Args),
    Demo(demo::Args),
    /// Run everything that CI runs, and stop at the first failure
    Test,
    Train(train::Args),
    Evaluate(evaluate::Args),
    Experiment(experiment::Args),
    Keys(keys::Args),
    Deploy(deploy::Args),
    Illustrate(illustrate::Args),
    /// Find the faces in a folder of photographs and write their landmarks
    #[command(disable_help_flag = true)]
    Detect(forward::Args),
    /// Put a detector into a bundle
    #[command(disable_help_flag = true)]
    AddDetector(forward::Args),
    /// Make a bundle of a network that was trained elsewhere
    #[command(disable_help_flag = true)]
    Import(forward::Args),
    /// Put bundles of one network in several precisions together
    #[command(disable_help_flag = true)]
    Combine(forward::Args),
    /// Show a folder of photographs to a door and count whom it lets in
    #[command(disable_help_flag = true)]
    Replay(forward::Args),
    /// Put the network of a finished run into 8-bit integers
    #[command(disable_help_flag = true)]
    Quantize(forward::Args),
    Bench(bench::Args),
    #[command(disable_help_flag = true)]
    Try(trial::Args),
    VirtualPi(virtual_pi::Args),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Setup(args) => setup::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Test => test::run(),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Experiment(args) => experiment::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Illustrate(args) => illustrate::run(&args),
        Command::Detect(args) => forward::run("detect", &args),
        Command::AddDetector(args) => forward::run("add-detector", &args),
        Command::Import(args) => forward::run("import", &args),
        Command::Combine(args) => forward::run("combine", &args),
        Command::Replay(args) => forward::run("replay", &args),
        Command::Quantize(args) => forward::run("quantize", &args),
        Command::Bench(args) => bench::run(&args),
        Command::Try(args) => trial::run(&args),
        Command::VirtualPi(args) => virtual_pi::run(&args),
    }
}
