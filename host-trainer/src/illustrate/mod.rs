//! The observations of the AM-Softmax paper (Wang et al. 2018, arXiv:1801.05599), measured on
//! drawn people and shown on one page.
//!
//! The way through: `learned` trains two small networks, `geometry` and `sphere` measure and draw
//! what they make of faces, `curves` what the losses ask for, `quality` and `gradient` what the
//! length of a feature has to do with it, `page` puts them in order.

mod curves;
mod geometry;
mod gradient;
mod learned;
mod page;
mod quality;
mod sphere;

use crate::dataset::DataError;
use crate::report::ReportError;
use crate::train::TrainError;
use edge_runtime::atomic_file::{self, WriteError};
use std::path::Path;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum IllustrateError {
    /// The drawn people could not be kept.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A network could not be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A chart could not be drawn.
    #[error(transparent)]
    Chart(#[from] ReportError),
    /// The page could not be stored.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No room for the drawn people and the checkpoints.
    #[error("temporary folder: {0}; make room there, or name another with TMPDIR")]
    Temporary(#[from] std::io::Error),
}

/// Trains, measures, draws and writes the page to `out`; minutes on a CPU.
///
/// # Errors
/// [`IllustrateError`].
pub fn write(seed: u64, out: &Path) -> Result<(), IllustrateError> {
    let softmax = learned::learn(seed, "name = \"softmax\"")?;
    let margin = learned::learn(seed, learned::AM_SOFTMAX)?;
    let html = page::render(&softmax, &margin)?;
    Ok(atomic_file::write(out, html.as_bytes(), None)?)
}
