//! The power is cut at many moments of deployments and enrollments; after each the door comes back
//! by itself, with the old or the new, and with everybody who was enrolled.

use super::deployment::people_are_there;
use super::field::Field;
use super::ssh::User;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// So much longer than what is cut off takes, so that some moments are right after it.
const LONGER: f64 = 1.2;

/// So many cuts have every outcome.
const ENOUGH: u32 = 20;

/// What was found after the cuts.
#[derive(Debug, Default)]
struct Outcomes {
    old: u32,
    new: u32,
    enrolled: u32,
    not_enrolled: u32,
}

/// Cuts the power at `cuts` moments, every third of them in an enrollment.
///
/// # Errors
/// The first cut after which the door was not healthy again.
pub(super) fn cuts(field: &mut Field, cuts: u32) -> Result<()> {
    let versions = [
        field.variant("even", 1 << 20)?,
        field.variant("odd", 1 << 20)?,
    ];
    let mut outcomes = Outcomes::default();
    let mut in_force = 1;
    let start = Instant::now();
    let deployed = field.start(&versions[in_force])?.wait_with_output()?;
    let deployment_takes = start.elapsed().mul_f64(LONGER);
    let start = Instant::now();
    let enrolled = enroll(field, "uncut").output()?;
    let enrollment_takes = start.elapsed().mul_f64(LONGER);
    for uncut in [&deployed, &enrolled] {
        let told = String::from_utf8_lossy(&uncut.stderr);
        ensure!(uncut.status.success(), "with the power on: {told}");
    }
    forget(field, "uncut")?;
    println!(
        "  moments of {:.0} s of deployments and {:.0} s of enrollments",
        deployment_takes.as_secs_f64(),
        enrollment_takes.as_secs_f64()
    );
    for cut in 0..cuts {
        // The golden ratio's multiples: any number of moments is spread evenly.
        let share = (f64::from(cut) * 0.618_033_988_75).fract();
        let told = match cut % 3 {
            2 => enrollment(field, cut, enrollment_takes.mul_f64(share), &mut outcomes),
            _ => {
                let at = deployment_takes.mul_f64(share);
                deployment(field, &versions, &mut in_force, at, &mut outcomes)
            }
        };
        let told = told.with_context(|| format!("cut {cut}, at {share:.3} of the time"))?;
        println!("  cut {cut}: {told}");
    }
    println!("{cuts} cuts: {outcomes:?}");
    let Outcomes {
        old,
        new,
        enrolled,
        not_enrolled,
    } = outcomes;
    let least = [old, new, enrolled, not_enrolled].into_iter().min();
    ensure!(
        cuts < ENOUGH || least > Some(0),
        "the moments were all before, or all after, what they should be in"
    );
    Ok(())
}

/// Deploys the version that is not `in_force`.
fn deployment(
    field: &mut Field,
    versions: &[PathBuf; 2],
    in_force: &mut usize,
    at: Duration,
    outcomes: &mut Outcomes,
) -> Result<String> {
    let before = field.status()?["current"].clone();
    let other = 1 - *in_force;
    let mut deployment = field.start(&versions[other])?;
    let at = wait(&mut deployment, at)?;
    field.machine.power_cut();
    let took = back(field)?;
    // Whoever deployed is told that the connection was lost, or was done before, or asks until the
    // power is back.
    let acknowledged = deployment.wait()?.success();
    let status = field.status()?;
    let fault = status["slots"].as_array().map_or(0, Vec::len);
    ensure!(fault > 0, "{status}");
    let moved = status["current"] != before;
    ensure!(
        moved || !acknowledged,
        "the new one was acknowledged and is not in force: {status}"
    );
    if moved {
        *in_force = other;
        outcomes.new += 1;
    } else {
        outcomes.old += 1;
    }
    let word = if moved { "new" } else { "old" };
    Ok(format!(
        "{:.1} s into a deployment, the {word} one is in force {took:.0} s later",
        at.as_secs_f64()
    ))
}

/// Until that long has passed or the command has ended, whichever is first; how long it was.
fn wait(command: &mut Child, at: Duration) -> Result<Duration> {
    let start = Instant::now();
    while start.elapsed() < at && command.try_wait()?.is_none() {
        thread::sleep(Duration::from_millis(20).min(at));
    }
    Ok(start.elapsed())
}

/// Another than the one who is enrolled: two of one face are refused.
fn enroll(field: &Field, subject: &str) -> Command {
    let line = field.enroll(subject, "other");
    let mut enroll = field.machine.command(User::Pi, &line);
    enroll.stdout(Stdio::piped()).stderr(Stdio::piped());
    enroll
}

/// So that the next has the face for itself.
fn forget(field: &Field, subject: &str) -> Result<()> {
    field.machine.ssh(&field.as_door("remove", subject))?;
    Ok(())
}

fn enrollment(
    field: &mut Field,
    cut: u32,
    at: Duration,
    outcomes: &mut Outcomes,
) -> Result<String> {
    let subject = format!("person{cut}");
    let mut enroll = enroll(field, &subject).spawn()?;
    let at = wait(&mut enroll, at)?;
    field.machine.power_cut();
    let acknowledged = enroll.wait_with_output()?.status.success();
    let took = back(field)?;
    let enrolled = field
        .machine
        .ssh(&field.as_door("list", ""))?
        .contains(&subject);
    ensure!(
        enrolled || !acknowledged,
        "{subject} was acknowledged and is gone"
    );
    if enrolled {
        outcomes.enrolled += 1;
        forget(field, &subject)?;
    } else {
        outcomes.not_enrolled += 1;
    }
    let word = if enrolled { "there" } else { "not there" };
    Ok(format!(
        "{:.1} s into an enrollment, the person is {word}, the door in force {took:.0} s later",
        at.as_secs_f64()
    ))
}

/// The power comes back; the seconds until the door serves and everything is settled.
fn back(field: &mut Field) -> Result<f64> {
    let start = Instant::now();
    field.machine.power_on()?;
    field.machine.wait_until_ready()?;
    field.serves()?;
    people_are_there(field)?;
    Ok(start.elapsed().as_secs_f64())
}
