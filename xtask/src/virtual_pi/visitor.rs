//! Who stands before the camera of an emulated door.

use super::people::STRANGE;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// A visitor's pictures, so many times, are what the camera sees until the door begins again.
const ROUNDS: usize = 15;

/// Who stands before the camera.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Visitor {
    Known,
    Stranger,
}

impl Visitor {
    /// Of the pictures.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Stranger => "stranger",
        }
    }
}

/// The pictures of one of the two in a folder of visits, again and again.
pub(super) fn repeat(from: &Path, to: &Path, visitor: Visitor) -> Result<()> {
    let to = to.join(visitor.folder());
    fs::create_dir_all(&to)?;
    let table = fs::read_to_string(from.join("landmarks.csv"))?;
    let mut lines = table.lines();
    let mut repeated = format!("{}\n", lines.next().unwrap_or_default());
    let (stranger, known): (Vec<_>, Vec<_>) = lines.enumerate().partition(|(i, _)| *i < STRANGE);
    let rows = match visitor {
        Visitor::Known => known,
        Visitor::Stranger => stranger,
    };
    for round in 0..ROUNDS {
        for (_, row) in &rows {
            let (name, rest) = row.split_once(',').context("a row has columns")?;
            fs::copy(from.join(name), to.join(format!("{round}-{name}")))?;
            repeated += &format!("{round}-{name},{rest}\n");
        }
    }
    Ok(fs::write(to.join("landmarks.csv"), repeated)?)
}
