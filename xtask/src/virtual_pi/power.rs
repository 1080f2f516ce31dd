//! The power is cut at many moments of deployments and enrollments; after each the door comes back
//! by itself, with the old or the new, and with everybody who was enrolled.
//!
//! What is on the disk is copied at each moment, while the board stands still, and a board is
//! switched on with each copy afterwards: so one deployment has many moments.

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

/// So many moments have every outcome.
const ENOUGH: u32 = 20;

/// So many copies of the disk lie here at a time, a few hundred megabytes each.
const MOST_AT_ONCE: u32 = 10;

/// A kind of command that is cut off, and what was found after that.
struct Kind {
    name: &'static str,
    /// What is found where it was not carried out, and where it was.
    found: [&'static str; 2],
    /// How often.
    counts: [u32; 2],
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
    let mut enrollments = Kind {
        name: "an enrollment",
        found: ["the person is not there", "the person is there"],
        counts: [0; 2],
    };
    let mut deployments = Kind {
        name: "a deployment",
        found: ["the old one is in force", "the new one is in force"],
        counts: [0; 2],
    };
    // Enrollments first: they are over soon.
    rounds(cuts / 3, enrollment_takes, |at| {
        let enroll = enroll(field, "other").spawn()?;
        let is_there = |field: &Field| {
            let people = field.machine.ssh(&field.as_door("list", ""))?;
            Ok(people.contains("other"))
        };
        let (cut, enrolled) = enrollments.cut(field, enroll, at, is_there)?;
        if enrolled {
            forget(field, "other")?;
        }
        Ok(cut)
    })?;
    rounds(cuts - cuts / 3, deployment_takes, |at| {
        let before = field.status()?["current"].clone();
        let deployment = field.start(&versions[1 - in_force])?;
        let has_moved = |field: &Field| Ok(field.status()?["current"] != before);
        let (cut, moved) = deployments.cut(field, deployment, at, has_moved)?;
        if moved {
            in_force = 1 - in_force;
        }
        Ok(cut)
    })?;
    let kinds = [enrollments, deployments];
    for Kind { found, counts, .. } in &kinds {
        println!("{}: {}; {}: {}", found[0], counts[0], found[1], counts[1]);
    }
    ensure!(
        cuts < ENOUGH || kinds.iter().all(|kind| !kind.counts.contains(&0)),
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

impl Kind {
    /// Starts a board with what each moment of a command left. How many moments there were, and
    /// whether after the last of them the command was carried out, as `is_done` tells.
    fn cut(
        &mut self,
        field: &mut Field,
        command: Child,
        at: &[Duration],
        is_done: impl Fn(&Field) -> Result<bool>,
    ) -> Result<(u32, bool)> {
        let (mut cut, mut done) = (0, false);
        for moment in moments(field, command, at)? {
            let took = back(field, &moment)?;
            done = is_done(field)?;
            let found = self.found[usize::from(done)];
            let said = match moment.acknowledged {
                true => ", which was acknowledged",
                false => "",
            };
            println!(
                "  cut {:.1} s into {}{said}: {found}, settled and serving {took:.0} s later",
                moment.at.as_secs_f64(),
                self.name
            );
            ensure!(done || !moment.acknowledged, "it was acknowledged");
            self.counts[usize::from(done)] += 1;
            cut += 1;
        }
        Ok((cut, done))
    }
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
