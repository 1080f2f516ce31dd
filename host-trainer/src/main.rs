//! The trainer's command line.
#![allow(clippy::print_stdout)] // it is a command line

mod command;

use clap::Parser;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // libgomp reads this once, before main; spinning threads cost eight times the CPU.
    if std::env::var_os("OMP_WAIT_POLICY").is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let arguments = std::env::args_os().skip(1);
        let error = Command::new(program)
            .args(arguments)
            .env("OMP_WAIT_POLICY", "PASSIVE")
            .exec();
        eprintln!("going on with spinning threads: {error}");
    }
    match command::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
