//! `cargo xtask demo`: the whole job on this machine, from nothing to a door that opens.
//!
//! The way through: set up, train on drawn people, draw people it never saw, deploy to a simulated
//! door, enroll some, let each visit the door, write the report.

mod people;
mod summary;
mod visit;

use crate::deploy::{Delivery, Door, Workshop};
use crate::workspace::{self, host_trainer};
use crate::{disk, setup};
use anyhow::{Context, Result, ensure};
use people::People;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use visit::Visit;

/// Train, deploy, enroll and open a simulated door, with drawn people
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where everything is written; an earlier demo there is replaced
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    /// Also hold the accuracy and the written files against what a working tree gives
    #[arg(long)]
    check: bool,
}

const OUT: &str = "target/demo";
const RECIPE: &str = "host-trainer/configs/demo.toml";

impl Args {
    /// `cargo xtask demo --check`, in the workspace's folder.
    pub(crate) fn checked() -> Self {
        Self {
            out: workspace::root().join(OUT),
            check: true,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let out = std::path::absolute(&args.out)?;
    claim_folder(&out)?;
    setup::ensure()?;
    let programs = workspace::build()?;

    let run = out.join("run");
    heading("training on drawn people");
    let recipe = workspace::root().join(RECIPE);
    let mut train = host_trainer(&programs);
    step(
        train
            .arg("train")
            .arg("--config")
            .arg(recipe)
            .arg("--out")
            .arg(&run),
    )?;

    heading("drawing people that the network never saw");
    let people = People::draw(&programs, &out.join("people"))?;

    heading("deploying to the simulated door");
    let door = Door::at(&out.join("door"));
    let workshop = Workshop::with(programs.join("edge-runtime"), out.join("release.key"))?;
    let delivery = Delivery {
        bundle: run.join("model.bundle"),
        config: None,
        people: people.enrolled().len() as u32,
        allow_older: false,
        dry_run: false,
    };
    door.deploy(&delivery, &workshop)?;
    for person in people.enrolled() {
        let mut enroll = Command::new(door.runtime());
        enroll.args(["enroll", "--config"]).arg(door.config());
        step(
            enroll
                .args(["--subject", &person.id])
                .args(person.enrollment()),
        )?;
    }

    heading("visiting the door");
    let mut visits = Vec::new();
    for visit in Visit::all(&people)? {
        visits.push(visit.play(&door, &people, &out)?);
    }

    heading("writing the report");
    let report = out.join("report.html");
    write_report(&programs, &run, &visits, &out, &report)?;
    summary::print(&run, &visits, &report, start.elapsed())?;
    visits.iter().try_for_each(visit::Played::judge)?;
    if args.check {
        summary::check(&run, &report)
    } else {
        Ok(())
    }
}

fn write_report(
    programs: &Path,
    run: &Path,
    visits: &[visit::Played],
    out: &Path,
    report: &Path,
) -> Result<()> {
    let mut command = host_trainer(programs);
    command.arg("report").arg("--run").arg(run);
    for visit in visits {
        command.arg("--events").arg(&visit.events_file);
    }
    command.arg("--frames").arg(visit::frames_root(out));
    step(command.arg("--out").arg(report))
}

/// Runs a step of the demo; what it says goes to standard error, the summary stands alone.
fn step(command: &mut Command) -> Result<()> {
    workspace::run(command.stdin(Stdio::null()).stdout(io::stderr()))
}

fn heading(text: &str) {
    eprintln!("\n== demo: {text}");
}

/// Marks a folder as a demo's own, so that the next demo may empty it.
const MARK: &str = ".facelatch-demo";

/// Makes the folder, empty; refuses to empty one that no demo made.
fn claim_folder(out: &Path) -> Result<()> {
    let mark = out.join(MARK);
    let empty =
        |folder: &Path| fs::read_dir(folder).map_or(true, |mut found| found.next().is_none());
    ensure!(
        mark.exists() || empty(out),
        "{}: not empty and not of an earlier demo; name another folder with --out",
        out.display()
    );
    disk::remove_folder(out)?;
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    fs::write(&mark, "").with_context(|| mark.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_demos_own_folder_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/demo");
        claim_folder(&out).unwrap();
        fs::write(out.join("report.html"), "old").unwrap();
        claim_folder(&out).unwrap();
        assert!(!out.join("report.html").exists());

        let foreign = folder.path().join("photos");
        fs::create_dir(&foreign).unwrap();
        claim_folder(&foreign).unwrap();
        fs::remove_file(foreign.join(MARK)).unwrap();
        fs::write(foreign.join("holiday.jpg"), "").unwrap();
        let error = claim_folder(&foreign).unwrap_err().to_string();
        assert!(error.contains("not of an earlier demo"), "{error}");
        assert!(foreign.join("holiday.jpg").exists());
    }
}
