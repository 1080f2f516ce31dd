//! The power is cut at many moments of deployments and enrollments; after each the door comes back
//! by itself, with the old or the new, and with everybody who was enrolled.
//!
//! What is on the disk is copied at each moment, while the board stands still, and a board is
//! switched on with each copy afterwards: so one deployment has many moments.

use super::deployment::people_are_there;
use super::field::Field;
use super::ssh::User;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// So much longer than what is cut off takes, so that some moments are right after it.
const LONGER: f64 = 1.2;

/// So many moments have every outcome.
const ENOUGH: u32 = 20;

/// So many copies of the disk lie here at a time, a few hundred megabytes each.
const MOST_AT_ONCE: usize = 10;

/// What was found after the cuts.
#[derive(Debug, Default)]
struct Outcomes {
    old: u32,
    new: u32,
    enrolled: u32,
    not_enrolled: u32,
}

impl Outcomes {
    fn counts(&self) -> [u32; 4] {
        [self.old, self.new, self.enrolled, self.not_enrolled]
    }
}

/// What a power cut left.
struct Moment {
    /// Since the command was given.
    at: Duration,
    disk: PathBuf,
    /// Whether the command had said before that it is done.
    acknowledged: bool,
}

/// Cuts the power at `cuts` moments, or some more, a third of them in enrollments.
///
/// # Errors
/// The first cut after which the door was not healthy again.
pub(super) fn cuts(field: &mut Field, cuts: u32) -> Result<()> {
    let versions = [
        field.variant("even", 1 << 20)?,
        field.variant("odd", 1 << 20)?,
    ];
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
    let mut outcomes = Outcomes::default();
    // Enrollments first: they are over soon.
    for at in rounds(cuts / 3, enrollment_takes) {
        enrollment(field, &at, &mut outcomes)?;
    }
    for at in rounds(cuts - cuts / 3, deployment_takes) {
        let other = 1 - in_force;
        if deployment(field, &versions[other], &at, &mut outcomes)? {
            in_force = other;
        }
    }
    let cut: u32 = outcomes.counts().iter().sum();
    println!("{cut} cuts: {outcomes:?}");
    ensure!(
        cut < ENOUGH || !outcomes.counts().contains(&0),
        "the moments were all before, or all after, what they should be in"
    );
    Ok(())
}

/// Moments, spread evenly over each round and over all of them.
fn rounds(cuts: u32, takes: Duration) -> Vec<Vec<Duration>> {
    // The golden ratio's multiples: any number of moments in a row is spread evenly.
    let share = |cut: u32| (f64::from(cut) * 0.618_033_988_75).fract();
    let moments: Vec<_> = (0..cuts).map(|cut| takes.mul_f64(share(cut))).collect();
    let sorted = |round: &[Duration]| {
        let mut round = round.to_vec();
        round.sort();
        round
    };
    moments.chunks(MOST_AT_ONCE).map(sorted).collect()
}

/// Copies the disk at those moments of a command, and right after its end if some are later.
fn moments(field: &mut Field, mut command: Child, at: &[Duration]) -> Result<Vec<Moment>> {
    let (start, mut still) = (Instant::now(), Duration::ZERO);
    let mut moments = Vec::new();
    for (number, due) in at.iter().enumerate() {
        while start.elapsed() - still < *due && command.try_wait()?.is_none() {
            thread::sleep(Duration::from_millis(20));
        }
        let ended = command.try_wait()?;
        let stop = Instant::now();
        let disk = field.path(&format!("disk-{number}"));
        field.machine.copy_disk(&disk)?;
        moments.push(Moment {
            at: stop - start - still,
            disk,
            acknowledged: ended.is_some_and(|status| status.success()),
        });
        still += stop.elapsed();
        if ended.is_some() {
            break;
        }
    }
    let told = command.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&told.stderr);
    ensure!(told.status.success(), "with the power on: {complaint}");
    Ok(moments)
}

/// Whether the new one is in force after the last moment.
fn deployment(
    field: &mut Field,
    version: &Path,
    at: &[Duration],
    outcomes: &mut Outcomes,
) -> Result<bool> {
    let before = field.status()?["current"].clone();
    let deployment = field.start(version)?;
    let mut moved = false;
    for moment in moments(field, deployment, at)? {
        let took = back(field, &moment)?;
        let status = field.status()?;
        moved = status["current"] != before;
        ensure!(
            moved || !moment.acknowledged,
            "the new one was acknowledged and is not in force: {status}"
        );
        let found = ["the old one is in force", "the new one is in force"][usize::from(moved)];
        let Outcomes { new, old, .. } = outcomes;
        *(if moved { new } else { old }) += 1;
        tell(&moment, "a deployment", found, took);
    }
    Ok(moved)
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

fn enrollment(field: &mut Field, at: &[Duration], outcomes: &mut Outcomes) -> Result<()> {
    let enroll = enroll(field, "other").spawn()?;
    let mut enrolled = false;
    for moment in moments(field, enroll, at)? {
        let took = back(field, &moment)?;
        enrolled = field
            .machine
            .ssh(&field.as_door("list", ""))?
            .contains("other");
        ensure!(
            enrolled || !moment.acknowledged,
            "somebody was acknowledged and is gone"
        );
        let found = ["the person is not there", "the person is there"][usize::from(enrolled)];
        let Outcomes {
            enrolled: there,
            not_enrolled: gone,
            ..
        } = outcomes;
        *(if enrolled { there } else { gone }) += 1;
        tell(&moment, "an enrollment", found, took);
    }
    if enrolled {
        forget(field, "other")?;
    }
    Ok(())
}

fn tell(moment: &Moment, what: &str, found: &str, took: f64) {
    let done = match moment.acknowledged {
        true => ", which was done",
        false => "",
    };
    println!(
        "  cut {:.1} s into {what}{done}: {found}, settled and serving {took:.0} s later",
        moment.at.as_secs_f64()
    );
}

/// The power comes back; the seconds until the door serves and everything is settled.
fn back(field: &mut Field, moment: &Moment) -> Result<f64> {
    let back = |field: &mut Field| {
        field.machine.change_disk(&moment.disk)?;
        let start = Instant::now();
        field.machine.power_on()?;
        field.machine.wait_until_ready()?;
        field.serves()?;
        people_are_there(field)?;
        Ok::<_, anyhow::Error>(start.elapsed().as_secs_f64())
    };
    back(field).with_context(|| format!("cut {:.1} s after the start", moment.at.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spread_over_all_of_it_and_come_in_their_order() {
        let takes = Duration::from_secs(100);
        for cuts in [0, 1, 10, 11, 34] {
            let rounds = rounds(cuts, takes);
            assert!(rounds.iter().all(|round| round.is_sorted()));
            assert!(rounds.iter().all(|round| round.len() <= MOST_AT_ONCE));
            let mut all: Vec<_> = rounds.into_iter().flatten().collect();
            assert_eq!(all.len(), cuts as usize);
            all.sort();
            all.push(takes);
            let widest = all.windows(2).map(|pair| pair[1] - pair[0]).max();
            let even = takes / cuts.max(1);
            assert!(
                widest.is_none_or(|gap| gap <= 2 * even),
                "{cuts}: {widest:?}"
            );
        }
    }
}
