//! `cargo xtask test`: everything that CI runs.

use crate::workspace::{self, cargo};
use crate::{demo, python, setup, trial, virtual_pi};
use anyhow::Result;
use std::process::Command;
use std::time::Instant;

type Step = fn() -> Result<Outcome>;

enum Outcome {
    Passed,
    /// Why.
    Skipped(&'static str),
}

/// In the order of what fails soonest. Every build takes the whole workspace, so that shared
/// dependencies keep one set of features and are compiled once.
const STEPS: [(&str, Step); 11] = [
    ("setup", || passed(setup::run(&setup::Args::with_python()))),
    ("format", || {
        run_step(&mut cargo(["fmt", "--all", "--check"]))
    }),
    ("lints", || {
        run_step(&mut cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("documentation", || {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        run_step(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("tests", tests),
    ("the page to try a door, in a browser", page),
    ("training over MPI, V4L2 cameras built", training_over_mpi),
    ("default members do without libtorch", || {
        run_step(cargo(["check"]).env("LIBTORCH", "/nonexistent"))
    }),
    ("licenses and sources", licenses),
    ("a deployment to an emulated Pi", emulated_pi),
    ("demo", || passed(demo::run(&demo::Args::checked()))),
];

/// Runs the steps and stops at the first that fails.
///
/// # Errors
/// The name of the step that failed, and why.
pub(crate) fn run() -> Result<()> {
    play(&STEPS)
}

fn play(steps: &[(&str, Step)]) -> Result<()> {
    let (mut passed, mut skipped) = (0, 0);
    for (name, step) in steps {
        println!("\n==== {name}");
        let start = Instant::now();
        let outcome = step();
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("---- {name}: passed in {seconds:.1} s");
            }
            Ok(Outcome::Skipped(why)) => {
                skipped += 1;
                println!("---- {name}: skipped, {why}");
            }
            Err(error) => {
                println!(
                    "---- {name}: failed after {seconds:.1} s\n{}",
                    tally(passed, 1, skipped)
                );
                return Err(error.context(format!("step \"{name}\"")));
            }
        }
    }
    println!("\n{}", tally(passed, 0, skipped));
    Ok(())
}

/// The closing line, in the form that test runners share.
fn tally(passed: usize, failed: usize, skipped: usize) -> String {
    match skipped {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
    }
}

fn run_step(command: &mut Command) -> Result<Outcome> {
    passed(workspace::run(command))
}

fn passed(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

fn tests() -> Result<Outcome> {
    let mut tests = cargo(["test", "--workspace"]);
    // The trainer's ONNX tests ask this Python for a second opinion.
    tests.env("FACELATCH_PYTHON", python::ensure()?);
    run_step(tests.env("OMP_WAIT_POLICY", "PASSIVE"))
}

/// With the features that need libclang: MPI's header and the kernel's are read by it. MPI's crates ask syn, once_cell and thiserror for more than all else does, so the first run
/// compiles most dependencies a second time.
fn training_over_mpi() -> Result<Outcome> {
    let has_mpi = ["mpirun", "mpicc"]
        .iter()
        .all(|program| workspace::answers(program, &["--version"]));
    if !has_mpi || !workspace::has_libclang() {
        return Ok(Outcome::Skipped(
            "MPI or libclang is missing: `apt-get install libopenmpi-dev openmpi-bin libclang-dev`",
        ));
    }
    let tests = ["test", "--workspace", "--test", "distributed"];
    let mut tests = cargo(tests);
    tests.args(["--features", "host-trainer/distributed,edge-runtime/v4l2"]);
    run_step(tests.env("OMP_WAIT_POLICY", "PASSIVE"))
}

/// A drawn person is shown to the bundle that comes with the project as photographs, and enrolls by
/// looking into the camera of a headless browser.
fn page() -> Result<Outcome> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = chromium
        .iter()
        .filter(|name| workspace::answers(name, &["--version"]));
    let Some(chromium) = found.next() else {
        return Ok(Outcome::Skipped(
            "Chromium is missing: `apt-get install chromium`",
        ));
    };
    let programs = workspace::build()?;
    let people = tempfile::tempdir()?;
    let mut draw = workspace::host_trainer(&programs);
    draw.args(["synthesize", "--first-person", "5001", "--people", "1"]);
    draw.args(["--pictures", "100", "--out"]).arg(people.path());
    workspace::run(&mut draw)?;
    let bundle = workspace::root().join(trial::BUNDLE);
    let mut detect = workspace::host_trainer(&programs);
    detect.args(["detect", "--bundle"]).arg(&bundle);
    detect.arg("--images").arg(people.path().join("images"));
    detect.arg("--out").arg(people.path().join("landmarks.csv"));
    workspace::run(&mut detect)?;
    let mut show = Command::new(programs.join("edge-runtime"));
    show.args(["try", "--no-page", "--pace", "0", "--bundle"]);
    show.arg(&bundle).arg("--images");
    workspace::run(show.arg(people.path().join("images")))?;
    let mut browse = Command::new(python::ensure()?);
    browse.arg(workspace::root().join("edge-runtime/tests/page.py"));
    browse.arg(programs.join("edge-runtime"));
    browse.arg(bundle);
    run_step(browse.arg(people.path()).arg(chromium))
}

/// Arithmetic of the door's program for a Pi, one deployment, one pin, one bad update.
fn emulated_pi() -> Result<Outcome> {
    if virtual_pi::lacks_tools() {
        return Ok(Outcome::Skipped(
            "QEMU or a tool around it is missing: `cargo xtask virtual-pi` names the packages",
        ));
    }
    passed(virtual_pi::run(&virtual_pi::Args::short(
        workspace::build()?
    )))
}

fn licenses() -> Result<Outcome> {
    if !workspace::answers("cargo-deny", &["--version"]) {
        return Ok(Outcome::Skipped(
            "cargo-deny is missing: `cargo install cargo-deny`",
        ));
    }
    run_step(&mut cargo(["deny", "check", "licenses", "bans", "sources"]))
}

#[cfg(test)]
mod unit {
    use super::*;
    use anyhow::bail;

    #[test]
    fn stops_at_the_first_failure_and_names_it() {
        let fails: Step = || bail!("broken");
        let never: Step = || panic!("a step after a failure");
        let error = play(&[
            ("one", || Ok(Outcome::Passed)),
            ("two", fails),
            ("three", never),
        ]);
        assert_eq!(format!("{:#}", error.unwrap_err()), "step \"two\": broken");
        play(&[
            ("one", || Ok(Outcome::Skipped("why"))),
            ("two", || Ok(Outcome::Passed)),
        ])
        .unwrap();
    }

    #[test]
    fn closing_line_has_the_shared_form() {
        assert_eq!(tally(8, 0, 0), "8 passed, 0 failed");
        assert_eq!(tally(3, 1, 2), "3 passed, 1 failed, 2 skipped");
    }
}
