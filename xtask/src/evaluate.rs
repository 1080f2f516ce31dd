//! `cargo xtask evaluate`: a verification protocol with the door's own runtime.

use crate::{setup, workspace};
use anyhow::Result;
use std::path::PathBuf;

/// Measure a bundle on pairs of photographs
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle to measure
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The folder that the pairs' paths start from
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Five points for each photograph, where they are known
    #[arg(long, value_name = "CSV")]
    landmarks: Option<PathBuf>,
    /// The protocol's pairs
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Further options of `host-trainer evaluate`, after `--`
    #[arg(last = true)]
    more: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut evaluate = workspace::host_trainer(&workspace::build()?);
    evaluate.arg("evaluate").arg("--bundle").arg(&args.bundle);
    evaluate.arg("--images").arg(&args.images);
    if let Some(landmarks) = &args.landmarks {
        evaluate.arg("--landmarks").arg(landmarks);
    }
    evaluate.arg("--pairs").arg(&args.pairs);
    if args.json {
        evaluate.arg("--json");
    }
    workspace::run(evaluate.args(&args.more))
}
