//! `cargo xtask try`: a door to try on oneself, without a data set, a training or libtorch.

use crate::workspace;
use anyhow::{Context, Result};

/// The bundle that comes with the project.
pub(crate) const BUNDLE: &str = "models/default.bundle";

/// Try a door on yourself, on a web page of this machine; options are those of `edge-runtime try`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The command's own options; without --bundle or --config, the bundle that comes with the project
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut door = std::process::Command::new(workspace::build_door()?.join("edge-runtime"));
    door.arg("try").args(&args.options);
    if !names_a_network(&args.options) {
        door.arg("--bundle").arg(workspace::root().join(BUNDLE));
    }
    workspace::run(&mut door).context("the door to try ended")
}

fn names_a_network(options: &[String]) -> bool {
    let names = |option: &String| {
        let name = option.split('=').next();
        matches!(name, Some("--bundle" | "--config" | "--help" | "-h"))
    };
    options.iter().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_bundle_is_taken_unless_another_is_named() {
        let named = |options: &[&str]| {
            let options: Vec<_> = options.iter().map(ToString::to_string).collect();
            names_a_network(&options)
        };
        assert!(!named(&[]) && !named(&["--images", "photos"]));
        assert!(named(&["--bundle", "b"]) && named(&["--config=door.toml"]) && named(&["-h"]));
    }
}
