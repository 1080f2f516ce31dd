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
    #[arg(long, value_name = "DIR", required_unless_present = "bin")]
    images: Option<PathBuf>,
    /// Five points for each photograph, where they are known
    #[arg(long, value_name = "CSV")]
    landmarks: Option<PathBuf>,
    /// The protocol's pairs
    #[arg(long, value_name = "FILE", required_unless_present = "bin")]
    pairs: Option<PathBuf>,
    /// Instead of images and pairs: an evaluation set of InsightFace, such as lfw.bin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "landmarks", "pairs"])]
    bin: Option<PathBuf>,
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
    for (option, value) in [
        ("--images", &args.images),
        ("--landmarks", &args.landmarks),
        ("--pairs", &args.pairs),
        ("--bin", &args.bin),
    ] {
        if let Some(value) = value {
            evaluate.arg(option).arg(value);
        }
    }
    if args.json {
        evaluate.arg("--json");
    }
    workspace::run(evaluate.args(&args.more))
}
