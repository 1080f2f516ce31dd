//! `cargo xtask illustrate`: what margin and normalization do, measured on drawn people.

use crate::{setup, workspace};
use anyhow::Result;
use std::path::PathBuf;

/// Write a page of the paper's observations, measured on two small networks trained here
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The page; without it, illustrate.html in cargo's target folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of the drawn people and of the networks
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut illustrate = workspace::host_trainer(&workspace::build()?);
    let out = match &args.out {
        Some(out) => out.clone(),
        None => workspace::target()?.join("illustrate.html"),
    };
    illustrate.arg("illustrate").arg("--out").arg(out);
    if let Some(seed) = args.seed {
        illustrate.args(["--seed", &seed.to_string()]);
    }
    workspace::run(&mut illustrate)
}
