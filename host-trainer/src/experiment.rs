//! What an experiment compares, and the table that comes of it.

use crate::backbone::BackboneConfig;
use crate::config::{Recipe, RecipeError};
use crate::loss::LossConfig;
use edge_runtime::capped_file::{self, ReadError};
use edge_runtime::network::Profile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The longest experiment that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Trainings that differ in their loss or in their backbone.
#[derive(Debug, Clone)]
pub struct Experiment {
    base: Recipe,
    file: File,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Beside the experiment: what all runs have in common.
    recipe: PathBuf,
    /// Each variant is trained with each.
    seeds: Vec<u64>,
    variant: Vec<Variant>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    /// Lower-case letters, digits, points and hyphens; the name of its folder.
    name: String,
    /// What is not named here is as in the recipe.
    loss: Option<LossConfig>,
    learning_rate: Option<f64>,
    backbone: Option<BackboneConfig>,
}

/// One training of an experiment.
#[derive(Debug, Clone)]
pub struct Run {
    /// Of which variant.
    pub variant: String,
    /// All of it, the seed among it.
    pub recipe: Recipe,
}

/// Why an experiment cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// No such file, or no experiment by its size.
    #[error("experiment {0}; those that come with the project are in host-trainer/experiments/")]
    Read(#[from] ReadError),
    /// Not TOML, an unknown or missing field, a wrong type.
    #[error("experiment {path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A value without meaning.
    #[error("experiment {path}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
    /// What all runs have in common cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}

impl Experiment {
    /// Reads and checks an experiment and its recipe.
    ///
    /// # Errors
    /// [`ExperimentError`].
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let bytes = capped_file::read(path, MAX_BYTES)?;
        let file: File = toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|source| {
            ExperimentError::Parse {
                path: path.into(),
                source: source.into(),
            }
        })?;
        let base = Recipe::read(&path.with_file_name(&file.recipe))?;
        let experiment = Self { base, file };
        experiment
            .check()
            .map_err(|reason| ExperimentError::Value {
                path: path.into(),
                reason,
            })?;
        Ok(experiment)
    }

    fn check(&self) -> Result<(), String> {
        let File { seeds, variant, .. } = &self.file;
        if seeds.is_empty() || variant.is_empty() {
            return Err("it needs at least one seed and one variant".into());
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        for (i, one) in variant.iter().enumerate() {
            let name = &one.name;
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                return Err(format!(
                    "the name {name:?} must be of lower-case letters, digits, points and hyphens"
                ));
            }
            if variant[..i].iter().any(|other| other.name == *name) {
                return Err(format!("two variants are called {name}"));
            }
        }
        self.runs().try_for_each(|run| run.recipe.check())
    }

    /// All trainings, seed after seed, so that a part of them compares all variants.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        let of_seed = move |seed: &u64| {
            let seed = *seed;
            self.file.variant.iter().map(move |variant| {
                let mut recipe = self.base.clone();
                recipe.name = variant.name.clone();
                recipe.seed = seed;
                let Variant {
                    loss,
                    learning_rate,
                    backbone,
                    ..
                } = variant.clone();
                recipe.loss = loss.unwrap_or(recipe.loss);
                recipe.backbone = backbone.unwrap_or(recipe.backbone);
                let rate = &mut recipe.optimizer.learning_rate;
                *rate = learning_rate.unwrap_or(*rate);
                let variant = variant.name.clone();
                Run { variant, recipe }
            })
        };
        self.file.seeds.iter().flat_map(of_seed)
    }
}

