//! InsightFace's RecordIO: `train.rec`, `train.idx` and `property` in one folder. The images are
//! crops that are aligned already.
//!
//! `train.idx` has a line `key<TAB>offset` for each record, `property` says
//! `people,height,width`. Where the record of key 0 has no image, its first label is the first key
//! behind the images, which begin at 1; what follows them (the images of each person, which their
//! own labels say, too) is not needed. Otherwise every record is an image.

mod file;

use super::aligned::{self, AlignedError};
use super::folder::stamp;
use super::packed::Crop;
use super::summary::{Problem, ProblemKind};
use edge_runtime::capped_file::{self, ReadError};
use edge_runtime::photo::MAX_FILE_LEN;
use file::{LABEL_LEN, RecordFile};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use shared::align::AlignTemplate;
use std::path::{Path, PathBuf};

/// The longest index that is read: some 30 million records.
const MAX_INDEX_LEN: u64 = 1 << 30;
/// And the longest `property`.
const MAX_PROPERTY_LEN: u64 = 1 << 10;

/// Why a RecordIO set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file of the three is missing, or is none by its size.
    #[error("{0}; a RecordIO folder holds train.rec, train.idx and property")]
    Read(#[from] ReadError),
    /// train.rec cannot be read.
    #[error("{path}: {source}; a RecordIO folder holds train.rec, train.idx and property")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not `people,height,width`, or a size that the network cannot be given.
    #[error(
        "{path}: found \"{found}\", expected `people,112,112`, with at most one person an image"
    )]
    Property {
        /// The file.
        path: PathBuf,
        /// What it says, cut short.
        found: String,
    },
    /// The index is broken or belongs to another train.rec.
    #[error("{path}, {at}: {reason}; copy train.idx and train.rec again, together")]
    Index {
        /// The file.
        path: PathBuf,
        /// The line or the key.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// Something else than a record lies where the index says one is.
    #[error(
        "{path}: the record at byte {offset}: {reason}; copy train.idx and train.rec again, together"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record, or its part, begins.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Whose image it is cannot be.
    #[error(
        "{path}: the image of key {key} has label {label}, expected a whole number below the {people} people of property"
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// Of the record.
        key: u64,
        /// What was found.
        label: f32,
        /// How many there are.
        people: usize,
    },
}

/// A folder that was opened.
pub struct Records {
    file: RecordFile,
    path: PathBuf,
    /// Keys of the images, and their records' offsets.
    images: Vec<(u64, u64)>,
    people: usize,
    digest: [u8; 32],
}

impl Records {
    /// Reads `property`, the index and the record of key 0.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is allocated by a length that the files themselves do not have.
    pub fn open(folder: &Path) -> Result<Self, RecordError> {
        let [path, idx, property] = ["train.rec", "train.idx", "property"].map(|f| folder.join(f));
        let property_bytes = capped_file::read(&property, MAX_PROPERTY_LEN)?;
        let idx_bytes = capped_file::read(&idx, MAX_INDEX_LEN)?;
        let file = RecordFile::open(&path)?;
        let images = images(&file, &idx, &String::from_utf8_lossy(&idx_bytes))?;
        let text = String::from_utf8_lossy(&property_bytes);
        let people = people(&text).filter(|people| *people <= images.len());
        let people = people.ok_or_else(|| RecordError::Property {
            path: property,
            found: text.trim().chars().take(80).collect(),
        })?;
        let mut hash = Sha256::new();
        hash.update(format!("{text} {:?} ", stamp(&path)));
        hash.update(&idx_bytes);
        Ok(Self {
            file,
            path,
            images,
            people,
            digest: hash.finalize().into(),
        })
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Names by label: the labels themselves.
    pub fn people(&self) -> Vec<String> {
        (0..self.people).map(|label| label.to_string()).collect()
    }

    /// Changes when a file or the template does.
    pub fn key(&self, template: AlignTemplate) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(format!("recordio {template:?} "));
        hash.update(self.digest);
        hash.finalize().into()
    }

    /// Whose every image is. Looks at each record, which shows whether index and file fit.
    ///
    /// # Errors
    /// [`RecordError`] of one that does not.
    pub fn labels(&self) -> Result<Vec<u32>, RecordError> {
        let images = self.images.par_iter();
        images
            .map(|(key, offset)| self.label(*key, *offset))
            .collect()
    }

    fn label(&self, key: u64, offset: u64) -> Result<u32, RecordError> {
        let label = self.file.read(offset, LABEL_LEN)?.labels[0];
        let usable = label.fract() == 0.0 && (0.0..self.people as f32).contains(&label);
        usable.then_some(label as u32).ok_or(RecordError::Label {
            path: self.path.clone(),
            key,
            label,
            people: self.people,
        })
    }

    /// Reads one image.
    ///
    /// # Errors
    /// The problem that keeps it out of the set.
    pub fn crop(&self, i: usize, person: u32, template: AlignTemplate) -> Result<Crop, Problem> {
        let (key, offset) = self.images[i];
        let name = format!("{person}/{key}");
        let problem = |kind, reason| Problem {
            kind,
            path: name.clone(),
            reason,
        };
        let record = self.file.read(offset, MAX_FILE_LEN as usize);
        let record = record.map_err(|e| problem(ProblemKind::BrokenImage, e.to_string()))?;
        let face = aligned::decode(&record.image, Path::new(&name), template);
        let face = face.map_err(|error| match error {
            AlignedError::Photo(_) => problem(ProblemKind::BrokenImage, error.to_string()),
            AlignedError::Size { .. } => problem(ProblemKind::WrongSize, error.to_string()),
        })?;
        Ok(Crop { person, name, face })
    }
}

/// The people that `people,height,width` promises, if the size is that of aligned crops.
fn people(property: &str) -> Option<usize> {
    let numbers: Option<Vec<usize>> = property.split(',').map(|n| n.trim().parse().ok()).collect();
    let size = [aligned::TEMPLATE.height(), aligned::TEMPLATE.width()];
    match numbers?.as_slice() {
        [people, rest @ ..] if rest == size => Some(*people),
        _ => None,
    }
}

/// Keys and offsets of the images, by key.
fn images(file: &RecordFile, idx: &Path, text: &str) -> Result<Vec<(u64, u64)>, RecordError> {
    let index = |at, reason| RecordError::Index {
        path: idx.into(),
        at,
        reason,
    };
    let mut records = Vec::new();
    for (line, found) in text.lines().enumerate() {
        let mut fields = found.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(key)), Some(Ok(offset)), None) = (fields.next(), fields.next(), fields.next())
        else {
            let found: String = found.chars().take(80).collect();
            let reason = format!("found \"{found}\", expected `key<TAB>offset`");
            return Err(index(format!("line {}", line + 1), reason));
        };
        if offset >= file.len() {
            let reason = format!(
                "offset {offset} lies outside, train.rec has {} bytes",
                file.len()
            );
            return Err(index(format!("line {}", line + 1), reason));
        }
        records.push((key, offset));
    }
    records.sort_unstable();
    if let Some((0, offset)) = records.first() {
        let first = file.read(*offset, MAX_FILE_LEN as usize)?;
        if first.image.is_empty() {
            let (found, last) = (first.labels[0], records[records.len() - 1].0);
            if !(1.0..=last as f32 + 1.0).contains(&found) {
                let reason =
                    format!("says that the images end before key {found}, the last is {last}");
                return Err(index("key 0".into(), reason));
            }
            records.retain(|(key, _)| (1..found as u64).contains(key));
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
