//! A deployment to an emulated Pi, the door that runs there, and a bad update.

use super::field::{BUTTON, Field, LOCK, done, refused};
use super::lines::Level;
use super::visitor::Visitor;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// The most that `systemd-analyze security` may give the door's service.
const MOST_EXPOSED: f64 = 2.5;
/// Longer than somebody who is known would have to stay.
const STRANGER_STAYS: Duration = Duration::from_secs(60);

/// The first deployment, with one person who is enrolled.
///
/// # Errors
/// The first thing that is not as it must be.
pub(super) fn first(field: &Field) -> Result<()> {
    let deployed = field.deploy(&field.program, Some(&field.config()))?;
    println!("first: {deployed}");
    field.serves()?;
    field.machine.ssh(&field.enroll("ada", "enrollment"))?;
    Ok(())
}

/// One deployment, one pin, one bad update; and if `all`, whatever else a user does.
///
/// # Errors
/// The first thing that is not as it must be.
pub(super) fn run(field: &mut Field, all: bool) -> Result<()> {
    first(field)?;
    pins(field)?;
    println!("again: {}", unchanged(field)?);
    println!("exposure of the service: {}", exposure(field)?);
    if all {
        hangs(field)?;
        update(field)?;
    }
    bad_update(field)
}

fn unchanged(field: &Field) -> Result<String> {
    let said = field.deploy(&field.program, Some(&field.config()))?;
    ensure!(said.starts_with("unchanged"), "{said}");
    Ok(said)
}

fn exposure(field: &Field) -> Result<f64> {
    let said = field
        .machine
        .ssh("systemd-analyze security --no-pager facelatch.service | tail -n 1")?;
    let level = said
        .split(": ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let level: f64 = level.context("a level")?.parse()?;
    ensure!(level <= MOST_EXPOSED, "the service's exposure is {level}");
    Ok(level)
}

/// The lock moves for whom the door knows, and for the button, and locks again.
fn pins(field: &mut Field) -> Result<()> {
    let took = field.wait_for(Level::High)?;
    println!(
        "lock released {:.0} s after the enrollment",
        took.as_secs_f64()
    );
    field.wait_for(Level::Low)?;
    field.show(Visitor::Stranger)?;
    field.machine.ssh("sudo systemctl restart facelatch")?;
    let start = Instant::now();
    while start.elapsed() < STRANGER_STAYS {
        let level = field.machine.line(LOCK)?;
        ensure!(level == Level::Low, "the lock was released for a stranger");
        thread::sleep(Duration::from_millis(50));
    }
    let log = "sudo -u facelatch /opt/facelatch/current/edge-runtime audit --config /etc/facelatch/door.toml";
    let log = field.machine.ssh(log)?;
    ensure!(log.contains("refused"), "the stranger was not seen: {log}");
    field.machine.set_line(BUTTON, Level::High)?;
    let took = field.wait_for(Level::High)?;
    println!(
        "lock released {:.1} s after the button was pressed",
        took.as_secs_f64()
    );
    field.machine.set_line(BUTTON, Level::Low)?;
    field.wait_for(Level::Low)?;
    Ok(())
}

/// A door that hangs is started again by systemd.
fn hangs(field: &mut Field) -> Result<()> {
    let number = |field: &Field| -> Result<u32> {
        let said = field
            .machine
            .ssh("systemctl show --property=NRestarts --value facelatch")?;
        Ok(said.trim().parse()?)
    };
    let before = number(field)?;
    let start = Instant::now();
    field
        .machine
        .ssh("sudo systemctl kill --signal=STOP facelatch")?;
    while number(field)? == before {
        ensure!(
            start.elapsed() < super::field::PATIENCE,
            "nobody started it again"
        );
        thread::sleep(Duration::from_secs(1));
    }
    println!(
        "started again {:.0} s after it was stopped",
        start.elapsed().as_secs_f64()
    );
    field.serves()
}

fn update(field: &Field) -> Result<()> {
    let next = field.variant("next", 0)?;
    println!("update: {}", field.deploy(&next, None)?);
    people_are_there(field)?;
    let back = done(field.xtask(&["rollback"], super::HOST, None)?.output()?)?;
    println!("rollback: {back}");
    people_are_there(field)
}

/// A configuration with which the door does not start: it passes the self-test.
fn bad_update(field: &Field) -> Result<()> {
    let before = field.status()?["current"].clone();
    let text = fs::read_to_string(field.config())?;
    let bad = field.path("bad.toml");
    fs::write(
        &bad,
        text.replace("false_accept_rate = 0.0001", "false_accept_rate = 1e-12"),
    )?;
    let start = Instant::now();
    refused(
        field.deployment(&field.program, Some(&bad))?,
        "taken out of force again",
    )?;
    field.serves()?;
    ensure!(
        field.status()?["current"] == before,
        "another slot is in force"
    );
    people_are_there(field)?;
    println!(
        "bad update: taken out of force within {:.0} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Nothing is left but the people.
///
/// # Errors
/// If something is, or they are not.
pub(super) fn uninstall(field: &Field) -> Result<()> {
    let said = done(field.xtask(&["uninstall"], super::HOST, None)?.output()?)?;
    ensure!(said.contains("/var/lib/facelatch"), "{said}");
    let left = "sudo find / -xdev -name '*facelatch*' -not -path '/proc/*' | sort";
    let left = field.machine.ssh(left)?;
    ensure!(left.trim() == "/var/lib/facelatch", "left: {left}");
    field
        .machine
        .ssh("sudo test -e /var/lib/facelatch/store && ! systemctl is-active facelatch")?;
    println!("uninstalled: {said}");
    Ok(())
}

/// The person is enrolled, and the log is whole.
pub(super) fn people_are_there(field: &Field) -> Result<()> {
    let people = field.machine.ssh(&field.as_door("list", ""))?;
    ensure!(
        people.contains("ada"),
        "ada is not enrolled any more: {people}"
    );
    field.machine.ssh(&field.as_door("audit", "--verify"))?;
    Ok(())
}
