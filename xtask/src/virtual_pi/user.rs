//! One program of a Pi run on this machine, by qemu-user: the arithmetic is that of the Pi's
//! processor, the time it takes is not.

use super::tools;
use crate::cross::Program;
use crate::{trial, workspace};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// The emulator of a processor alone.
pub(super) const QEMU: &str = "qemu-aarch64-static";
/// The cross compiler's libraries for the Pi.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// What rounding may differ in, between processors.
const LOWEST_COSINE: f64 = 0.9999;

#[derive(Deserialize)]
struct Selftest {
    lowest_cosine: f64,
}

/// Embeds the self-test faces of the project's bundle as a Pi does, and compares with what was
/// recorded on an x86-64. Returns the lowest cosine.
///
/// # Errors
/// If the program fails, or the cosine is below 0.9999.
pub(crate) fn selftest(program: &Program) -> Result<f64> {
    tools::demand_user()?;
    ensure!(
        Path::new(LIBRARIES).is_dir(),
        "{LIBRARIES} is missing: `apt-get install libc6-dev-arm64-cross`"
    );
    let mut door = Command::new(QEMU);
    door.args(["-L", LIBRARIES]).arg(&program.path);
    door.args(["--json", "selftest", "--bundle"]);
    let answer = workspace::output(door.arg(workspace::root().join(trial::BUNDLE)))?;
    judge(&answer)
}

fn judge(answer: &str) -> Result<f64> {
    let told: Selftest = serde_json::from_str(answer.trim())
        .with_context(|| format!("the self-test says {answer:?}"))?;
    ensure!(
        told.lowest_cosine >= LOWEST_COSINE,
        "on this processor a face's cosine with its recorded embedding is {}, expected at least {LOWEST_COSINE}",
        told.lowest_cosine
    );
    Ok(told.lowest_cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_arithmetic_is_noticed() {
        assert!(judge("{\"faces\": 4, \"lowest_cosine\": 0.99995}\n").is_ok());
        for (answer, complaint) in [
            ("{\"lowest_cosine\": 0.9998}", "0.9998, expected"),
            ("{\"lowest_cosine\": null}", "the self-test says"),
            ("", "the self-test says"),
        ] {
            let error = format!("{:#}", judge(answer).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }
}
