//! `add-detector`: a bundle with a detector beside its network.

use anyhow::Context;
use clap::Args;
use host_trainer::detector::DetectorFile;
use std::path::PathBuf;

/// Put a detector into a bundle, in the place of the one it has, if any.
#[derive(Debug, Args)]
pub(crate) struct AddDetector {
    /// The bundle.
    #[arg(long)]
    bundle: PathBuf,
    /// The detector's file: detector.toml of a training, or one written for another network.
    #[arg(long)]
    detector: PathBuf,
    /// Where the new bundle goes; it may be the old one's place.
    #[arg(long)]
    out: PathBuf,
}

impl AddDetector {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let bundle = edge_runtime::bundle::read(&self.bundle)?;
        let (manifest, model) = DetectorFile::load(&self.detector)?;
        let said = format!("{} ({} bytes)", manifest.name, model.len());
        let bundle = bundle
            .with_detector(manifest, model)
            .with_context(|| self.detector.display().to_string())?;
        edge_runtime::bundle::write(&self.out, &bundle)?;
        println!("{} with {said}", self.out.display());
        Ok(())
    }
}
