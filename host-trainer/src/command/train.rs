//! `train`: a run from recipe to bundle.

use super::{quantize, train_detector};
use anyhow::{Context, ensure};
use clap::Args;
use host_trainer::config::Recipe;
use host_trainer::dataset::loader::TrainingSet;
use host_trainer::dataset::packed::PackedSet;
use host_trainer::dataset::{held_out_people, prepare};
use host_trainer::detector::is_detector;
use host_trainer::distill::Teacher;
use host_trainer::evaluate::ENROLLED_PAIRS;
use host_trainer::evaluate::confidence::CAVEAT;
use host_trainer::measure::{self, HeldOut};
use host_trainer::operating_point::error_rates;
use host_trainer::report::{self, Evaluation, RunInfo};
use host_trainer::train::{Job, Trained, finished, train};
use host_trainer::validate::Validator;
use host_trainer::{distributed, export, native};
use serde::Serialize;
use shared::bundle::Provenance;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Train a network and make its bundle; the same command goes on where it was stopped.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Recipe (TOML).
    #[arg(long)]
    config: PathBuf,
    /// Directory that holds the folders which the recipe names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where checkpoints, metrics, bundles and the report go.
    #[arg(long)]
    out: PathBuf,
    /// Show the faces of the worst pairs in the report; real ones are biometric data.
    #[arg(long)]
    with_faces: bool,
}

impl Train {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if is_detector(&self.config) {
            return train_detector::run(&self.config, self.data.as_deref(), &self.out);
        }
        distributed::start()?;
        let recipe = distributed::first_makes(|| Recipe::read(&self.config))?;
        let (out, device) = (&self.out, native::device());
        let tuned = recipe
            .quantization
            .as_ref()
            .is_some_and(|q| q.fine_tune_steps > 0);
        ensure!(
            !tuned || distributed::ranks() == 1,
            "[quantization] fine_tune_steps need a single process: leave them out, and run `host-trainer quantize --fine-tune` on the finished run"
        );
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let graph = recipe.backbone.graph()?;
        let data = self.data.as_deref();
        let cache = cache()?;
        let set = distributed::first_makes(|| {
            prepare(&recipe.data, data, graph.template(), recipe.seed, &cache)
        })?;
        let held_out = held_out_people(&set, recipe.data.held_out(), recipe.seed)?;
        let set = Arc::new(set);
        let training = Arc::new(TrainingSet::new(set.clone(), |p| !held_out.contains(&p)));
        let (digest, device_name) = (set.digest(), describe(device));
        if distributed::is_first() {
            eprintln!(
                "{}: {} ({} parameters), {}, {} people with {} images, {} people held out, on {device_name}",
                recipe.name,
                graph.name,
                graph.parameter_count(),
                recipe.loss,
                training.classes(),
                training.len(),
                held_out.len()
            );
            say_problems(&set, out)?;
        }
        // Before the training: the working tree may change meanwhile.
        let mut provenance = provenance(&recipe, &digest);
        let len = graph.embedding_len() as usize;
        let teacher = recipe.distillation.as_ref();
        let teacher = teacher
            .map(|config| {
                let make = || Teacher::prepare(config, data, &set, len, &cache, device);
                distributed::first_makes(make)
            })
            .transpose()?;
        let held_out = HeldOut::new(&set, &held_out);
        let validator = Validator::new(&recipe, &held_out)?;
        let trained = train(&Job {
            recipe: &recipe,
            set: training.clone(),
            data_digest: &digest,
            teacher: teacher.as_ref(),
            validator: validator.as_ref(),
            start: None,
            out,
        })?;
        distributed::finish();
        if !distributed::is_first() {
            return Ok(());
        }
        provenance.training_log.clone_from(&trained.log);
        let weights = export::weights(&trained.module);
        let evaluation = measure::finish(&recipe, &weights, &held_out, &provenance, out)?;
        let made_by = provenance.clone();
        let info = info(
            &recipe,
            &trained,
            &training,
            &evaluation,
            provenance,
            device_name,
        );
        write_json(&out.join(report::RUN_FILE), &info)?;
        write_json(&out.join(report::EVALUATION_FILE), &evaluation)?;
        let sources = report::Sources {
            run: out,
            events: &[],
            frames: None,
            faces: self.with_faces.then_some(&*set),
        };
        report::write(&sources, &out.join("report.html"))?;
        say_result(&evaluation, &info, out);
        if recipe.quantization.is_none() {
            return Ok(());
        }
        let run = quantize::Run {
            recipe: &recipe,
            weights: &weights,
            head: &finished(out, &recipe, &digest, teacher.as_ref())?,
            teacher: teacher.as_ref(),
            set,
            provenance: &made_by,
            out,
        };
        run.finish()
    }
}

