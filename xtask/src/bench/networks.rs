//! The networks of bundles: where their time goes, and how others run the same files.

use super::{Peer, median, onnx_files, peer};
use crate::workspace;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Times that each runtime is measured, in turn: other work on the machine slows all.
const ROUNDS: usize = 5;
/// Runs of a network in a round.
const RUNS: &str = "60";
/// Seconds of the peer in a round.
const SECONDS: &str = "0.6";

/// What `edge-runtime profile --json` prints of a network.
#[derive(Debug, Clone, Deserialize)]
struct Profiled {
    network: String,
    ms: f64,
    multiply_adds: u64,
    peak_multiply_adds_per_s: f64,
}

#[derive(Deserialize)]
struct Layer {
    name: String,
    operator: String,
    ms: f64,
}

/// A network in all runtimes; medians over the rounds, milliseconds.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    name: String,
    multiply_adds: u64,
    /// Ours by what the core can do.
    share_of_peak: f64,
    ours_ms: f64,
    tract_ms: f64,
    peer: Option<String>,
    peer_ms: Option<f64>,
    peer_int8_ms: Option<f64>,
    /// Our time by the peer's: below 1 we are faster.
    ratio: Option<f64>,
}

pub(super) fn run(json: bool, peers: bool, bundles: &[PathBuf]) -> Result<()> {
    let runtime = workspace::build()?.join("edge-runtime");
    let (mut rows, mut layers) = (Vec::new(), Vec::new());
    for bundle in bundles {
        let folder = tempfile::tempdir()?;
        let at = Place {
            runtime: &runtime,
            bundle,
            models: folder.path(),
        };
        match (peers, json) {
            (true, _) => rows.extend(at.compare()?),
            (false, true) => layers.extend(at.layers()?),
            (false, false) => at.show_layers()?,
        }
    }
    match (peers, json) {
        (true, true) => println!("{}", serde_json::to_string_pretty(&rows)?),
        (true, false) => rows.iter().for_each(print),
        (false, true) => println!("{}", serde_json::to_string_pretty(&layers)?),
        (false, false) => {}
    }
    Ok(())
}

/// What a peer is asked for its layers.
const LAYERS: [&str; 3] = ["--layers", "--seconds", SECONDS];

struct Place<'a> {
    runtime: &'a Path,
    bundle: &'a Path,
    /// Where the networks are written for the peer.
    models: &'a Path,
}

impl Place<'_> {
    fn profile(&self, options: &[&str]) -> Command {
        let mut command = Command::new(self.runtime);
        command.arg("profile").args(options);
        command.arg("--bundle").arg(self.bundle);
        command
    }

    fn measure(&self, options: &[&str]) -> Result<Vec<Profiled>> {
        let mut command = self.profile(options);
        command.args(["--json", "--runs", RUNS]);
        let text = workspace::output(command.arg("--models").arg(self.models))?;
        let lines = text.lines().map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .context("what `profile --json` prints")
    }

    /// `None` where there is no peer, or none that takes these networks.
    fn peer(&self, options: &[&str]) -> Option<Peer> {
        let asked = onnx_files(self.models).and_then(|files| peer(options, &files));
        asked
            .inspect_err(|error| eprintln!("no peer: {error:#}"))
            .ok()
    }

    fn layers(&self) -> Result<Vec<Value>> {
        let text = workspace::output(self.profile(&["--json"]).arg("--models").arg(self.models))?;
        let ours = text.lines().map(serde_json::from_str);
        let mut all: Vec<Value> = ours.collect::<Result<_, _>>()?;
        if let Some(Peer {
            peer,
            layers,
            median_ms,
        }) = self.peer(&LAYERS)
        {
            all.extend(layers.into_iter().map(|(network, layers)| {
                json!({"network": network, "peer": peer, "ms": median_ms.get(&network), "layers": layers})
            }));
        }
        Ok(all)
    }

    fn show_layers(&self) -> Result<()> {
        workspace::run(self.profile(&[]).arg("--models").arg(self.models))?;
        let Some(peer) = self.peer(&LAYERS) else {
            return Ok(());
        };
        for (network, layers) in peer.layers {
            println!("{}:\n{:>9}  layer", peer.peer, "ms");
            for Layer { name, operator, ms } in serde_json::from_value::<Vec<Layer>>(layers)? {
                println!("{ms:>9.4}  {operator} {name}");
            }
            if let Some(ms) = peer.median_ms.get(&network) {
                println!("{ms:>9.4}  {network}");
            }
        }
        Ok(())
    }

    fn compare(&self) -> Result<Vec<Row>> {
        let (mut ours, mut tract, mut peers) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            eprintln!("{}: round {round} of {ROUNDS}", self.bundle.display());
            ours.push(self.measure(&[])?);
            tract.push(self.measure(&["--tract"])?);
            peers.extend(self.peer(&["--int8", "--seconds", SECONDS]));
        }
        let stem = self.bundle.file_stem().unwrap_or_default();
        Ok(rows(&stem.to_string_lossy(), &ours, &tract, &peers))
    }
}

