//! `cargo xtask bench`: our benchmarks, and ONNX Runtime beside them on the same files.

mod door;
mod networks;
mod train;

use crate::workspace::{self, cargo};
use crate::{python, setup};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Measure data loading, augmentation, embedding, search and a door; other runtimes beside ours where they can be had
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
    /// Measure training instead, PyTorch beside ours where python3 or FACELATCH_TORCH_PYTHON has
    /// it; some five minutes on an idle machine
    #[arg(long)]
    train: bool,
    /// Measure a door alone
    #[arg(long, conflicts_with = "train")]
    door: bool,
    /// Show where the time of a bundle's networks goes, layer by layer, ONNX Runtime's beside ours
    #[arg(long, conflicts_with_all = ["train", "door"], requires = "bundle")]
    profile: bool,
    /// Time the networks of bundles in turn: ours, tract's own convolutions, ONNX Runtime, and
    /// ONNX Runtime's own 8-bit form
    #[arg(long, conflicts_with_all = ["train", "door", "profile"], requires = "bundle")]
    peers: bool,
    /// Bundles; a door without one has random weights
    #[arg(long, num_args = 1.., value_name = "FILE")]
    bundle: Vec<PathBuf>,
}

const BENCHMARKS: [&str; 5] = [
    "augmentation",
    "data",
    "embedding",
    "identification",
    "search",
];

/// One benchmark's result.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    /// Group and function.
    name: String,
    /// Median time of one call, or images a second by it; of a door, what its unit says.
    value: f64,
    unit: &'static str,
    /// Who else was measured on the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_value: Option<f64>,
    /// Our time by the peer's: below 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Row {
    fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
        }
    }
}

/// What the peer's script prints.
#[derive(Debug, Deserialize)]
struct Peer {
    peer: String,
    median_ms: BTreeMap<String, f64>,
    /// Where it was asked for them, by network.
    #[serde(default)]
    layers: BTreeMap<String, serde_json::Value>,
}

/// What Criterion keeps of a benchmark.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
struct Throughput {
    /// Images in a call.
    #[serde(rename = "Elements")]
    images: Option<f64>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Median,
}

#[derive(Deserialize)]
struct Median {
    point_estimate: f64,
}

const PEER: &str = "host-trainer/benches/onnx_runtime_peer.py";

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.train {
        return train::run(args.json);
    }
    setup::ensure()?;
    if args.profile || args.peers {
        return networks::run(args.json, args.peers, &args.bundle);
    }
    match args.bundle.as_slice() {
        [] => {}
        [bundle] if args.door => return show(args.json, &door::rows(bundle)?),
        _ => bail!("--bundle goes with --profile, --peers, or, a single one, with --door"),
    }
    let target = workspace::target()?;
    let (results, models) = (target.join("criterion"), target.join("bench-models"));
    let start = SystemTime::now();
    // The tests' profile and the whole workspace, so that nothing is compiled twice.
    let mut bench = cargo(["bench", "--workspace", "--profile", "dev"]);
    let others = BENCHMARKS.iter().filter(|_| !args.door);
    for name in others.chain([&"door"]) {
        bench.args(["--bench", name]);
    }
    bench
        .env("CRITERION_HOME", &results)
        .env("OMP_WAIT_POLICY", "PASSIVE");
    workspace::run(bench.stdout(io::stderr()))?;
    let mut rows = read_rows(&results, start)?;
    rows.extend(door::rows(&models.join("door.bundle"))?);
    if !args.door {
        let peer = || peer(&[], &onnx_files(&models)?);
        match peer() {
            Ok(peer) => compare(&mut rows, &peer),
            Err(error) => eprintln!("no peer: {error:#}"),
        }
    }
    show(args.json, &rows)
}

fn show(json: bool, rows: &[Row]) -> Result<()> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(rows)?),
        false => rows.iter().for_each(print),
    }
    Ok(())
}

/// Asks the peer of ONNX files.
fn peer(options: &[&str], models: &[PathBuf]) -> Result<Peer> {
    let mut script = Command::new(python::ensure()?);
    script.arg(workspace::root().join(PEER));
    let text = workspace::output(script.args(options).args(models))?;
    serde_json::from_str(&text).with_context(|| format!("the output of {PEER}"))
}

fn onnx_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_onnx = |path: &Path| path.extension().is_some_and(|e| e == "onnx");
    files_below(folder, &is_onnx)
}

