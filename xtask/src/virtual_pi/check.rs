//! What is tried on emulated machines: the door's program for a Pi, the board itself, a Pi 3's pin.

use super::field::Field;
use super::image::Image;
use super::lines::Level;
use super::machine::{Machine, Options};
use super::people::People;
use super::scratch::Scratch;
use super::ssh::User;
use super::{deployment, mishaps, power, raspi3b, user};
use crate::cross::{self, Architecture, Program};
use crate::disk::megabytes;
use crate::{setup, workspace};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Instant;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Check {
    /// A Pi's processor, emulated alone, gives the embeddings that an x86-64 recorded
    Arithmetic,
    /// A board with Debian boots, is reached, wired and cut off from the power
    Board,
    /// A door is deployed over ssh, opens, is updated, and outlives a bad update
    Deployment,
    /// What may go wrong with deployments
    Mishaps,
    /// The power is cut at many moments of deployments and enrollments
    Power,
    /// The door on a Pi 3 moves pin 17 for whom it knows
    Pin,
}

impl Check {
    /// What is tried where nothing is named: all, or what is done within minutes.
    fn usual(full: bool) -> &'static [Self] {
        match full {
            true => &[
                Self::Board,
                Self::Arithmetic,
                Self::Deployment,
                Self::Mishaps,
                Self::Power,
                Self::Pin,
            ],
            false => &[Self::Arithmetic, Self::Deployment],
        }
    }
}

/// How the checks are run.
pub(super) struct Plan<'a> {
    /// These, or what is usual if none is named.
    pub(super) named: &'a [Check],
    /// Everything is usual.
    pub(super) full: bool,
    /// All of a check.
    pub(super) all: bool,
    /// How often the power is cut.
    pub(super) cuts: u32,
    /// Where a `host-trainer` is that need not be built.
    pub(super) programs: Option<&'a Path>,
}

/// Runs checks in their order and says what was seen.
///
/// # Errors
/// The first check that failed, and why.
pub(super) fn run(plan: &Plan<'_>) -> Result<()> {
    let usual = Check::usual(plan.full);
    let named = if plan.named.is_empty() {
        usual
    } else {
        plan.named
    };
    let has = |check| named.contains(&check);
    if has(Check::Board) {
        step("a board with Debian", || board(&Image::ensure()?))?;
    }
    if named == [Check::Board] {
        return Ok(());
    }
    let program = step("a door's program for a Pi, built here", build)?;
    if has(Check::Arithmetic) {
        step("its arithmetic", || arithmetic(&program))?;
    }
    if named == [Check::Arithmetic] {
        return Ok(());
    }
    let programs = match plan.programs {
        Some(programs) => programs.to_owned(),
        None => {
            setup::ensure()?;
            workspace::build()?
        }
    };
    let drawn = Scratch::new()?;
    let people = People::draw(&programs, &drawn.path().join("people"))?;
    if [Check::Deployment, Check::Mishaps, Check::Power]
        .map(has)
        .contains(&true)
    {
        let mut field = step("a board for a door", || {
            Field::prepare(&program, &people, &programs)
        })?;
        // The others need a door that is deployed, and no more.
        step("a deployment", || match has(Check::Deployment) {
            true => deployment::run(&mut field, plan.all),
            false => deployment::first(&field),
        })?;
        if has(Check::Mishaps) {
            step("mishaps", || mishaps::all(&field))?;
        }
        if has(Check::Power) {
            step("power cuts", || power::cuts(&mut field, plan.cuts))?;
        }
        if plan.all {
            step("uninstalling", || deployment::uninstall(&field))?;
        }
    }
    if has(Check::Pin) {
        step("pin 17 of a Pi 3", || pin(&program, &people))?;
    }
    Ok(())
}

