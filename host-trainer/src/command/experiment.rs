//! `experiment`: many trainings that differ in what is compared, and their table.

use anyhow::{Context, bail};
use clap::Args;
use edge_runtime::network::{Convolutions, Profiler};
use edge_runtime::{atomic_file, bundle, capped_file};
use host_trainer::config::Recipe;
use host_trainer::experiment::{Experiment, Measurement, Results, Run, Speed};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How often a network is run to time it.
const RUNS: usize = 100;

/// Train every variant of an experiment with every seed, and write the table; the same command
/// goes on where it was stopped.
#[derive(Debug, Args)]
pub(crate) struct Experiments {
    /// What is compared (TOML).
    #[arg(long)]
    config: PathBuf,
    /// Directory that holds the folders which the recipe names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// LFW as a test: a folder with images/, landmarks.csv, pairs.txt and blufr.json.
    #[arg(long)]
    lfw: Option<PathBuf>,
    /// Where the runs and `results.md` go.
    #[arg(long)]
    out: PathBuf,
}

impl Experiments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let experiment = Experiment::read(&self.config)?;
        let runs: Vec<Run> = experiment.runs().collect();
        let mut results = Results::default();
        for (i, run) in runs.iter().enumerate() {
            eprintln!(
                "{} of {}: {}, seed {}",
                i + 1,
                runs.len(),
                run.variant,
                run.recipe.seed
            );
            let out = self
                .out
                .join(&run.variant)
                .join(format!("seed-{}", run.recipe.seed));
            self.train(&run.recipe, &out)?;
            let figures = json(&out.join("evaluation.json"))?;
            results.add(&run.variant, Measurement::HeldOut, &figures);
            results.add(&run.variant, Measurement::Speed, &speed(&out)?);
            if let Some(lfw) = &self.lfw {
                let figures = evaluate(&out, lfw, "--pairs", "pairs.txt")?;
                results.add(&run.variant, Measurement::Lfw, &figures);
                let figures = evaluate(&out, lfw, "--blufr", "blufr.json")?;
                results.add(&run.variant, Measurement::Blufr, &figures);
            }
        }
        let table = results.table();
        let path = self.out.join("results.md");
        atomic_file::write(&path, table.as_bytes(), None)?;
        println!("{table}");
        Ok(())
    }

    /// In a process of its own: libtorch's generator and memory are the process's.
    fn train(&self, recipe: &Recipe, out: &Path) -> anyhow::Result<()> {
        if out.join("evaluation.json").exists() {
            return Ok(());
        }
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let path = out.join("recipe.toml");
        atomic_file::write(&path, recipe.to_toml().as_bytes(), None)?;
        let mut train = Command::new(std::env::current_exe()?);
        train
            .arg("train")
            .arg("--config")
            .arg(&path)
            .arg("--out")
            .arg(out);
        if let Some(data) = &self.data {
            train.arg("--data").arg(data);
        }
        succeed(train.stdout(Stdio::null()))?;
        Ok(())
    }
}

/// The figures of a protocol, from the file where an earlier call left them if it did.
fn evaluate(
    out: &Path,
    lfw: &Path,
    option: &str,
    protocol: &str,
) -> anyhow::Result<serde_json::Value> {
    let path = out.join(protocol).with_extension("figures.json");
    if !path.exists() {
        let mut evaluate = Command::new(std::env::current_exe()?);
        evaluate
            .args(["evaluate", "--json", option])
            .arg(lfw.join(protocol));
        evaluate.arg("--bundle").arg(out.join("model.bundle"));
        evaluate.arg("--images").arg(lfw.join("images"));
        let figures = succeed(evaluate.stdout(Stdio::piped()))?;
        atomic_file::write(&path, &figures, None)?;
    }
    json(&path)
}

/// Of the bundle's network, from the file where an earlier call left it if it did.
fn speed(out: &Path) -> anyhow::Result<serde_json::Value> {
    let path = out.join("speed.json");
    if !path.exists() {
        let bundle = bundle::read(&out.join("model.bundle"))?;
        let shape = bundle.manifest().input.shape();
        let profile = Profiler::load(bundle.model(), shape, Convolutions::default())?.run(RUNS)?;
        let figures = serde_json::to_vec(&Speed::of(&profile))?;
        atomic_file::write(&path, &figures, None)?;
    }
    json(&path)
}

fn succeed(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command
        .stderr(Stdio::inherit())
        .spawn()?
        .wait_with_output()?;
    if !output.status.success() {
        bail!(
            "stopped ({}); the same command goes on from here",
            output.status
        );
    }
    Ok(output.stdout)
}

fn json(path: &Path) -> anyhow::Result<serde_json::Value> {
    let bytes = capped_file::read(path, 64 << 20)?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}
