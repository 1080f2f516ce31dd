//! `evaluate`: a verification protocol with the door's runtime.

use clap::Args;
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use host_trainer::evaluate::bin_file;
use host_trainer::evaluate::pairs::{self, Pairs};
use host_trainer::evaluate::protocol::{self, Embedded, Figures};
use host_trainer::progress::bar;
use std::path::PathBuf;

/// Measure a bundle on pairs of images.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The bundle.
    #[arg(long)]
    bundle: PathBuf,
    /// Folder that the paths of the pairs are relative to.
    #[arg(long, required_unless_present = "bin")]
    images: Option<PathBuf>,
    /// Landmarks of the images; without it, landmarks.csv in that folder or beside it.
    #[arg(long)]
    landmarks: Option<PathBuf>,
    /// LFW's pairs.txt, or a CSV `path_a,path_b,same`.
    #[arg(long, required_unless_present = "bin")]
    pairs: Option<PathBuf>,
    /// Instead of images and pairs: an evaluation set of InsightFace, such as lfw.bin.
    #[arg(long, conflicts_with_all = ["images", "landmarks", "pairs"])]
    bin: Option<PathBuf>,
    /// Sum the embeddings of each image and its mirror image; otherwise as the bundle says.
    #[arg(long)]
    mirror_sum: Option<bool>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let bundle = edge_runtime::bundle::read(&self.bundle)?;
        let manifest = bundle.manifest();
        let mirror_sum = self.mirror_sum.unwrap_or(manifest.mirror_sum);
        let len = manifest.embedding_len as usize;
        let network = Network::from_onnx(bundle.model(), &manifest.input, len, mirror_sum)?;
        let (pairs, embedded) = self.embed(&network)?;
        for (image, reason) in embedded.unusable.iter().take(5) {
            eprintln!("cannot be scored: {image}: {reason}");
        }
        let figures = protocol::figures(&pairs, &embedded)?;
        if figures.pairs_without_score > 0 {
            eprintln!(
                "{} of {} pairs have no score and count as judged wrongly: {} images without a usable face",
                figures.pairs_without_score, figures.pairs, figures.unusable_images
            );
        }
        self.print(&pairs, &figures)
    }

    fn embed(&self, network: &Network) -> anyhow::Result<(Pairs, Embedded)> {
        if let Some(path) = &self.bin {
            let set = bin_file::read(path)?;
            let progress = bar(2 * set.pairs.pairs.len() as u64, "embedding");
            let embedded = set.embed(network, &progress);
            progress.finish_and_clear();
            return Ok((set.pairs, embedded));
        }
        let (images, pairs) = self
            .images
            .as_ref()
            .zip(self.pairs.as_ref())
            .expect("clap asked for both");
        let pairs = pairs::read(pairs)?;
        let landmarks = LandmarkTable::beside(images, self.landmarks.as_deref())?;
        let names = pairs.images();
        let progress = bar(names.len() as u64, "embedding");
        let embedded = protocol::embed_images(network, images, &landmarks, &names, &progress);
        progress.finish_and_clear();
        Ok((pairs, embedded))
    }

    fn print(&self, pairs: &Pairs, figures: &Figures) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(figures)?);
            return Ok(());
        }
        let folds = if pairs.folds > 1 {
            "each fold at the others' threshold"
        } else {
            "at the best threshold, optimistic"
        };
        println!(
            "{}: {} genuine, {} impostor pairs",
            figures.protocol, figures.genuine, figures.impostor
        );
        let error = figures
            .accuracy_se
            .map(|se| format!(" +- {:.2}", 100.0 * se));
        println!(
            "accuracy {:.2}{} % ({folds})",
            100.0 * figures.accuracy,
            error.unwrap_or_default()
        );
        println!("EER {:.2} %", 100.0 * figures.eer);
        for (far, tar) in figures.tar.iter().rev() {
            println!("TAR {:.2} % at FAR {far}", 100.0 * tar);
        }
        println!(
            "{} images without a usable face; {:.1} images/s",
            figures.unusable_images, figures.images_per_s
        );
        Ok(())
    }
}
