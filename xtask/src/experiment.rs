//! `cargo xtask experiment`: many trainings and the table that compares them.

use crate::{setup, workspace};
use anyhow::Result;
use std::path::PathBuf;

/// Train every variant of an experiment with every seed; ends with DIR/results.md
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which: host-trainer/experiments/NAME.toml
    name: String,
    /// The directory that holds the folders which the recipe names
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// LFW as a test: a folder with images/, landmarks.csv, pairs.txt and blufr.json
    #[arg(long, value_name = "DIR")]
    lfw: Option<PathBuf>,
    /// Where the runs are written; an experiment that was interrupted goes on from there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut experiment = workspace::host_trainer(&workspace::build()?);
    let folder = workspace::root().join("host-trainer/experiments");
    experiment.arg("experiment").arg("--config");
    experiment.arg(folder.join(&args.name).with_extension("toml"));
    for (option, path) in [("--data", &args.data), ("--lfw", &args.lfw)] {
        if let Some(path) = path {
            experiment.arg(option).arg(path);
        }
    }
    workspace::run(experiment.arg("--out").arg(&args.out))
}