/// Where a column of the table comes from: its title, the measurement, and the place in its JSON.
const COLUMNS: [(&str, Measurement, &str); 10] = [
    ("ms", Measurement::Speed, "/ms"),
    (
        "million multiply-adds",
        Measurement::Speed,
        "/million_multiply_adds",
    ),
    ("held out: EER", Measurement::HeldOut, "/quantized/eer"),
    (
        "TAR at FAR 0.01",
        Measurement::HeldOut,
        "/quantized/tar/0.01",
    ),
    (
        "TAR at FAR 0.001",
        Measurement::HeldOut,
        "/quantized/tar/0.001",
    ),
    ("LFW accuracy", Measurement::Lfw, "/accuracy"),
    ("LFW TAR at FAR 0.01", Measurement::Lfw, "/tar/0.01"),
    (
        "BLUFR VR at FAR 0.1 %",
        Measurement::Blufr,
        "/verification/1/mean_minus_std",
    ),
    (
        "BLUFR VR at FAR 0.01 %",
        Measurement::Blufr,
        "/verification/0/mean_minus_std",
    ),
    (
        "BLUFR DIR at FAR 1 %",
        Measurement::Blufr,
        "/identification/mean_minus_std",
    ),
];

/// What a run was measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measurement {
    /// [`Speed`].
    Speed,
    /// `evaluation.json` of the training.
    HeldOut,
    /// The 6,000 pairs of LFW's View 2.
    Lfw,
    /// LFW's BLUFR trials.
    Blufr,
}

/// How fast a run's network is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// One image in the door's runtime, one thread, median.
    pub ms: f64,
    /// Multiplications, each with its addition.
    pub million_multiply_adds: f64,
}

impl Speed {
    /// As the door's runtime tells it.
    pub fn of(profile: &Profile) -> Self {
        let multiply_adds: u64 = profile.layers.iter().map(|l| l.multiply_adds).sum();
        Self {
            ms: profile.ms,
            million_multiply_adds: multiply_adds as f64 / 1e6,
        }
    }
}

/// Figures of the variants, a number for each seed.
#[derive(Debug, Default)]
pub struct Results {
    /// By variant, in their order, then by column.
    rows: Vec<(String, BTreeMap<usize, Vec<f64>>)>,
}

impl Results {
    /// Takes the figures of one run; what the measurement does not tell stays open.
    pub fn add(&mut self, variant: &str, measurement: Measurement, figures: &serde_json::Value) {
        let row = match self.rows.iter().position(|(name, _)| name == variant) {
            Some(row) => row,
            None => {
                self.rows.push((variant.into(), BTreeMap::new()));
                self.rows.len() - 1
            }
        };
        for (column, (_, of, pointer)) in COLUMNS.iter().enumerate() {
            let figure = figures.pointer(pointer).and_then(serde_json::Value::as_f64);
            if let Some(figure) = figure.filter(|_| *of == measurement) {
                self.rows[row].1.entry(column).or_default().push(figure);
            }
        }
    }

    /// A table in Markdown: mean and standard deviation over the seeds, but for the speed in percent.
    /// Columns that no run has a figure for are left out.
    pub fn table(&self) -> String {
        let known = |column: &usize| self.rows.iter().any(|(_, row)| row.contains_key(column));
        let columns: Vec<usize> = (0..COLUMNS.len()).filter(known).collect();
        let titles: Vec<&str> = columns.iter().map(|c| COLUMNS[*c].0).collect();
        let mut table = format!("| variant | seeds | {} |\n", titles.join(" | "));
        table += &format!("|---|---|{}\n", "---|".repeat(columns.len()));
        for (name, row) in &self.rows {
            let cells = columns.iter().map(|column| match row.get(column) {
                Some(figures) => {
                    let percent = COLUMNS[*column].1 != Measurement::Speed;
                    mean_and_deviation(figures, if percent { 100.0 } else { 1.0 })
                }
                None => "".into(),
            });
            let seeds = row.values().map(Vec::len).max().unwrap_or(0);
            let cells = cells.collect::<Vec<_>>().join(" | ");
            table += &format!("| {name} | {seeds} | {cells} |\n");
        }
        table
    }
}

/// One figure has no deviation.
fn mean_and_deviation(figures: &[f64], scale: f64) -> String {
    let mean = figures.iter().sum::<f64>() / figures.len() as f64;
    if figures.len() < 2 {
        return format!("{:.1}", scale * mean);
    }
    let squares: f64 = figures.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / (figures.len() - 1) as f64).sqrt();
    format!("{:.1} +- {:.1}", scale * mean, scale * deviation)
}

#[cfg(test)]
mod tests;
