//! `import`: a bundle of a network that was trained elsewhere.

use super::train::{cache, git_revision};
use clap::Args;
use host_trainer::evaluate::ENROLLED_PAIRS;
use host_trainer::evaluate::confidence::CAVEAT;
use host_trainer::import::import;
use host_trainer::measure::reported;
use host_trainer::operating_point::error_rates;
use shared::bundle::Precision;
use std::path::PathBuf;

/// Make a bundle of a network that was trained elsewhere: measure its thresholds on photographs,
/// with the door's runtime, and add self-test faces.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The network: one float input, one output.
    #[arg(long)]
    onnx: PathBuf,
    /// How it is fed; host-trainer/networks/ has an example.
    #[arg(long, value_name = "TOML")]
    network: PathBuf,
    /// How its weights are stored; bytes are a quarter of the size.
    #[arg(long, value_enum, default_value_t = Stored::Int8Weights)]
    precision: Stored,
    /// Folders of photographs, images/<person>/<file> and landmarks.csv, of people whom the network
    /// was not trained on. The same name in two folders is the same person.
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Where the bundle goes.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Stored {
    /// 8-bit weights, a scale for each channel, computed in floats.
    Int8Weights,
    /// As they are.
    F32,
}

impl From<Stored> for Precision {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Int8Weights => Self::Int8Weights,
            Stored::F32 => Self::F32,
        }
    }
}

impl Import {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let bundle = import(
            &self.onnx,
            &self.network,
            self.precision.into(),
            &self.data,
            &cache()?,
            git_revision(),
        )?;
        edge_runtime::bundle::write(&self.out, &bundle)?;
        println!("thresholds of {ENROLLED_PAIRS} ({CAVEAT}):");
        for point in &bundle.manifest().operating_points {
            println!("{}", error_rates(&reported(point)));
        }
        println!("bundle {}", self.out.display());
        Ok(())
    }
}
