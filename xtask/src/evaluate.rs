//! `cargo xtask evaluate`: figures of a bundle with the door's own runtime.

use crate::{setup, workspace};
use anyhow::Result;
use std::ffi::OsString;

/// Measure a bundle; takes the options of `host-trainer evaluate` (--help lists them)
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// For example --bundle FILE --images DIR --pairs FILE
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    options: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let mut evaluate = workspace::host_trainer(&workspace::build()?);
    workspace::run(evaluate.arg("evaluate").args(&args.options))
}
