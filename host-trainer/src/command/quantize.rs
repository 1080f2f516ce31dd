//! `quantize`: the network of a finished run in integers.

use super::train::{cache, git_revision};
use anyhow::{Context, ensure};
use clap::Args;
use host_trainer::config::Recipe;
use host_trainer::dataset::loader::TrainingSet;
use host_trainer::dataset::packed::PackedSet;
use host_trainer::dataset::{held_out_people, prepare};
use host_trainer::distill::Teacher;
use host_trainer::evaluate::ENROLLED_PAIRS;
use host_trainer::export::Weights;
use host_trainer::measure::HeldOut;
use host_trainer::native;
use host_trainer::quantize::{Faces, Finish, REPORT_FILE, Report, Tuning, tuning};
use host_trainer::report::{OperatingPoint, run_info};
use host_trainer::train::finished;
use shared::bundle::Provenance;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Put the network of a finished run into 8-bit integers, weights and activations: calibrate,
/// fine-tune if asked for, export, measure in the door's runtime and make the bundle.
#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// Folder of the run.
    #[arg(long)]
    run: PathBuf,
    /// Directory that holds the folders which the run's recipe names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where `model-int8.onnx`, `model-int8.bundle` and `int8.json` go; the run's folder unless given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Faces to calibrate with, of people trained on.
    #[arg(long)]
    faces: Option<usize>,
    /// Steps of training with the rounding in place.
    #[arg(long, value_name = "STEPS")]
    fine_tune: Option<u64>,
    /// Learning rate of the first of them.
    #[arg(long)]
    learning_rate: Option<f64>,
}

impl Quantize {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let info = run_info(&self.run)?;
        let recipe = self.recipe(&info.recipe_toml)?;
        let template = recipe.backbone.graph()?.template();
        let data = self.data.as_deref();
        let set = prepare(&recipe.data, data, template, recipe.seed, &cache()?)?;
        ensure!(
            set.digest() == info.data_digest,
            "the faces are not those that {} was trained on: name the same --data, as it was then",
            self.run.display()
        );
        let out = self.out.as_deref().unwrap_or(&self.run);
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let teacher = self.teacher(&recipe, &set)?;
        let tensors = finished(&self.run, &recipe, &info.data_digest, teacher.as_ref())?;
        let run = Run {
            recipe: &recipe,
            weights: &exported(&recipe, &tensors)?,
            head: &tensors,
            teacher: teacher.as_ref(),
            set: Arc::new(set),
            provenance: &Provenance {
                recipe: info.recipe,
                // As it was trained, so that the bundle goes with those of the run.
                recipe_toml: info.recipe_toml,
                seed: info.seed,
                data_digest: info.data_digest,
                git_revision: git_revision(),
                training_log: info.training_log,
            },
            out,
        };
        run.finish()
    }

    /// That of the run, where the network is trained on.
    fn teacher(&self, recipe: &Recipe, set: &PackedSet) -> anyhow::Result<Option<Teacher>> {
        let config = recipe.quantization.as_ref();
        let tuned = config.is_some_and(|config| config.fine_tune_steps > 0);
        let Some(teacher) = recipe.distillation.as_ref().filter(|_| tuned) else {
            return Ok(None);
        };
        let len = recipe.backbone.graph()?.embedding_len() as usize;
        let (data, device, cache) = (self.data.as_deref(), native::device(), cache()?);
        let teacher = Teacher::prepare(teacher, data, set, len, &cache, device)?;
        Ok(Some(teacher))
    }

    fn recipe(&self, toml: &str) -> anyhow::Result<Recipe> {
        let mut recipe: Recipe = toml::from_str(toml)
            .with_context(|| format!("the recipe in {}/run.json", self.run.display()))?;
        let mut config = recipe.quantization.unwrap_or_default();
        config.faces = self.faces.unwrap_or(config.faces);
        config.fine_tune_steps = self.fine_tune.unwrap_or(config.fine_tune_steps);
        config.learning_rate = self.learning_rate.unwrap_or(config.learning_rate);
        config.check().map_err(anyhow::Error::msg)?;
        recipe.quantization = Some(config);
        Ok(recipe)
    }
}

