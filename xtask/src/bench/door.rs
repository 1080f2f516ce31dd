//! A door on this machine: a frame stage by stage, and a door that is started.

use super::Row;
use crate::deploy::door_config;
use crate::workspace;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use toml_edit::value;

const PEOPLE: u32 = 1000;
const FRAMES: u32 = 500;
/// Starts of which the median is told.
const STARTS: usize = 5;

/// What `edge-runtime bench --json` prints; the other fields are its own.
#[derive(Debug, Deserialize)]
struct Bench {
    detect_ms: Option<f64>,
    align_ms: f64,
    quality_ms: f64,
    embed_ms: f64,
    search_ms: f64,
    decide_ms: f64,
    frame_p50_ms: f64,
    frame_p99_ms: f64,
    frames_per_s: f64,
    release_us: f64,
    release_max_us: f64,
}

#[derive(Deserialize)]
struct Event {
    event: String,
}

/// One door that was started.
struct Started {
    /// From the start of the program until it looks.
    armed: Duration,
    /// What it holds after its first frames.
    resident_mb: Option<f64>,
}

pub(super) fn rows(bundle: &Path) -> Result<Vec<Row>> {
    let runtime = workspace::build()?.join("edge-runtime");
    let bundle = &bundle
        .canonicalize()
        .with_context(|| bundle.display().to_string())?;
    let mut bench = Command::new(&runtime);
    bench.args(["bench", "--json", "--bundle"]).arg(bundle);
    bench.args(["--people", &PEOPLE.to_string()]);
    bench.args(["--frames", &FRAMES.to_string()]);
    let text = workspace::output(&mut bench)?;
    let measured: Bench =
        serde_json::from_str(&text).with_context(|| format!("a measurement: {text}"))?;
    let mut rows = stages(&measured);
    let folder = tempfile::tempdir()?;
    let detects = measured.detect_ms.is_some();
    let config = prepare(folder.path(), bundle, detects)?;
    // The first start makes the store and its key.
    start(&runtime, &config)?;
    let starts = (0..STARTS).map(|_| start(&runtime, &config));
    let mut starts = starts.collect::<Result<Vec<_>>>()?;
    starts.sort_by_key(|started| started.armed);
    let median = &starts[STARTS / 2];
    let armed_ms = 1e3 * median.armed.as_secs_f64();
    rows.push(Row::new("door/start-to-armed", armed_ms, "ms"));
    let memory = starts.iter().filter_map(|s| s.resident_mb);
    let memory = memory.max_by(f64::total_cmp);
    rows.extend(memory.map(|mb| Row::new("door/resident", mb, "MB")));
    Ok(rows)
}

fn stages(measured: &Bench) -> Vec<Row> {
    let ms = |name: &str, value| Row::new(format!("door/{name}"), value, "ms");
    let detect = measured.detect_ms.map(|value| ms("detect", value));
    let mut rows = Vec::from_iter(detect);
    rows.extend([
        ms("align", measured.align_ms),
        ms("quality", measured.quality_ms),
        ms("embed", measured.embed_ms),
        ms("search", measured.search_ms),
        ms("decide", measured.decide_ms),
        ms("frame-p50", measured.frame_p50_ms),
        ms("frame-p99", measured.frame_p99_ms),
        Row::new("door/frames", measured.frames_per_s, "frames/s"),
        ms("release", measured.release_us / 1e3),
        ms("release-max", measured.release_max_us / 1e3),
    ]);
    rows
}