/// A row for each network of a bundle, of medians over the rounds.
fn rows(bundle: &str, ours: &[Vec<Profiled>], tract: &[Vec<Profiled>], peers: &[Peer]) -> Vec<Row> {
    let networks = ours.first().map(Vec::as_slice).unwrap_or_default();
    let row = |(i, network): (usize, &Profiled)| {
        let middle = |values: &mut dyn Iterator<Item = f64>| median(values).unwrap_or(f64::NAN);
        let of = |rounds: &[Vec<Profiled>]| middle(&mut rounds.iter().map(|r| r[i].ms));
        let theirs = |suffix: &str| {
            let name = format!("{}{suffix}", network.network);
            let times = peers
                .iter()
                .filter_map(move |p| p.median_ms.get(&name).copied());
            median(times)
        };
        let peak = middle(&mut ours.iter().map(|r| r[i].peak_multiply_adds_per_s));
        let (ours_ms, peer_ms) = (of(ours), theirs(""));
        Row {
            name: format!("{bundle}/{}", network.network),
            multiply_adds: network.multiply_adds,
            share_of_peak: network.multiply_adds as f64 / (1e-3 * ours_ms * peak),
            ours_ms,
            tract_ms: of(tract),
            peer: peers.first().map(|p| p.peer.clone()),
            peer_ms,
            peer_int8_ms: theirs("/int8"),
            ratio: peer_ms.map(|peer| ours_ms / peer),
        }
    };
    networks.iter().enumerate().map(row).collect()
}

fn print(row: &Row) {
    let ms = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.2}"));
    println!(
        "{:30} {:7.1} million  ours {:6.2} ms ({:.0} % of peak)  tract {:6.2}  {} {}, 8-bit {}  ratio {}",
        row.name,
        row.multiply_adds as f64 / 1e6,
        row.ours_ms,
        100.0 * row.share_of_peak,
        row.tract_ms,
        row.peer.as_deref().unwrap_or("no peer"),
        ms(row.peer_ms),
        ms(row.peer_int8_ms),
        ms(row.ratio),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_medians_of_the_rounds() {
        let round = |ms: f64| -> Vec<Profiled> {
            let json = format!(
                "[{{\"network\": \"embedder\", \"ms\": {ms}, \"multiply_adds\": 100000000, \
                 \"peak_multiply_adds_per_s\": 5e10, \"layers\": []}}]"
            );
            serde_json::from_str(&json).unwrap()
        };
        let peer = |ms: f64| -> Peer {
            let json = format!(
                "{{\"peer\": \"ONNX Runtime 1\", \"median_ms\": {{\"embedder\": {ms}, \"embedder/int8\": 1.5}}}}"
            );
            serde_json::from_str(&json).unwrap()
        };
        let (ours, tract) = ([9.0, 4.0, 2.0].map(round), [8.0, 30.0, 8.0].map(round));
        let peers = [5.0, 99.0, 1.0].map(peer);
        let found = rows("door", &ours, &tract, &peers);
        let expected = Row {
            name: "door/embedder".into(),
            multiply_adds: 100_000_000,
            share_of_peak: 0.5,
            ours_ms: 4.0,
            tract_ms: 8.0,
            peer: Some("ONNX Runtime 1".into()),
            peer_ms: Some(5.0),
            peer_int8_ms: Some(1.5),
            ratio: Some(0.8),
        };
        assert_eq!(found, [expected]);
        let alone = rows("door", &ours, &tract, &[]);
        assert_eq!((alone[0].peer_ms, alone[0].ratio), (None, None));
    }
}
