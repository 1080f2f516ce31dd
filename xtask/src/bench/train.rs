//! `cargo xtask bench --train`: how fast networks train and in how much memory, a plain PyTorch
//! script of the same network beside ours.

use crate::setup;
use crate::workspace::{self, answers, host_trainer};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Recipes and the script, which reads what they say from our JSON.
const FOLDER: &str = "host-trainer/benches/peer";
const RECIPES: [&str; 2] = ["mobilefacenet", "sphereface20"];
/// Times that each side is measured, in turn: other work on the machine slows both.
const ROUNDS: usize = 3;
/// Names a Python interpreter that has torch.
const PYTHON: &str = "FACELATCH_TORCH_PYTHON";

/// What each side prints.
#[derive(Debug, Clone, Deserialize)]
struct Measured {
    peer: Option<String>,
    images_per_s: f64,
    device: String,
    threads: u32,
    /// Learned numbers of the backbone.
    parameters: u64,
    share_of_matmul_peak: Option<f64>,
    peak_memory_mb: Option<f64>,
    losses: Vec<f64>,
}

/// Medians over the rounds.
#[derive(Debug, PartialEq, Serialize)]
struct Side {
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    images_per_s: f64,
    /// Main process, 10^6 bytes; without what a GPU holds.
    peak_memory_mb: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Row {
    name: &'static str,
    device: String,
    threads: u32,
    ours: Side,
    /// Of our speed.
    share_of_matmul_peak: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Side>,
    /// Our speed by the peer's: above 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

pub(super) fn run(json: bool) -> Result<()> {
    setup::ensure()?;
    let programs = workspace::build()?;
    let python = python();
    if python.is_none() {
        eprintln!(
            "no peer: python3 has no torch and numpy; `python3 -m venv DIR && DIR/bin/pip install torch numpy`, \
             then set {PYTHON} to DIR/bin/python"
        );
    }
    let mut rows = Vec::new();
    for name in RECIPES {
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            eprintln!("{name}: round {round} of {ROUNDS}");
            let text = measure(&programs, name)?;
            ours.push(parsed(&text)?);
            if let Some(python) = &python {
                peers.push(parsed(&measure_peer(python, &text)?)?);
            }
        }
        rows.push(row(name, &ours, &peers)?);
    }
    match json {
        true => println!("{}", serde_json::to_string_pretty(&rows)?),
        false => rows.iter().for_each(print),
    }
    Ok(())
}

/// The one that the user names, or `python3`, if it has torch.
fn python() -> Option<OsString> {
    let python = std::env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    answers(&python, &["-c", "import numpy, torch"]).then_some(python)
}

fn measure(programs: &Path, name: &str) -> Result<String> {
    let recipe = workspace::root().join(FOLDER).join(format!("{name}.toml"));
    let mut command = host_trainer(programs);
    command.arg("measure-training").arg("--config").arg(recipe);
    workspace::output(&mut command)
}

fn measure_peer(python: &OsString, ours: &str) -> Result<String> {
    let mut command = Command::new(python);
    command.arg(workspace::root().join(FOLDER).join("train.py"));
    // As ours: threads that spin slow either side on a shared machine.
    command.arg(ours).env("OMP_WAIT_POLICY", "PASSIVE");
    workspace::output(&mut command)
}

fn parsed(text: &str) -> Result<Measured> {
    serde_json::from_str(text).with_context(|| format!("a measurement: {text}"))
}

/// # Errors
/// If the two did not train the same.
fn row(name: &'static str, ours: &[Measured], peers: &[Measured]) -> Result<Row> {
    let first = ours.first().context("no round was measured")?;
    for peer in peers {
        comparable(first, peer).with_context(|| format!("{name}: the peer is no comparison"))?;
    }
    let (own, peer) = (side(ours), (!peers.is_empty()).then(|| side(peers)));
    Ok(Row {
        name,
        device: first.device.clone(),
        threads: first.threads,
        share_of_matmul_peak: median(ours, |m| m.share_of_matmul_peak),
        ratio: peer.as_ref().map(|p| own.images_per_s / p.images_per_s),
        ours: own,
        peer,
    })
}

/// # Errors
/// What differs between the two that must not.
fn comparable(ours: &Measured, peer: &Measured) -> Result<()> {
    let setting = |m: &Measured| {
        // `Cuda(0)` for us, `cuda` for PyTorch.
        let device: String = m.device.chars().take_while(|c| c.is_alphabetic()).collect();
        format!(
            "{} parameters on {} with {} threads",
            m.parameters,
            device.to_lowercase(),
            m.threads
        )
    };
    let (own, other) = (setting(ours), setting(peer));
    ensure!(own == other, "we train {own}, it {other}");
    // Untrained networks differ by their weights alone.
    let (own, other) = (first_loss(ours)?, first_loss(peer)?);
    ensure!(
        (own - other).abs() < 0.1 * own,
        "our first loss is {own}, its {other}"
    );
    Ok(())
}

fn first_loss(measured: &Measured) -> Result<f64> {
    measured.losses.first().copied().context("no step was made")
}

fn side(rounds: &[Measured]) -> Side {
    Side {
        by: rounds.iter().find_map(|m| m.peer.clone()),
        images_per_s: median(rounds, |m| Some(m.images_per_s)).unwrap_or(f64::NAN),
        peak_memory_mb: median(rounds, |m| m.peak_memory_mb),
    }
}

fn median(rounds: &[Measured], of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
    super::median(rounds.iter().filter_map(of))
}

fn print(row: &Row) {
    let side = |side: &Side| {
        let memory = side
            .peak_memory_mb
            .map_or(String::new(), |mb| format!(", peak memory {mb:.0} MB"));
        format!("{:.1} images/s{memory}", side.images_per_s)
    };
    let peak = row.share_of_matmul_peak.map_or(String::new(), |share| {
        format!(", {:.0} % of the matrix product's peak", 100.0 * share)
    });
    println!(
        "training {} on {} with {} threads: {}{peak}",
        row.name,
        row.device,
        row.threads,
        side(&row.ours)
    );
    if let (Some(peer), Some(ratio)) = (&row.peer, row.ratio) {
        let by = peer.by.as_deref().unwrap_or("peer");
        println!("  {by}: {}; ratio {ratio:.2}", side(peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(images_per_s: f64, more: &str) -> Measured {
        parsed(&format!(
            "{{\"images_per_s\": {images_per_s}, \"threads\": 2, \"losses\": [16.0, 9.0], \
             \"peak_memory_mb\": 500.0, {more}}}"
        ))
        .unwrap()
    }

    #[test]
    fn medians_stand_side_by_side() {
        let own = "\"device\": \"Cpu\", \"parameters\": 9, \"share_of_matmul_peak\": 0.25";
        let ours = [30.0, 10.0, 20.0].map(|speed| measured(speed, own));
        let other = "\"device\": \"cpu\", \"parameters\": 9, \"peer\": \"PyTorch 2\"";
        let peers = [16.0, 10.0, 99.0].map(|speed| measured(speed, other));
        let row = row("small", &ours, &peers).unwrap();
        assert_eq!(row.ours.images_per_s, 20.0);
        assert_eq!(
            (row.ratio, row.share_of_matmul_peak),
            (Some(1.25), Some(0.25))
        );
        assert_eq!(row.peer.unwrap().by.as_deref(), Some("PyTorch 2"));
        let alone = super::row("small", &ours, &[]).unwrap();
        assert_eq!((alone.peer, alone.ratio), (None, None));
    }

    #[test]
    fn a_peer_that_trains_something_else_is_refused() {
        let own = "\"device\": \"Cuda(0)\", \"parameters\": 9";
        let ours = [measured(1.0, own)];
        let check = |more: &str, needle: &str| {
            let told = row("small", &ours, &[measured(1.0, more)]);
            let told = told.map_or_else(|error| format!("{error:#}"), |_| "good".into());
            assert!(told.contains(needle), "{told}");
        };
        check("\"device\": \"cuda\", \"parameters\": 9", "good");
        check(
            "\"device\": \"cpu\", \"parameters\": 9",
            "9 parameters on cpu",
        );
        check("\"device\": \"cuda\", \"parameters\": 8", "8 parameters");
        let mut far = measured(1.0, own);
        far.losses[0] = 12.0;
        let told = format!("{:#}", row("small", &ours, &[far]).unwrap_err());
        assert!(told.contains("first loss is 16, its 12"), "{told}");
    }
}