fn step<T>(name: &str, check: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n==== {name}");
    let start = Instant::now();
    let outcome = check().with_context(|| name.to_owned())?;
    println!(
        "---- {name}: passed in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    Ok(outcome)
}

fn build() -> Result<Program> {
    let program = cross::build(Architecture::Aarch64)?;
    let v4l2 = if program.v4l2 { "with" } else { "without" };
    println!(
        "{}: {}, {} with symbols, {v4l2} V4L2 cameras",
        program.path.display(),
        megabytes(program.size()?),
        megabytes(program.unstripped)
    );
    Ok(program)
}

fn arithmetic(program: &Program) -> Result<()> {
    let cosine = user::selftest(program)?;
    println!("lowest cosine with what an x86-64 recorded: {cosine}");
    Ok(())
}

/// The emulated machine does what tests of doors rely on.
fn board(image: &Image) -> Result<()> {
    let mut machine = Machine::boot(image, Options::default())?;
    println!(
        "ready after {:.0} s",
        machine.wait_until_ready()?.as_secs_f64()
    );
    let processor = Architecture::of_uname(&machine.ssh("uname -m")?)?;
    ensure!(processor == Architecture::Aarch64, "it is a {processor:?}");
    let state = machine.ssh("systemctl is-system-running --wait")?;
    ensure!(state.trim() == "running", "systemd says {state}");
    ensure!(
        machine.ssh("sudo id --user")?.trim() == "0",
        "pi is no administrator"
    );
    let sudo = machine
        .command(User::Guest, "sudo --non-interactive true")
        .output()?;
    ensure!(!sudo.status.success(), "guest is an administrator");
    machine.ssh("sudo modprobe vivid && sudo udevadm settle && test -c /dev/video0")?;
    wires(&mut machine)?;
    cut(&mut machine)
}

/// Lines are driven and seen from both sides.
fn wires(machine: &mut Machine) -> Result<()> {
    // The kernel's old way to lines needs no program there.
    let chip = "$(cat /sys/class/gpio/gpiochip*/base)";
    for line in [3, 5] {
        machine.ssh(&format!(
            "echo $(({chip} + {line})) | sudo tee /sys/class/gpio/export"
        ))?;
    }
    let [output, input] = [3, 5].map(|line| format!("/sys/class/gpio/gpio$(({chip} + {line}))"));
    for (word, level) in [("high", Level::High), ("low", Level::Low)] {
        machine.ssh(&format!("echo {word} | sudo tee {output}/direction"))?;
        let seen = machine.line(3)?;
        ensure!(
            seen == level,
            "line 3 was set {word} inside and is {seen:?} outside"
        );
    }
    for (value, level) in [("1", Level::High), ("0", Level::Low)] {
        machine.set_line(5, level)?;
        let seen = machine.ssh(&format!("cat {input}/value"))?;
        ensure!(
            seen.trim() == value && machine.line(5)? == level,
            "line 5 was driven {level:?} outside and is {seen} inside"
        );
    }
    Ok(())
}

/// What was synced outlives a power cut, and the machine comes up again.
fn cut(machine: &mut Machine) -> Result<()> {
    machine.ssh("echo kept > kept && sync kept && echo lost > /dev/shm/lost")?;
    machine.power_cut();
    machine
        .line(0)
        .err()
        .context("lines of a board without power were read")?;
    machine.power_on()?;
    println!(
        "ready after a power cut in {:.0} s",
        machine.wait_until_ready()?.as_secs_f64()
    );
    let found = machine.ssh("cat kept; ls /dev/shm")?;
    ensure!(
        found.trim() == "kept",
        "after a power cut there is {found:?}"
    );
    Ok(())
}

/// The door on a Pi 3 moves the pin for whom it knows.
fn pin(program: &Program, people: &People) -> Result<()> {
    let seen = raspi3b::visit(&Image::ensure()?, program, people)?;
    for (after, level) in &seen.changes {
        println!("pin 17 {level:?} after {:.1} s", after.as_secs_f64());
    }
    Ok(())
}
