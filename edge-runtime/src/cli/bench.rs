//! `bench`: how long a frame takes on this device, stage by stage, and with which precision.

mod precisions;

use super::{Output, Result, Source};
use clap::Args;
use edge_runtime::bundle::{self, Loaded};
use edge_runtime::decide::{Access, Decision, Look, Observation, Policy, Side};
use edge_runtime::door::{self, Door};
use edge_runtime::face;
use edge_runtime::memory::{MOST_RESIDENT, RESIDENT, mib};
use edge_runtime::quality::{Limits, Quality};
use edge_runtime::search;
use image::RgbImage;
use image::imageops::{self, FilterType};
use precisions::Compared;
pub(super) use precisions::named as precision;
use serde::Serialize;
use shared::align::Landmarks;
use shared::bundle::Bundle;
use shared::detector::DetectorManifest;
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::roster::Roster;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// A door with all its contacts, whose lock is released so often.
const DOOR: &str = "driver = \"simulated\"\nactive_level = \"high\"\nhold_ms = 100\n\
    sensor = { active_level = \"high\", held_open_ms = 30000 }\n\
    exit_button = { active_level = \"low\" }\ntamper = { active_level = \"high\" }";
const RELEASES: usize = 20;

#[derive(Args)]
pub(super) struct Bench {
    #[command(flatten)]
    source: Source,
    /// People in the gallery, whose templates are drawn by chance.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    people: u32,
    /// Of a bundle of several precisions, time frames with this one [default: the first].
    #[arg(long, value_name = "NAME")]
    precision: Option<String>,
    /// Frames to look at.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
}

/// Milliseconds on one thread; medians unless named otherwise.
#[derive(Serialize)]
struct Measured {
    /// From the bundle's file to networks that have proved themselves.
    start_ms: f64,
    /// Of a frame of 320x240; null if the bundle has no detector.
    detect_ms: Option<f64>,
    align_ms: f64,
    quality_ms: f64,
    embed_ms: f64,
    search_ms: f64,
    decide_ms: f64,
    /// From the decision to the level of a simulated pin, in microseconds.
    release_us: f64,
    release_max_us: f64,
    /// From the frame to the decision.
    frame_p50_ms: f64,
    frame_p99_ms: f64,
    frames_per_s: f64,
    people: u32,
    /// Memory that the program holds, in MiB, and the most it held; null where the system does
    /// not tell.
    resident_mib: Option<f64>,
    peak_mib: Option<f64>,
    /// Each of a bundle of several, unless one was named.
    #[serde(flatten)]
    compared: Option<Compared>,
}