pub(super) fn cache() -> anyhow::Result<PathBuf> {
    let cache = dirs::cache_dir().context("no cache directory: set HOME or XDG_CACHE_HOME")?;
    Ok(cache.join("facelatch").join("faces"))
}

fn describe(device: tch::Device) -> String {
    let device = match device {
        tch::Device::Cpu => format!("CPU, {} threads", tch::get_num_threads()),
        other => format!("{other:?}"),
    };
    match distributed::ranks() {
        1 => device,
        ranks => format!("{ranks} processes, the first on {device}"),
    }
}

/// Counts what was left out, and keeps every name in the run's folder.
fn say_problems(set: &PackedSet, out: &Path) -> anyhow::Result<()> {
    let problems = &set.summary().problems;
    if problems.is_empty() {
        return Ok(());
    }
    let path = out.join("left-out.json");
    write_json(&path, problems)?;
    eprint!("{}", set.summary());
    eprintln!("  all {} are named in {}", problems.len(), path.display());
    Ok(())
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(value)?;
    Ok(edge_runtime::atomic_file::write(path, &json, None)?)
}

/// Of this program's source.
pub(super) fn git_revision() -> String {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let git = std::process::Command::new("git")
        .args([
            "-C",
            source,
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
        ])
        .output();
    let revision = git.ok().filter(|o| o.status.success());
    let revision = revision.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string());
    revision.unwrap_or_else(|| "unknown".into())
}

fn provenance(recipe: &Recipe, data_digest: &str) -> Provenance {
    Provenance {
        recipe: recipe.name.clone(),
        recipe_toml: recipe.to_toml(),
        seed: recipe.seed,
        data_digest: data_digest.into(),
        git_revision: git_revision(),
        training_log: String::new(),
    }
}

fn info(
    recipe: &Recipe,
    trained: &Trained,
    training: &TrainingSet,
    evaluation: &Evaluation,
    provenance: Provenance,
    device: String,
) -> RunInfo {
    let graph = trained.module.graph();
    RunInfo {
        recipe: provenance.recipe,
        recipe_toml: provenance.recipe_toml,
        backbone: graph.name.clone(),
        parameters: graph.parameter_count() as u64,
        loss: recipe.loss.to_string(),
        people: training.classes() as u64,
        images: training.len() as u64,
        held_out_people: evaluation.people,
        seed: provenance.seed,
        data_digest: provenance.data_digest,
        git_revision: provenance.git_revision,
        training_log: provenance.training_log,
        device,
        wall_s: trained.wall_s,
        images_per_s: trained.images_per_s,
    }
}

fn say_result(evaluation: &Evaluation, info: &RunInfo, out: &Path) {
    println!(
        "held-out people: EER {:.2} % ({} genuine, {} impostor pairs); raw pixels {:.1} %; \
         float against 8-bit weights: cosine {:.6} mean, {:.6} first percentile, {:.6} minimum",
        100.0 * evaluation.quantized.eer,
        evaluation.genuine,
        evaluation.impostor,
        100.0 * evaluation.raw_pixels_eer.unwrap_or(f64::NAN),
        evaluation.float_vs_quantized.cosine_mean,
        evaluation.float_vs_quantized.cosine_first_percentile,
        evaluation.float_vs_quantized.cosine_min,
    );
    println!("thresholds of {ENROLLED_PAIRS} ({CAVEAT}):");
    for point in &evaluation.operating_points {
        println!("{}", error_rates(point));
    }
    println!(
        "{:.0} images/s, {:.0} s of training; bundle {}, report {}",
        info.images_per_s,
        info.wall_s,
        out.join("model.bundle").display(),
        out.join("report.html").display()
    );
}
