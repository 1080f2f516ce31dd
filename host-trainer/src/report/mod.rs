//! The report of a run: one HTML page with charts and pictures that needs no other file, no script
//! and no network.
//!
//! The way through: `inputs` reads the run folder and the door's events, `charts` draws, `summary`,
//! `tables` and `strip` write their sections, `page` puts them in order, [`write()`] stores the page.

pub(crate) mod charts;
pub(crate) mod document;
pub(crate) mod figures;
mod inputs;
mod page;
mod pictures;
mod records;
mod scenes;
mod strip;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod worst;

use crate::dataset::packed::{PackError, PackedSet};
use edge_runtime::atomic_file::{self, WriteError};
use std::io;
use std::path::{Path, PathBuf};

pub use inputs::run_info;
pub use records::{Accuracy, Agreement, Evaluation, Histogram, OperatingPoint, Progress, RunInfo};
pub use records::{EVALUATION_FILE, METRICS_FILE, RUN_FILE};
pub use records::{Worst, WorstPair};

/// What the report is made from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The run folder, which holds [`METRICS_FILE`], [`RUN_FILE`] and [`EVALUATION_FILE`].
    pub run: &'a Path,
    /// The door's events, one file of JSON lines a scene, in the order in which to show them.
    pub events: &'a [PathBuf],
    /// The folder beneath which the frames lie that the events name; none shows placeholders.
    pub frames: Option<&'a Path>,
    /// The run's faces, if its worst pairs are to be shown.
    pub faces: Option<&'a PackedSet>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file of the run or of the door's events is missing or is not text.
    #[error("cannot read {}: {source}; {advice}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// A line does not parse.
    #[error("{}, line {line}, column {column}: {found}; {advice}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What is wrong there.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file parses, and nothing can be drawn from it.
    #[error("{}: {found}; {advice}", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A face of a worst pair cannot be read.
    #[error(transparent)]
    Faces(#[from] PackError),
    /// The faces at hand are not those of the run.
    #[error(
        "the faces have the digest {found}, the run was on {expected}: give the --data that it was trained on, or leave --with-faces out"
    )]
    OtherFaces {
        /// Of the packed set.
        found: String,
        /// Of the run.
        expected: String,
    },
    /// A chart could not be drawn, which is a defect of the report.
    #[error("cannot draw the {chart} chart: {reason}; please report it with the run folder")]
    Chart {
        /// The chart.
        chart: &'static str,
        /// What the drawing library said.
        reason: String,
    },
    /// The page could not be stored.
    #[error(transparent)]
    Unwritable(#[from] WriteError),
}

/// Writes the report to `out`: the old page or the new one, whole. Only the owner can read it, for
/// it shows faces.
///
/// # Errors
/// [`ReportError`] names the file, the line where there is one, and what to do. A frame that
/// cannot be found or decoded is no error: a placeholder stands for it.
pub fn write(sources: &Sources<'_>, out: &Path) -> Result<(), ReportError> {
    let inputs = inputs::read(sources)?;
    let pictures = pictures::Pictures::beneath(sources.frames);
    let html = page::render(&inputs, &pictures, sources)?;
    // Only the owner reads it: it shows faces.
    Ok(atomic_file::write(out, html.as_bytes(), Some(0o600))?)
}
