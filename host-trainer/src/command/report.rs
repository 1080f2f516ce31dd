//! `report`: the page of a run again, with what a door did.

use super::train::cache;
use clap::Args;
use host_trainer::config::Recipe;
use host_trainer::dataset::packed::PackedSet;
use host_trainer::dataset::prepare;
use host_trainer::report::{self, Sources};
use std::path::PathBuf;

/// Write the report of a run, with the events of a door if there are any.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// A folder that `train` wrote.
    #[arg(long)]
    run: PathBuf,
    /// Events of a door (`edge-runtime run --json`), a file for each scene.
    #[arg(long)]
    events: Vec<PathBuf>,
    /// Folder with the frames that the events name.
    #[arg(long)]
    frames: Option<PathBuf>,
    /// The page.
    #[arg(long)]
    out: PathBuf,
    /// Show the faces of the worst pairs; real ones are biometric data.
    #[arg(long)]
    with_faces: bool,
    /// Directory that holds the folders which the run's recipe names; for --with-faces.
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let frames = self.frames.as_deref();
        let faces = self.with_faces.then(|| self.faces()).transpose()?;
        report::write(
            &Sources {
                run: &self.run,
                events: &self.events,
                frames,
                faces: faces.as_ref(),
            },
            &self.out,
        )?;
        println!("{}", self.out.display());
        Ok(())
    }

    /// The faces that the run was on.
    fn faces(&self) -> anyhow::Result<PackedSet> {
        let recipe: Recipe = toml::from_str(&report::run_info(&self.run)?.recipe_toml)?;
        let (data, template) = (self.data.as_deref(), recipe.backbone.graph()?.template());
        Ok(prepare(
            &recipe.data,
            data,
            template,
            recipe.seed,
            &cache()?,
        )?)
    }
}