/// A door with drawn pictures of somebody before its camera; its configuration. Unless it detects
/// faces it is told where they are.
fn prepare(folder: &Path, bundle: &Path, detects: bool) -> Result<std::path::PathBuf> {
    let mut draw = workspace::host_trainer(&workspace::programs()?);
    draw.args(["synthesize", "--people", "1", "--pictures", "4", "--out"]);
    workspace::run(draw.arg(folder).stdout(Stdio::null()))?;
    let path = |path: &Path| Some(value(path.to_str()?));
    let path = |p: &Path| path(p).context("a path that is not UTF-8");
    let mut config = door_config::simulated()?;
    config["bundle"] = path(bundle)?;
    config["store"]["folder"] = path(&folder.join("people"))?;
    let pictures = fs::read_dir(folder.join("images"))?.next();
    let pictures = pictures.context("a person was drawn")??.path();
    config["camera"]["path"] = path(&pictures)?;
    let landmarks = path(&folder.join("landmarks.csv"))?;
    let camera = config["camera"].as_table_mut();
    let camera = camera.context("door.example.toml has a camera")?;
    match detects {
        true => drop(camera.remove("landmarks")),
        false => drop(camera.insert("landmarks", landmarks)),
    }
    let file = folder.join("door.toml");
    fs::write(&file, config.to_string()).with_context(|| file.display().to_string())?;
    Ok(file)
}

fn start(runtime: &Path, config: &Path) -> Result<Started> {
    let mut run = Command::new(runtime);
    run.args(["run", "--json", "--config"]).arg(config);
    let begun = Instant::now();
    let mut door = run.stdout(Stdio::piped()).spawn()?;
    let watched = watch(&mut door, begun);
    let status = door.wait()?;
    ensure!(status.success(), "a door that was started: {status}");
    watched
}

/// Follows a door to its end.
fn watch(door: &mut Child, begun: Instant) -> Result<Started> {
    let out = door.stdout.take().context("the door's output is piped")?;
    let (mut armed, mut resident_mb) = (None, None);
    for line in BufReader::new(out).lines() {
        let line = line?;
        let event: Event =
            serde_json::from_str(&line).with_context(|| format!("an event: {line}"))?;
        match event.event.as_str() {
            "started" => armed = Some(begun.elapsed()),
            "frame" => resident_mb = resident(door.id()).or(resident_mb),
            _ => {}
        }
    }
    let armed = armed.context("the door ended before it looked")?;
    Ok(Started { armed, resident_mb })
}

/// Of a process, in units of 10^6 bytes (proc_pid_status(5)).
fn resident(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_a_row() {
        let json = r#"{"start_ms": 90.0, "detect_ms": null, "align_ms": 0.1, "quality_ms": 0.2, "embed_ms": 9.0,
            "search_ms": 0.3, "decide_ms": 0.001, "frame_p50_ms": 9.6, "frame_p99_ms": 12.0, "frames_per_s": 104.0,
            "release_us": 5.0, "release_max_us": 50.0, "people": 1000, "resident_mib": 80.0, "peak_mib": 90.0}"#;
        let measured: Bench = serde_json::from_str(json).unwrap();
        let rows = |measured: &Bench| -> Vec<(String, f64, &str)> {
            let rows = stages(measured).into_iter();
            rows.map(|row| (row.name, row.value, row.unit)).collect()
        };
        let ms = |name: &str, value| (format!("door/{name}"), value, "ms");
        let all = [
            ms("align", 0.1),
            ms("quality", 0.2),
            ms("embed", 9.0),
            ms("search", 0.3),
            ms("decide", 0.001),
            ms("frame-p50", 9.6),
            ms("frame-p99", 12.0),
            ("door/frames".into(), 104.0, "frames/s"),
            ms("release", 0.005),
            ms("release-max", 0.05),
        ];
        assert_eq!(rows(&measured), all);
        let detect_ms = Some(2.0);
        let with_detector = Bench {
            detect_ms,
            ..measured
        };
        assert_eq!(rows(&with_detector)[0], ms("detect", 2.0));
        assert_eq!(rows(&with_detector)[1..], all);
    }

    #[test]
    fn the_memory_of_a_process_is_read() {
        assert!(resident(std::process::id()).unwrap() > 1.0);
        assert_eq!(resident(u32::MAX), None);
    }
}
