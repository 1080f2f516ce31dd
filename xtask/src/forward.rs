//! Commands of the trainer that need nothing but the trainer.

use crate::{setup, workspace};
use anyhow::Result;

/// A command whose options are those of `host-trainer <command>`, which explains them with `--help`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The command's own options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(command: &str, args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut trainer = workspace::host_trainer(&workspace::build()?);
    workspace::run(trainer.arg(command).args(&args.options))
}
