//! `illustrate`: the paper's observations, measured on drawn people.

use anyhow::Context;
use clap::Args;
use std::path::PathBuf;

/// Write a page of what margin and normalization do, measured on two small networks trained here.
#[derive(Debug, Args)]
pub(crate) struct Illustrate {
    /// Of the drawn people and of the networks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The page.
    #[arg(long)]
    out: PathBuf,
}

impl Illustrate {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        // Before the minutes of training: a place that cannot be written to must not waste them.
        if let Some(folder) = self.out.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        host_trainer::illustrate::write(self.seed, &self.out)?;
        println!("{}", self.out.display());
        Ok(())
    }
}
