//! MXNet's record file, as dmlc-core's `src/recordio.cc` and `python/mxnet/recordio.py` write it.
//! Numbers are little endian.
//!
//! ```text
//! a record is one part or more, each of
//!   magic number     u32, 0xced7230a
//!   which, length    u32: 3 bits (0 the whole record, 1 its first part, 2 one between, 3 its last), 29 bits
//!   bytes            padded to a multiple of 4
//! the parts are joined by the magic number, which was taken out where it stood among the bytes
//!
//! the bytes of a record
//!   flag, label, id  u32, f32, 2 x u64
//!   labels           f32, as many as the flag says; they stand for the label if there are any
//!   an image file    or nothing
//! ```

use super::RecordError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = 0xced7_230a_u32.to_le_bytes();
const LENGTH_BITS: u32 = 29;
const HEADER_LEN: usize = 24;
/// Of the bytes that hold a record's first label.
pub(super) const LABEL_LEN: usize = HEADER_LEN + 4;

/// A record file, read at offsets.
pub(super) struct RecordFile {
    path: PathBuf,
    file: File,
    len: u64,
}

/// What a record holds.
pub(super) struct Record {
    /// One, or as many as the flag says.
    pub(super) labels: Vec<f32>,
    /// An image file, or nothing.
    pub(super) image: Vec<u8>,
}

impl RecordFile {
    pub(super) fn open(path: &Path) -> Result<Self, RecordError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, file) = opened.map_err(|source| RecordError::Io {
            path: path.into(),
            source,
        })?;
        let path = path.into();
        Ok(Self { path, file, len })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads a record; of its bytes no more than `most`, which cuts labels and image.
    pub(super) fn read(&self, offset: u64, most: usize) -> Result<Record, RecordError> {
        let damaged = |reason| self.damaged(offset, reason);
        let bytes = self.joined(offset, most)?;
        let header = bytes
            .get(..HEADER_LEN)
            .ok_or_else(|| damaged("too short"))?;
        let word = |at: usize| [0, 1, 2, 3].map(|i| header[at + i]);
        let flag = u32::from_le_bytes(word(0)) as usize;
        let image = HEADER_LEN + 4 * flag;
        // What was read to its end must hold what its flag promises.
        if image > bytes.len() && bytes.len() < most {
            return Err(damaged("too short for its labels"));
        }
        let (labels, image) = bytes.split_at(image.min(bytes.len()));
        let labels = match flag {
            0 => vec![f32::from_le_bytes(word(4))],
            _ => (labels[HEADER_LEN..].as_chunks().0.iter())
                .map(|label| f32::from_le_bytes(*label))
                .collect(),
        };
        let image = image.to_vec();
        Ok(Record { labels, image })
    }

    /// The bytes of a record, its parts joined, no more than `most`.
    fn joined(&self, offset: u64, most: usize) -> Result<Vec<u8>, RecordError> {
        let (mut bytes, mut at) = (Vec::new(), offset);
        loop {
            let head = self.bytes(at, 8)?;
            let (magic, which) = head.split_at(4);
            if magic != MAGIC {
                return Err(self.damaged(at, "another magic number than 0xced7230a"));
            }
            let which = u32::from_le_bytes(which.try_into().expect("split at 4 of 8"));
            let (which, len) = (which >> LENGTH_BITS, which & ((1 << LENGTH_BITS) - 1));
            if which > 3 || (which < 2) != (at == offset) {
                return Err(self.damaged(at, "a part out of its order"));
            }
            let end = at + 8 + u64::from(len);
            if end > self.len {
                return Err(self.damaged(at, "cut off"));
            }
            let wanted = (len as usize).min(most - bytes.len());
            bytes.extend(self.bytes(at + 8, wanted)?);
            if which % 3 == 0 || bytes.len() + MAGIC.len() > most {
                return Ok(bytes);
            }
            bytes.extend(MAGIC);
            at = end.next_multiple_of(4);
        }
    }

    fn bytes(&self, at: u64, len: usize) -> Result<Vec<u8>, RecordError> {
        if at.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Err(self.damaged(at, "cut off"));
        }
        let mut bytes = vec![0; len];
        let read = self.file.read_exact_at(&mut bytes, at);
        read.map_err(|source| RecordError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(bytes)
    }

    fn damaged(&self, offset: u64, reason: &'static str) -> RecordError {
        RecordError::Damaged {
            path: self.path.clone(),
            offset,
            reason,
        }
    }
}