impl Bench {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let started = Instant::now();
        let (path, _) = self.source.resolve()?;
        let mut bundle = bundle::read(&path)?;
        if let Some(named) = &self.precision {
            bundle = precision(&bundle, named, &path)?;
        }
        let loaded = bundle::prove(&bundle, &path)?;
        let start = started.elapsed();
        let frame = frame(&path, &bundle, &loaded)?;
        let several = bundle.precisions().count() > 1;
        // A door does not keep it, so it does not count as memory of one.
        drop(bundle);
        let roster = roster(&loaded, self.people)?;
        let stages = time(self.frames, &loaded, &frame, &roster)?;
        let total: f64 = stages[6].iter().map(Duration::as_secs_f64).sum();
        let at = |stage: usize, share: f64| {
            let times = &stages[stage];
            let index = (share * (times.len() - 1) as f64).round() as usize;
            1e3 * times[index].as_secs_f64()
        };
        let releases = releases()?;
        let us = |index: usize| 1e6 * releases[index].as_secs_f64();
        let (resident_mib, peak_mib) = (mib(RESIDENT), mib(MOST_RESIDENT));
        let compare = || Compared::of(&bundle::read(&path)?, self.frames);
        out.line(&Measured {
            start_ms: 1e3 * start.as_secs_f64(),
            detect_ms: loaded.detector.as_ref().map(|_| at(0, 0.5)),
            align_ms: at(1, 0.5),
            quality_ms: at(2, 0.5),
            embed_ms: at(3, 0.5),
            search_ms: at(4, 0.5),
            decide_ms: at(5, 0.5),
            release_us: us(RELEASES / 2),
            release_max_us: us(RELEASES - 1),
            frame_p50_ms: at(6, 0.5),
            frame_p99_ms: at(6, 0.99),
            frames_per_s: f64::from(self.frames) / total,
            people: self.people,
            resident_mib,
            peak_mib,
            compared: several.then(compare).transpose()?,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The times of each stage, and of all together, in ascending order.
fn time(
    frames: u32,
    loaded: &Loaded,
    frame: &(RgbImage, Landmarks),
    roster: &Roster,
) -> Result<[Vec<Duration>; 7]> {
    let policy: Policy =
        toml::from_str("agreeing_frames = 3\nof_last_frames = 5\nwindow_ms = 2000")?;
    let mut decision = Decision::new(policy, Access::default());
    let mut stages: [Vec<Duration>; 7] = Default::default();
    for number in 0..frames {
        let times = look(loaded, frame, roster, &mut decision, number)?;
        stages
            .iter_mut()
            .zip(times)
            .for_each(|(all, time)| all.push(time));
    }
    stages.iter_mut().for_each(|times| times.sort());
    Ok(stages)
}

/// A picture of a face, and where its landmarks are.
fn frame(path: &Path, bundle: &Bundle, loaded: &Loaded) -> Result<(RgbImage, Landmarks)> {
    let frame = |manifest: &DetectorManifest| {
        let (recorded, input) = (manifest.self_test.first()?, &manifest.input);
        let (width, height) = (input.width.into(), input.height.into());
        let small = RgbImage::from_raw(width, height, recorded.pixels.clone())?;
        // As a camera gives it: twice as large.
        let image = imageops::resize(&small, 2 * width, 2 * height, FilterType::Triangle);
        let double = |mut p: shared::align::Point| {
            (p.x, p.y) = (2.0 * p.x, 2.0 * p.y);
            p
        };
        Some((image, Landmarks(recorded.landmarks.0.map(double))))
    };
    if let Some(found) = bundle.detector().and_then(|(manifest, _)| frame(manifest)) {
        let detector = loaded.detector.as_ref();
        let faces = detector.map_or(Ok(Vec::new()), |detector| detector.detect(&found.0))?;
        // Where no face is found, none is looked at closely, and the times would be too short.
        anyhow::ensure!(
            !faces.is_empty(),
            "{}: its detector does not find its own self-test face in a frame twice as large, so a frame cannot be timed",
            path.display()
        );
        return Ok(found);
    }
    let template = loaded.manifest.input.template;
    let face = loaded.manifest.self_test.first();
    let face = face.and_then(|face| face.face(&loaded.manifest.input));
    let face = face.expect("a bundle that is loaded has a self-test face");
    let (width, height) = (template.width() as u32, template.height() as u32);
    let image = RgbImage::from_raw(width, height, face.pixels().to_vec());
    Ok((image.expect("a crop is whole"), template.landmarks()))
}

/// People whose templates are noise.
fn roster(loaded: &Loaded, people: u32) -> Result<Roster> {
    let (model, len) = (
        loaded.network.model(),
        loaded.manifest.embedding_len as usize,
    );
    let mut roster = Roster::new(model, len).with_products(search::products);
    let mut state = 1_u64;
    let mut noise = || {
        // Splitmix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as i64 as f32 / i64::MAX as f32
    };
    for person in 0..people {
        let template = Embedding::from_raw((0..len).map(|_| noise()).collect())?;
        let record = EnrollmentRecord::new(&format!("p{person}"), model, vec![template], 0)?;
        roster.add(&record)?;
    }
    Ok(roster)
}

/// The times of detection, alignment, quality, embedding, search, decision, and of all.
fn look(
    loaded: &Loaded,
    (image, landmarks): &(RgbImage, Landmarks),
    roster: &Roster,
    decision: &mut Decision,
    number: u32,
) -> Result<[Duration; 7]> {
    let mut marks = [Instant::now(); 7];
    if let Some(detector) = &loaded.detector {
        detector.detect(image)?;
    }
    marks[1] = Instant::now();
    let face = face::align(image, landmarks, loaded.manifest.input.template)?;
    marks[2] = Instant::now();
    Quality::of(image, landmarks, &face)?.flaws(&Limits::DOOR);
    marks[3] = Instant::now();
    let probe = loaded.network.embed(&face)?;
    marks[4] = Instant::now();
    roster.identify(&probe)?;
    marks[5] = Instant::now();
    decision.step(&Look {
        at: Duration::from_millis(200 * u64::from(number)),
        unix_s: i64::from(number / 5),
        seen: Observation::Stranger,
        turn: Some(0.0),
        side: Side::Left,
    });
    marks[6] = Instant::now();
    let mut times = [marks[6] - marks[0]; 7];
    for (i, time) in times.iter_mut().take(6).enumerate() {
        *time = marks[i + 1] - marks[i];
    }
    Ok(times)
}

/// How long each release took that was asked for while the contacts were read; sorted.
fn releases() -> Result<Vec<Duration>> {
    let door: Door = toml::from_str(DOOR)?;
    let keeper = door::open(&door)?;
    let mut took = Vec::new();
    for _ in 0..RELEASES {
        let decided = Instant::now();
        keeper.release("bench".into(), None)?;
        took.push(decided.elapsed());
        while keeper.relock_at().is_some() {
            thread::sleep(Duration::from_millis(7));
        }
    }
    took.sort();
    Ok(took)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detect = self.detect_ms.map_or("-".into(), |ms| format!("{ms:.2}"));
        writeln!(
            f,
            "start       {:>8.1} ms\ndetect      {detect:>8} ms",
            self.start_ms
        )?;
        for (name, ms) in [
            ("align", self.align_ms),
            ("quality", self.quality_ms),
            ("embed", self.embed_ms),
            ("search", self.search_ms),
            ("decide", self.decide_ms),
        ] {
            writeln!(f, "{name:<11} {ms:>8.3} ms")?;
        }
        writeln!(
            f,
            "release     {:>8.1} us, at most {:.1}",
            self.release_us, self.release_max_us
        )?;
        writeln!(
            f,
            "frame       {:>8.2} ms, p99 {:.2} ms, {:.1} frames/s with {} people",
            self.frame_p50_ms, self.frame_p99_ms, self.frames_per_s, self.people
        )?;
        let mib = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.0}"));
        write!(
            f,
            "memory      {:>8} MiB, at most {}",
            mib(self.resident_mib),
            mib(self.peak_mib)
        )?;
        let compared = self.compared.as_ref();
        compared.map_or(Ok(()), |compared| write!(f, "\n{compared}"))
    }
}
