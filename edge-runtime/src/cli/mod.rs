//! The commands of the door.

mod audit;
mod bench;
mod carry;
mod check;
mod device;
mod door;
mod inspect;
mod people;
mod profile;
mod release;
mod select;
mod trial;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use edge_runtime::identify::FalseAcceptRate;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs a face-verification door, and does what it needs.
///
/// Exit status: 0 done (verify: the faces match), 1 verify: they do not match, 2 an error, 3 run: the
/// door hung.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Write JSON, one object a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Embed the bundle's self-test faces again and compare.
    Selftest(check::Selftest),
    /// Show what a bundle says of itself: thresholds, and where its network comes from; recipes in JSON.
    Inspect(inspect::Inspect),
    /// Enroll a person from photographs.
    Enroll(people::Enroll),
    /// List who is enrolled.
    List(people::List),
    /// Remove a person, and prove that nothing is left.
    Remove(people::Remove),
    /// Write people into a sealed file, for another door.
    Export(carry::Export),
    /// Take people from a file that another door exported.
    Import(carry::Import),
    /// After a change of the model, make new templates of the faces that were kept.
    Reenroll(carry::Reenroll),
    /// Print the door's log, or verify it.
    Audit(audit::Audit),
    /// Compare the faces in two photographs.
    Verify(check::Verify),
    /// Measure how long a frame takes on this device, stage by stage.
    Bench(bench::Bench),
    /// Show where the time of a bundle's networks goes, layer by layer.
    Profile(profile::Profile),
    /// Of a bundle of several precisions, take the one that is fastest on this device.
    Select(select::Select),
    /// Try a door on yourself, with a web page of this machine.
    ///
    /// With --bundle nothing is kept. With --config it is that door's network and people, and
    /// whoever is enrolled stays in its store; its lock is not moved, and what else than agreeing
    /// frames it asks for is left out.
    Try(trial::Try),
    /// Run the door.
    Run(door::Run),
    /// Switch the relay's current off, after a door that was killed.
    Lock(door::Lock),
    /// Make the keys of releases, sign releases, show them.
    #[command(subcommand)]
    Release(release::Release),
    /// Install releases on this device, settle them, go back; `cargo xtask deploy` calls it.
    Device(device::Device),
}

/// Where the network is.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A bundle's file.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// A door's configuration, which names the bundle.
    #[arg(long, value_name = "DOOR.TOML")]
    config: Option<PathBuf>,
}

/// Runs a command; its exit status.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let out = Output {
        json: arguments.json,
    };
    let done = match arguments.command {
        Command::Selftest(command) => command.run(&out),
        Command::Inspect(command) => command.run(&out),
        Command::Enroll(command) => command.run(&out),
        Command::List(command) => command.run(&out),
        Command::Remove(command) => command.run(&out),
        Command::Export(command) => command.run(&out),
        Command::Import(command) => command.run(&out),
        Command::Reenroll(command) => command.run(&out),
        Command::Audit(command) => command.run(&out),
        Command::Verify(command) => command.run(&out),
        Command::Bench(command) => command.run(&out),
        Command::Profile(command) => command.run(&out),
        Command::Select(command) => command.run(&out),
        Command::Try(command) => command.run(&out),
        Command::Run(command) => command.run(&out),
        Command::Lock(command) => command.run(),
        Command::Release(command) => command.run(&out),
        Command::Device(command) => command.run(&out),
    };
    done.unwrap_or_else(|error| {
        // The message is complete without its sources, and a closed stderr changes nothing.
        let _ = writeln!(io::stderr(), "error: {error}");
        ExitCode::from(2)
    })
}

/// How results are written.
struct Output {
    json: bool,
}

impl Output {
    /// Writes one line: the value as JSON, or as text.
    fn line<T: Serialize + Display>(&self, value: &T) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", serde_json::to_string(value)?)
        } else {
            writeln!(stdout, "{value}")
        }
    }
}
