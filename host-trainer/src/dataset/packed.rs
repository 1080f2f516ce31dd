//! Aligned crops in one file on disk, so that the second epoch and the second run decode nothing.
//!
//! ```text
//! crops, one after the other    RGB bytes, all of one size
//! index                         JSON: people, images with their checksums, what was left out
//! length of the index           8 bytes, little endian
//! SHA-256 of the index          32 bytes
//! "FACEPACK"                    8 bytes
//! ```

mod make;
mod room;

use super::summary::{Problem, ProblemKind, Summary};
use crate::native::Mapped;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::align::{AlignTemplate, AlignedFace};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"FACEPACK";
const FOOTER_LEN: usize = 48;

/// An aligned face and whose it is.
pub struct Crop {
    /// Index of the person.
    pub person: u32,
    /// For people.
    pub name: String,
    /// The pixels.
    pub face: AlignedFace,
}

/// What a packed set is made from.
pub struct Source {
    /// Of all crops.
    pub template: AlignTemplate,
    /// Changes when any crop would.
    pub key: [u8; 32],
    /// Names by index.
    pub people: Vec<String>,
    /// How many crops can be tried.
    pub len: usize,
    /// What was left out so far.
    pub summary: Summary,
}

#[derive(Serialize, Deserialize)]
struct Index {
    template: AlignTemplate,
    people: Vec<String>,
    images: Vec<Entry>,
    summary: Summary,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    person: u32,
    name: String,
    crc32: u32,
}

/// Why a packed set cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The disk failed or is full.
    #[error(
        "packed faces {path}: {source}; look at that disk, or put the cache elsewhere with XDG_CACHE_HOME"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk is too small.
    #[error(transparent)]
    NoRoom(#[from] room::NoRoom),
    /// A crop is not as it was written.
    #[error(
        "packed faces {path}: damaged ({reason}); delete the file, it is made again from the images"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Aligned crops on disk, mapped into memory.
pub struct PackedSet {
    path: PathBuf,
    file: Mapped,
    index: Index,
    /// Which of the crops in the file belong to the set, in order.
    shown: Vec<usize>,
}

impl PackedSet {
    /// Opens the set of that key in the cache, or makes it by calling `make` for every index, in
    /// parallel. A half-made file is never left under the name.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn open_or_make<F>(cache: &Path, source: Source, make: F) -> Result<Self, PackError>
    where
        F: Fn(usize) -> Result<Crop, Problem> + Sync,
    {
        let found = source.summary.problems.clone();
        let mut set = match Self::made(cache, &source.key)? {
            Some(set) => set,
            None => {
                let path = file_of(cache, &source.key);
                make::make_file(cache, &path, source, make)?;
                Self::open(&path)?
            }
        };
        // What keeps a file out is known anew each time; what keeps a crop out lies in the pack.
        set.index.summary.problems.splice(0..0, found);
        Ok(set)
    }

    /// Opens the set of that key if it was made: its source need not be looked through then.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn made(cache: &Path, key: &[u8; 32]) -> Result<Option<Self>, PackError> {
        let path = file_of(cache, key);
        path.exists().then(|| Self::open(&path)).transpose()
    }

    /// Opens a packed set.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let io = |source| PackError::Io {
            path: path.into(),
            source,
        };
        let damaged = |reason: &str| PackError::Damaged {
            path: path.into(),
            reason: reason.into(),
        };
        let file = File::open(path).and_then(|file| Mapped::of(&file));
        let file = file.map_err(io)?;
        let footer = file.len().checked_sub(FOOTER_LEN);
        let footer = footer.ok_or_else(|| damaged("cut off"))?;
        let (length, rest) = file[footer..].split_at(8);
        let (digest, magic) = rest.split_at(32);
        let length = u64::from_le_bytes(length.try_into().expect("split at 8"));
        let start = usize::try_from(length).ok().filter(|_| magic == MAGIC);
        let start = start.and_then(|length| footer.checked_sub(length));
        let start = start.ok_or_else(|| damaged("cut off, or another kind of file"))?;
        let json = &file[start..footer];
        if Sha256::digest(json)[..] != *digest {
            return Err(damaged("the index has another checksum"));
        }
        let index: Index = serde_json::from_slice(json).map_err(|e| damaged(&e.to_string()))?;
        let set = Self {
            path: path.into(),
            file,
            shown: (0..index.images.len()).collect(),
            index,
        };
        if set
            .index
            .images
            .iter()
            .any(|i| i.person as usize >= set.people().len())
        {
            return Err(damaged("the index names a person that is not there"));
        }
        if start != set.len() * set.template().rgb_len() {
            return Err(damaged("the crops have another length"));
        }
        Ok(set)
    }

    /// Takes the people of those names out of the set; the file keeps them. The summary says who
    /// was taken out, and which names nobody has.
    pub fn exclude(&mut self, names: &BTreeSet<String>) {
        let Index {
            people,
            images,
            summary,
            ..
        } = &mut self.index;
        let name = |i: &usize| &people[images[*i].person as usize];
        let found: BTreeSet<&String> = people.iter().filter(|p| names.contains(*p)).collect();
        for name in names {
            match found.contains(name) {
                true => summary.add(ProblemKind::Excluded, name.clone(), "on the exclusion list"),
                false => summary.add(
                    ProblemKind::NotExcluded,
                    name.clone(),
                    "nobody has that name",
                ),
            }
        }
        self.shown.retain(|i| !found.contains(name(i)));
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many crops it holds.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    fn entry(&self, index: usize) -> &Entry {
        &self.index.images[self.shown[index]]
    }

    /// Of all crops.
    pub fn template(&self) -> AlignTemplate {
        self.index.template
    }

    /// Names of the people by index.
    pub fn people(&self) -> &[String] {
        &self.index.people
    }

    /// Whose a crop is.
    pub fn person(&self, index: usize) -> u32 {
        self.entry(index).person
    }

    /// What a crop is called, for people.
    pub fn name(&self, index: usize) -> &str {
        &self.index.images[index].name
    }

    /// What could not be used.
    pub fn summary(&self) -> &Summary {
        &self.index.summary
    }

    /// Digest of all crops and of the names of the people they show, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for image in (0..self.len()).map(|i| self.entry(i)) {
            hash.update(image.crc32.to_le_bytes());
            hash.update(&self.index.people[image.person as usize]);
            hash.update([0]);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Copies the RGB bytes of a crop into `pixels`, which must have the template's length.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), PackError> {
        let at = self.shown[index] * self.template().rgb_len();
        pixels.copy_from_slice(&self.file[at..at + self.template().rgb_len()]);
        let entry = self.entry(index);
        if crc32fast::hash(pixels) != entry.crc32 {
            let reason = format!("the crop of {} has another checksum", entry.name);
            return Err(PackError::Damaged {
                path: self.path.clone(),
                reason,
            });
        }
        Ok(())
    }

    /// A crop.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn face(&self, index: usize) -> Result<AlignedFace, PackError> {
        let mut pixels = vec![0; self.template().rgb_len()];
        self.read(index, &mut pixels)?;
        Ok(AlignedFace::from_pixels(self.template(), pixels).expect("of the template's length"))
    }
}

fn file_of(cache: &Path, key: &[u8; 32]) -> PathBuf {
    let name: String = key[..8].iter().map(|b| format!("{b:02x}")).collect();
    cache.join(format!("{name}.faces"))
}

#[cfg(test)]
mod tests;