/// The weights that were exported: the averages where the recipe has some.
fn exported(recipe: &Recipe, tensors: &Weights) -> anyhow::Result<Weights> {
    let graph = recipe.backbone.graph()?;
    let averaged = recipe.optimizer.average_decay.is_some();
    let weights = graph.parameters().map(|p| {
        let key = match averaged {
            true => format!("average/{}", p.name),
            false => p.name.clone(),
        };
        let numbers = tensors.get(&key);
        let len = p.shape.iter().product::<i64>() as usize;
        let numbers = numbers.filter(|n| n.len() == len).with_context(|| {
            format!("the run's checkpoint has no {key} of {len} numbers: it is of another network")
        })?;
        Ok((p.name, numbers.clone()))
    });
    weights.collect()
}

/// A trained network, wherever it comes from.
pub(super) struct Run<'a> {
    /// With a `[quantization]`.
    pub(super) recipe: &'a Recipe,
    pub(super) weights: &'a Weights,
    /// The class weights are among it.
    pub(super) head: &'a Weights,
    /// That of the training, where there was one and the network is trained on.
    pub(super) teacher: Option<&'a Teacher>,
    pub(super) set: Arc<PackedSet>,
    pub(super) provenance: &'a Provenance,
    pub(super) out: &'a Path,
}

impl Run<'_> {
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let (recipe, set) = (self.recipe, &self.set);
        let config = recipe.quantization.clone().unwrap_or_default();
        let held_out = held_out_people(set, recipe.data.held_out(), recipe.seed)?;
        let faces = Faces::of(set, &held_out, config.faces)?;
        let (tuning_recipe, digest) = (tuning(recipe), set.digest());
        let out = self.out.join("fine-tuning");
        let tuning = (config.fine_tune_steps > 0).then(|| Tuning {
            recipe: &tuning_recipe,
            set: self.trained_on(&held_out),
            data_digest: &digest,
            teacher: self.teacher,
            head: self.head,
            out: &out,
        });
        if tuning.is_some() {
            std::fs::create_dir_all(&out)
                .with_context(|| format!("cannot make {}", out.display()))?;
        }
        let report = Finish {
            recipe,
            weights: self.weights,
            faces: &faces,
            tuning,
            held_out: &HeldOut::new(set, &held_out),
            provenance: self.provenance,
            out: self.out,
        };
        say(&report.run()?, self.out);
        Ok(())
    }

    fn trained_on(&self, held_out: &HashSet<u32>) -> Arc<TrainingSet> {
        Arc::new(TrainingSet::new(self.set.clone(), |p| {
            !held_out.contains(&p)
        }))
    }
}

fn say(report: &Report, out: &Path) {
    let layers = report.scale_for_each_channel.join(", ");
    println!(
        "{} faces to calibrate with; a scale for each channel: {}\n\
         held-out people, thresholds of {ENROLLED_PAIRS}; all pairs, bounds and thresholds are in {}\n\
         floats: EER {:.2} %; {}",
        report.faces,
        if layers.is_empty() {
            "no layer"
        } else {
            &layers
        },
        out.join(REPORT_FILE).display(),
        100.0 * report.float_eer,
        fnmrs(&report.float_operating_points),
    );
    for way in &report.ways {
        println!(
            "integers, {}: EER {:.2} %; {}; cosine to the floats {:.4} mean, {:.4} first percentile \
             (others trained on: {:.4}, {:.4})",
            way.way,
            100.0 * way.eer,
            fnmrs(&way.operating_points),
            way.held_out_people.mean,
            way.held_out_people.first_percentile,
            way.trained_people.mean,
            way.trained_people.first_percentile,
        );
    }
    let kept = report.ways.last().map_or("", |way| &way.way);
    let bundle = out.join("model-int8.bundle");
    println!("kept: {kept}; bundle {}", bundle.display());
}

/// FNMR at each power of ten that the pairs carry.
fn fnmrs(points: &[OperatingPoint]) -> String {
    let is_decade = |fmr: f64| (fmr.log10() - fmr.log10().round()).abs() < 1e-9;
    let decades = points.iter().filter(|point| is_decade(point.fmr));
    let told = decades.map(|p| format!("{:.2} % at FMR {:e}", 100.0 * p.fnmr, p.fmr));
    format!("FNMR {}", told.collect::<Vec<_>>().join(", "))
}
