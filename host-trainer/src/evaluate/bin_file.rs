//! The evaluation sets that InsightFace packs (`lfw.bin`, `cfp_fp.bin`, `agedb_30.bin`): a pickle of
//! the aligned crops of all pairs, two by two, and of which pairs are of one person.

mod pickle;

use super::pairs::{Pair, Pairs};
use super::protocol::{Embedded, embed_faces};
use crate::dataset::aligned::{self, AlignedError};
use edge_runtime::capped_file::{self, ReadError};
use edge_runtime::network::Network;
use image::ImageReader;
use indicatif::ProgressBar;
use pickle::Bytes;
use shared::align::{AlignTemplate, AlignedFace};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The longest file that is read; the real ones have some 100 MB.
const MAX_LEN: u64 = 1 << 30;
/// As InsightFace judges them: `KFold` of scikit-learn, not shuffled.
const FOLDS: usize = 10;

/// Why a file is no evaluation set.
#[derive(Debug, thiserror::Error)]
pub enum BinError {
    /// Not there, or no set by its size.
    #[error("evaluation set {0}")]
    Read(#[from] ReadError),
    /// Another pickle, or none. Nothing of it was executed.
    #[error(
        "evaluation set {}, byte {at}: found {found}, expected bytes and booleans alone; write it again in Python: \
         pickle.dump(([bytes(i) for i in images], [bool(s) for s in same]), file, protocol=4)",
        path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Where, from 0.
        at: usize,
        /// What is there.
        found: String,
    },
    /// Images without a pair, or pairs without images.
    #[error(
        "evaluation set {}: {images} images for {pairs} pairs, expected two for each and at least one pair; it was packed wrongly",
        path.display()
    )]
    Count {
        /// The file.
        path: PathBuf,
        /// Images that there are.
        images: usize,
        /// Pairs that there are.
        pairs: usize,
    },
    /// Crops of another size.
    #[error("evaluation set {0}")]
    Size(#[from] AlignedError),
}

/// An evaluation set.
pub struct BinFile {
    path: PathBuf,
    file: Vec<u8>,
    images: Vec<Bytes>,
    /// The images are named by their index.
    pub pairs: Pairs,
}

/// Reads a set; its images are decoded when they are asked for.
///
/// # Errors
/// [`BinError`].
pub fn read(path: &Path) -> Result<BinFile, BinError> {
    let file = capped_file::read(path, MAX_LEN)?;
    let (images, same) = pickle::read(&file).map_err(|refused| BinError::Pickle {
        path: path.into(),
        at: refused.at,
        found: refused.found,
    })?;
    if images.len() != 2 * same.len() || images.is_empty() {
        return Err(BinError::Count {
            path: path.into(),
            images: images.len(),
            pairs: same.len(),
        });
    }
    let set = BinFile {
        path: path.into(),
        pairs: pairs(path, &same),
        file,
        images,
    };
    (0..set.images.len()).try_for_each(|i| set.check_size(i))?;
    Ok(set)
}

fn pairs(path: &Path, same: &[bool]) -> Pairs {
    let (len, folds) = (same.len(), FOLDS.min(same.len()));
    let pair = |(i, same): (usize, &bool)| Pair {
        images: [2 * i, 2 * i + 1].map(|image| image.to_string()),
        same: *same,
        fold: fold(i, len, folds),
    };
    Pairs {
        protocol: format!(
            "{}, {folds} folds",
            path.file_name().unwrap_or_default().to_string_lossy()
        ),
        folds,
        pairs: same.iter().enumerate().map(pair).collect(),
    }
}

/// The fold of a pair: as long as one another, the first ones a pair longer if it does not come out even.
fn fold(pair: usize, pairs: usize, folds: usize) -> usize {
    let (len, longer) = (pairs / folds, pairs % folds);
    match pair < longer * (len + 1) {
        true => pair / (len + 1),
        false => longer + (pair - longer * (len + 1)) / len,
    }
}

impl BinFile {
    /// Decodes and embeds all images on all cores; what cannot be used is kept with its reason.
    pub fn embed(&self, network: &Network, bar: &ProgressBar) -> Embedded {
        let names: Vec<String> = (0..self.images.len()).map(|i| i.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let face = |name: &str| {
            let image = name.parse().expect("named by its index");
            self.face(image, network.input().template)
                .map_err(|e| e.to_string())
        };
        embed_faces(network, &names, bar, face)
    }

    fn face(&self, image: usize, template: AlignTemplate) -> Result<AlignedFace, AlignedError> {
        aligned::decode(&self.bytes(image), &self.name(image), template)
    }

    /// Bytes that are none are a broken image, too.
    fn bytes(&self, image: usize) -> Vec<u8> {
        self.images[image].of(&self.file).unwrap_or_default()
    }

    fn name(&self, image: usize) -> PathBuf {
        self.path.join(image.to_string())
    }

    /// What cannot be read is left to be told with the figures.
    fn check_size(&self, image: usize) -> Result<(), AlignedError> {
        let reader = ImageReader::new(Cursor::new(self.bytes(image))).with_guessed_format();
        match reader.map(|reader| reader.into_dimensions()) {
            Ok(Ok(size)) => aligned::check_size(size, &self.name(image)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
