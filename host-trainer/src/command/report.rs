//! `report`: the page of a run again, with what a door did.

use clap::Args;
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
}

impl Report {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let frames = self.frames.as_deref();
        report::write(
            &Sources {
                run: &self.run,
                events: &self.events,
                frames,
            },
            &self.out,
        )?;
        println!("{}", self.out.display());
        Ok(())
    }
}
