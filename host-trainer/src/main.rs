//! The trainer's command line.
#![allow(clippy::print_stdout)] // it is a command line

mod command;

use clap::Parser;
use host_trainer::distributed::{self, AllOrNone};
use std::io::Write;
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
    let _end_all = AllOrNone;
    match command::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let who = match distributed::ranks() {
                1 => String::new(),
                ranks => format!(" of rank {} of {ranks}", distributed::rank()),
            };
            // One write: mpirun mixes what its processes say between writes.
            let line = format!("error{who}: {}\n", told(&error));
            let _gone = std::io::stderr().write_all(line.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each once: many of our messages tell their cause themselves.
fn told(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn each_cause_is_told_once() {
        let cause = || Err::<(), _>(anyhow::anyhow!("no room"));
        let check = |context: &'static str, expected: &str| {
            assert_eq!(told(&cause().context(context).unwrap_err()), expected);
        };
        check("writing x", "writing x: no room");
        check(
            "writing x: no room; free some",
            "writing x: no room; free some",
        );
    }
}