/// The middle one, or the higher of two.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Criterion's medians of benchmarks that ran after `start`; it keeps those of earlier runs too.
fn read_rows(results: &Path, start: SystemTime) -> Result<Vec<Row>> {
    let fresh = |path: &Path| {
        let written = fs::metadata(path).and_then(|found| found.modified());
        path.ends_with("new/estimates.json") && written.is_ok_and(|written| written >= start)
    };
    let files = files_below(results, &fresh)?;
    let row = |path: &PathBuf| -> Result<Row> {
        let estimates: Estimates = read(path)?;
        let benchmark: Benchmark = read(&path.with_file_name("benchmark.json"))?;
        let nanoseconds = estimates.median.point_estimate;
        let (value, unit) = match benchmark.throughput.and_then(|call| call.images) {
            Some(images) => (images / nanoseconds * 1e9, "images/s"),
            None => (nanoseconds / 1e6, "ms"),
        };
        Ok(Row::new(benchmark.full_id, value, unit))
    };
    files.iter().map(row).collect()
}

/// Sets the peer's figure beside ours where it measured the model of that name.
fn compare(rows: &mut [Row], peer: &Peer) {
    for row in rows {
        let id = row.name.strip_prefix("embedding/").unwrap_or_default();
        let model = id.rsplit('/').next().unwrap_or_default();
        if let Some(&theirs) = peer.median_ms.get(model) {
            row.peer = Some(peer.peer.clone());
            row.peer_value = Some(theirs);
            row.ratio = Some(row.value / theirs);
        }
    }
}

fn print(row: &Row) {
    let ours = format!("{:40} {:10.4} {}", row.name, row.value, row.unit);
    match (&row.peer, row.peer_value, row.ratio) {
        (Some(peer), Some(theirs), Some(ratio)) => {
            println!("{ours}   {peer} {theirs:.4} {}, ratio {ratio:.2}", row.unit);
        }
        _ => println!("{ours}"),
    }
}

/// The files below a folder that are wanted, in order; a folder that is not there has none.
fn files_below(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path(), wanted)?);
        } else if wanted(&entry.path()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn measured(folder: &Path, id: &str, nanoseconds: f64, throughput: &str) {
        let new = folder.join(id).join("new");
        fs::create_dir_all(&new).unwrap();
        let estimates = format!(
            "{{\"mean\":{{\"point_estimate\":1.0}},\"median\":{{\"confidence_interval\":\
             {{\"confidence_level\":0.95}},\"point_estimate\":{nanoseconds}}}}}"
        );
        fs::write(new.join("estimates.json"), estimates).unwrap();
        let benchmark =
            format!("{{\"group_id\":\"g\",\"full_id\":\"{id}\",\"throughput\":{throughput}}}");
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
    }

    #[test]
    fn medians_of_this_run_are_read_in_milliseconds_or_images_a_second() {
        let folder = tempfile::tempdir().unwrap();
        measured(folder.path(), "search/1000", 12_500.0, "null");
        measured(folder.path(), "embedding/small", 6_200_000.0, "null");
        measured(folder.path(), "data/jpeg", 2e6, "{\"Elements\":64}");
        let before = SystemTime::now() - Duration::from_secs(60);
        let rows = read_rows(folder.path(), before).unwrap();
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.value, row.unit))
            .collect();
        let expected = [
            ("data/jpeg", 32_000.0, "images/s"),
            ("embedding/small", 6.2, "ms"),
            ("search/1000", 0.0125, "ms"),
        ];
        assert_eq!(found, expected);
        let after = SystemTime::now() + Duration::from_secs(60);
        assert!(read_rows(folder.path(), after).unwrap().is_empty());
        assert!(
            read_rows(&folder.path().join("absent"), before)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_peer_stands_beside_its_own_model_only() {
        let row = |name: &str| Row::new(name, 6.0, "ms");
        let mut rows = [row("embedding/small"), row("search/small")];
        let json = r#"{"peer": "ONNX Runtime 1", "median_ms": {"small": 4.0, "other": 1.0}}"#;
        compare(&mut rows, &serde_json::from_str(json).unwrap());
        assert_eq!((rows[0].peer_value, rows[0].ratio), (Some(4.0), Some(1.5)));
        let text = serde_json::to_string(&rows[1]).unwrap();
        assert_eq!(text, r#"{"name":"search/small","value":6.0,"unit":"ms"}"#);
    }
}
