//! `measure-training`: images a second of a recipe, and the memory that takes.

use super::train::cache;
use clap::Args;
use host_trainer::config::Recipe;
use host_trainer::dataset::loader::TrainingSet;
use host_trainer::dataset::prepare;
use host_trainer::train::speed::{self, Speed};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Train for some seconds, throw the network away and print how fast that was, as JSON.
///
/// The object also holds what another program needs to train the same network on the same crops.
#[derive(Debug, Args)]
pub(crate) struct MeasureTraining {
    /// Recipe (TOML).
    #[arg(long)]
    config: PathBuf,
    /// Directory that holds the folders which the recipe names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Seconds that are timed, six steps at least.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
}

#[derive(Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    speed: Speed,
    recipe: &'a Recipe,
    /// Begins with the crops, `[images, height, width, 3]` bytes.
    crops: &'a Path,
    images: usize,
    height: usize,
    width: usize,
    people: i64,
}

impl MeasureTraining {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let recipe = Recipe::read(&self.config)?;
        let template = recipe.backbone.graph()?.template();
        let data = self.data.as_deref();
        let set = prepare(&recipe.data, data, template, recipe.seed, &cache()?)?;
        let set = Arc::new(set);
        let training = Arc::new(TrainingSet::new(set.clone(), |_| true));
        let measured = Measured {
            speed: speed::measure(&recipe, &training, self.seconds)?,
            recipe: &recipe,
            crops: set.path(),
            images: training.len(),
            height: template.height(),
            width: template.width(),
            people: training.classes(),
        };
        println!("{}", serde_json::to_string(&measured)?);
        Ok(())
    }
}
