//! What was found in a data set and what could not be used: nothing is dropped silently.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How many names of each kind of problem are shown; the run's folder keeps them all.
const SHOWN: usize = 3;

/// Something that cannot be trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Of what kind, for counting.
    pub kind: ProblemKind,
    /// The file or folder.
    pub path: String,
    /// What is wrong, in words.
    pub reason: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProblemKind {
    /// Not an image, cut off, or too large.
    BrokenImage,
    /// A person's folder without a file.
    EmptyFolder,
    /// A file that lies in no person's folder.
    NoPerson,
    /// An image without a row in landmarks.csv.
    NoLandmarks,
    /// Landmarks that no face can have.
    BadLandmarks,
    /// A row in landmarks.csv without its image.
    NoImage,
    /// An aligned crop of another size than its set's.
    WrongSize,
    /// A person on the exclusion list.
    Excluded,
    /// An entry of the exclusion list that nobody has.
    NotExcluded,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BrokenImage => "broken images",
            Self::EmptyFolder => "empty folders",
            Self::NoPerson => "files in no person's folder",
            Self::NoLandmarks => "images without landmarks",
            Self::BadLandmarks => "images with impossible landmarks",
            Self::NoImage => "landmarks without an image",
            Self::WrongSize => "crops of another size",
            Self::Excluded => "people on the exclusion list",
            Self::NotExcluded => "entries of the exclusion list that match nobody",
        })
    }
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What cannot be used.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Summary {
    /// A line for each kind with its count and first names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<ProblemKind, Vec<&Problem>> = BTreeMap::new();
        for problem in &self.problems {
            kinds.entry(problem.kind).or_default().push(problem);
        }
        for (kind, problems) in kinds {
            let names: Vec<_> = problems
                .iter()
                .take(SHOWN)
                .map(|p| p.path.as_str())
                .collect();
            let more = if problems.len() > SHOWN { ", ..." } else { "" };
            let what = match kind {
                ProblemKind::NotExcluded => "warning",
                _ => "left out",
            };
            writeln!(
                f,
                "  {what}: {} {kind} ({}{more})",
                problems.len(),
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

impl Summary {
    pub(super) fn add(&mut self, kind: ProblemKind, path: String, reason: &str) {
        self.problems.push(Problem {
            kind,
            path,
            reason: reason.into(),
        });
    }
}
