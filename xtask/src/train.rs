//! `cargo xtask train`: a training run from a clean checkout.

use crate::{setup, workspace};
use anyhow::Result;
use std::path::PathBuf;

/// Train a network as a recipe says; ends with DIR/model.bundle and DIR/report.html
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The recipe, a TOML file; host-trainer/configs has some
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The directory that holds the folders which the recipe names, if it names any
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the run is written; a run that was interrupted goes on from there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Further options of `host-trainer train`, after `--`
    #[arg(last = true)]
    more: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut train = workspace::host_trainer(&workspace::build()?);
    train.arg("train").arg("--config").arg(&args.config);
    if let Some(data) = &args.data {
        train.arg("--data").arg(data);
    }
    workspace::run(train.arg("--out").arg(&args.out).args(&args.more))
}
