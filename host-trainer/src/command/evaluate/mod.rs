//! `evaluate`: a bundle's figures, with the door's runtime. One file for each thing to measure.

mod blufr;
mod breakdown;
mod identify;
mod pairs;

use clap::Args;
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use host_trainer::evaluate::confidence::CAVEAT;
use host_trainer::evaluate::protocol::{self, Embedded};
use host_trainer::memory;
use host_trainer::progress::bar;
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Measure a bundle: on pairs of images, with the BLUFR protocol, or in a search among distractors.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The bundle.
    #[arg(long)]
    bundle: PathBuf,
    /// Folder that the paths of the pairs or of the protocol are relative to; to identify, with a
    /// folder for each person.
    #[arg(long, required_unless_present = "bin")]
    images: Option<PathBuf>,
    /// Landmarks of the images; without it, landmarks.csv in that folder or beside it.
    #[arg(long, requires = "images")]
    landmarks: Option<PathBuf>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    distractors: identify::Distractors,
    /// Sum the embeddings of each image and its mirror image; otherwise as the bundle says.
    #[arg(long)]
    mirror_sum: Option<bool>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What to measure.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// LFW's pairs.txt, or a CSV `path_a,path_b,same`.
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// An evaluation set of InsightFace, such as lfw.bin, which holds its images itself.
    #[arg(long, conflicts_with = "images")]
    bin: Option<PathBuf>,
    /// LFW's BLUFR protocol: a JSON of images, labels and trials.
    #[arg(long)]
    blufr: Option<PathBuf>,
    /// Search for every person of several images among distractors, as MegaFace does.
    #[arg(long)]
    identify: bool,
    /// Both error rates by pose, light, sharpness and a proxy of skin tone, over all pairs of
    /// images, at the bundle's threshold for this false-match rate.
    #[arg(long, value_name = "RATE", num_args = 0..=1, default_missing_value = "0.001")]
    breakdown: Option<f64>,
}

impl Evaluate {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match &self.what {
            What {
                pairs: Some(list), ..
            } => pairs::run(self, list),
            What { bin: Some(set), .. } => pairs::run_bin(self, set),
            What {
                blufr: Some(protocol),
                ..
            } => blufr::run(self, protocol),
            What {
                breakdown: Some(fmr),
                ..
            } => breakdown::run(self, *fmr),
            _ => identify::run(self, &self.distractors),
        }
    }

    fn network(&self) -> anyhow::Result<Network> {
        let bundle = edge_runtime::bundle::read(&self.bundle)?;
        let manifest = bundle.manifest();
        let mirror_sum = self.mirror_sum.unwrap_or(manifest.mirror_sum);
        let len = manifest.embedding_len as usize;
        Ok(Network::from_onnx(
            bundle.model(),
            &manifest.input,
            len,
            mirror_sum,
        )?)
    }

    fn images(&self) -> &Path {
        let images = self.images.as_deref();
        images.expect("the command line asks for it wherever it is read")
    }

    /// Embeds images of the folder and says which cannot be.
    fn embed(&self, network: &Network, images: &[&str]) -> anyhow::Result<Embedded> {
        let landmarks = LandmarkTable::beside(self.images(), self.landmarks.as_deref())?;
        let embedded = with_bar(images.len(), |bar| {
            protocol::embed_images(network, self.images(), &landmarks, images, bar)
        });
        for (image, reason) in embedded.unusable.iter().take(5) {
            eprintln!("cannot be scored: {image}: {reason}");
        }
        Ok(embedded)
    }

    /// Prints the JSON, or else what `text` prints and what every measurement ends with.
    fn print(
        &self,
        figures: &impl Serialize,
        embedded: &Embedded,
        text: impl FnOnce(),
    ) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(figures)?);
            return Ok(());
        }
        text();
        let memory = memory::peak_mb().map(|mb| format!("; at most {mb:.0} MB of memory"));
        println!("({CAVEAT})");
        println!(
            "{} images without a usable face; {:.1} images/s{}",
            embedded.unusable.len(),
            embedded.images_per_s,
            memory.unwrap_or_default()
        );
        Ok(())
    }
}

fn with_bar(images: usize, embed: impl FnOnce(&ProgressBar) -> Embedded) -> Embedded {
    let progress = bar(images as u64, "embedding");
    let embedded = embed(&progress);
    progress.finish_and_clear();
    embedded
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
