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
const MOST_AT_ONCE: u32 = 10;

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

/// Cuts the power at `cuts` moments, a third of them in enrollments.
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
    rounds(cuts / 3, enrollment_takes, |at| {
        enrollment(field, at, &mut outcomes)
    })?;
    rounds(cuts - cuts / 3, deployment_takes, |at| {
        let other = 1 - in_force;
        let (found, moved) = deployment(field, &versions[other], at, &mut outcomes)?;
        if moved {
            in_force = other;
        }
        Ok(found)
    })?;
    println!("{cuts} cuts: {outcomes:?}");
    ensure!(
        cuts < ENOUGH || !outcomes.counts().contains(&0),
        "the moments were all before, or all after, what they should be in"
    );
    Ok(())
}

/// Rounds of moments, in their order and spread evenly over each and over all of them, until so many
/// were cut: `round` says how many of its own were.
fn rounds(
    cuts: u32,
    takes: Duration,
    mut round: impl FnMut(&[Duration]) -> Result<u32>,
) -> Result<()> {
    // The golden ratio's multiples: any number of moments in a row is spread evenly.
    let mut next = (0_u32..).map(|n| takes.mul_f64((f64::from(n) * 0.618_033_988_75).fract()));
    let mut left = cuts;
    while left > 0 {
        let count = left.min(MOST_AT_ONCE);
        let mut at: Vec<_> = next.by_ref().take(count as usize).collect();
        at.sort();
        left -= round(&at)?;
    }
    Ok(())
}

/// Copies the disk at those moments of a command, and once right after its end if some are later.
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

/// How many moments there were, and whether the new one is in force after the last.
fn deployment(
    field: &mut Field,
    version: &Path,
    at: &[Duration],
    outcomes: &mut Outcomes,
) -> Result<(u32, bool)> {
    let before = field.status()?["current"].clone();
    let deployment = field.start(version)?;
    let (mut found, mut moved) = (0, false);
    for moment in moments(field, deployment, at)? {
        let took = back(field, &moment)?;
        let status = field.status()?;
        moved = status["current"] != before;
        ensure!(
            moved || !moment.acknowledged,
            "the new one was acknowledged and is not in force: {status}"
        );
        let (count, what) = match moved {
            true => (&mut outcomes.new, "the new one is in force"),
            false => (&mut outcomes.old, "the old one is in force"),
        };
        *count += 1;
        found += 1;
        tell(&moment, "a deployment", what, took);
    }
    Ok((found, moved))
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

/// How many moments there were.
fn enrollment(field: &mut Field, at: &[Duration], outcomes: &mut Outcomes) -> Result<u32> {
    let enroll = enroll(field, "other").spawn()?;
    let (mut found, mut enrolled) = (0, false);
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
        let (count, what) = match enrolled {
            true => (&mut outcomes.enrolled, "the person is there"),
            false => (&mut outcomes.not_enrolled, "the person is not there"),
        };
        *count += 1;
        found += 1;
        tell(&moment, "an enrollment", what, took);
    }
    if enrolled {
        forget(field, "other")?;
    }
    Ok(found)
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
    fn moments_are_spread_over_all_of_it_and_cut_until_there_are_enough() {
        let takes = Duration::from_secs(100);
        for (cuts, lost) in [(0, 0), (1, 0), (10, 0), (11, 1), (34, 0), (34, 2)] {
            let (mut all, mut done) = (vec![takes], 0);
            rounds(cuts, takes, |at| {
                assert!(at.is_sorted() && (1..=MOST_AT_ONCE as usize).contains(&at.len()));
                let cut = (at.len() as u32).saturating_sub(lost).max(1);
                all.extend(&at[..cut as usize]);
                done += cut;
                Ok(cut)
            })
            .unwrap();
            assert_eq!(done, cuts);
            all.sort();
            let widest = all.windows(2).map(|pair| pair[1] - pair[0]).max();
            let even = takes / cuts.max(1);
            let bound = 2 * even;
            assert!(
                lost > 0 || widest.is_none_or(|gap| gap <= bound),
                "{cuts}: {widest:?}"
            );
        }
        rounds(3, takes, |_| anyhow::bail!("not healthy")).unwrap_err();
    }
}
