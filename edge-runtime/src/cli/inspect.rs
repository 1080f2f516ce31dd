//! `inspect`: what a bundle says of itself.

use super::{Output, Result, Source};
use clap::Args;
use edge_runtime::bundle;
use serde::Serialize;
use shared::bundle::{Bundle, Manifest, OperatingPoint, Precision};
use std::fmt;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    source: Source,
}

/// One a precision.
#[derive(Serialize)]
struct Said {
    backbone: String,
    precision: Precision,
    model: String,
    embedding_len: u32,
    mirror_sum: bool,
    operating_points: Vec<OperatingPoint>,
    recipe: String,
    recipe_toml: String,
    seed: u64,
    data_digest: String,
    git_revision: String,
    training_log: String,
    detector: Option<Finds>,
}

#[derive(Serialize)]
struct Finds {
    name: String,
    precision: Precision,
    threshold: f32,
    digest: String,
    provenance: String,
}

impl Inspect {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let (path, _) = self.source.resolve()?;
        let bundle = bundle::read(&path)?;
        for precision in bundle.precisions() {
            let alone = bundle.select(precision).expect("it is one of the bundle's");
            out.line(&Said::of(&alone))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Said {
    fn of(bundle: &Bundle) -> Self {
        let Manifest {
            backbone,
            precision,
            embedding_len,
            mirror_sum,
            model_digest,
            operating_points,
            provenance,
            ..
        } = bundle.manifest().clone();
        let detector = bundle.detector().map(|(manifest, _)| Finds {
            name: manifest.name.clone(),
            precision: manifest.precision,
            threshold: manifest.threshold,
            digest: manifest.digest.to_string(),
            provenance: manifest.provenance.clone(),
        });
        Self {
            backbone,
            precision,
            model: model_digest.to_string(),
            embedding_len,
            mirror_sum,
            operating_points,
            recipe: provenance.recipe,
            recipe_toml: provenance.recipe_toml,
            seed: provenance.seed,
            data_digest: provenance.data_digest,
            git_revision: provenance.git_revision,
            training_log: provenance.training_log,
            detector,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mirror = if self.mirror_sum {
            ", image and mirror image summed"
        } else {
            ""
        };
        writeln!(
            f,
            "{}{mirror}: {}, model {}",
            self.backbone, self.precision, self.model
        )?;
        for OperatingPoint {
            threshold,
            fmr,
            fnmr,
            impostor_pairs,
            genuine_pairs,
        } in &self.operating_points
        {
            let fnmr = 100.0 * fnmr;
            writeln!(
                f,
                "  threshold {threshold:.4}: false-match rate {fmr} ({impostor_pairs} pairs), false-non-match rate {fnmr:.2} % \
                 ({genuine_pairs} pairs)"
            )?;
        }
        let Self {
            recipe,
            seed,
            data_digest,
            git_revision,
            training_log,
            ..
        } = self;
        writeln!(
            f,
            "  recipe {recipe}, seed {seed}, data {data_digest}, revision {git_revision}"
        )?;
        if !training_log.is_empty() {
            writeln!(f, "  training: {training_log}")?;
        }
        match &self.detector {
            None => write!(f, "  no detector"),
            Some(Finds {
                name,
                precision,
                threshold,
                digest,
                ..
            }) => write!(
                f,
                "  detector {name}: {precision}, threshold {threshold}, model {digest}"
            ),
        }
    }
}
