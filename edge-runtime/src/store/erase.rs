//! Making sure that what was removed is gone: a database keeps removed pages, so it is written
//! anew without them, and then every file of the store is searched.

use super::fault::Fault;
use super::queue;
use super::vault::{self, CROPS, ERASE, LOG, META, PEOPLE, QUEUE};
use crate::atomic_file::{self, Folder};
use redb::backends::FileBackend;
use redb::{Database, Key, ReadableDatabase, ReadableTable, TableDefinition, Value};
use redb::{ReadTransaction, WriteTransaction};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that are looked for together. Sixteen random ones are found nowhere by chance.
const CHUNK_LEN: usize = 16;
const BLOCK_LEN: usize = 1 << 20;
/// Of so few different bytes a chunk says nothing, as one of zeros.
const MIN_DIFFERENT: usize = 8;

/// What was searched for what was removed, in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Files of the store.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
}

/// Writes the database anew, with what is in it and nothing else, in place of the old file, whose
/// bytes are overwritten with zeros.
pub(super) fn rewrite(path: &Path, database: Database) -> Result<(), Rewrite> {
    let beside = atomic_file::beside(path, Some(0o600))?;
    let new = vault::open(FileBackend::new(beside.reopen()?).map_err(fault)?, false)?;
    let from = database.begin_read().map_err(fault)?;
    vault::change(&new, |to| {
        copy(META, &from, to)?;
        copy(PEOPLE, &from, to)?;
        copy(CROPS, &from, to)?;
        copy(LOG, &from, to)?;
        if queue::table(&from)?.is_some() {
            copy(QUEUE, &from, to)?;
        }
        to.open_table(META)?.remove(ERASE)?;
        Ok(())
    })?;
    new.close().map_err(fault)?;
    drop(from);
    database.close().map_err(fault)?;
    beside.as_file().sync_all()?;
    let folder = Folder::of(path)?;
    let old = OpenOptions::new().write(true).open(path)?;
    beside.persist(path).map_err(|error| error.error)?;
    folder.sync()?;
    Ok(wipe(old)?)
}

/// What kept the database from being written anew.
pub(super) enum Rewrite {
    Io(io::Error),
    Fault(Fault),
}

impl From<io::Error> for Rewrite {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for Rewrite {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn fault<E: Into<Fault>>(error: E) -> Fault {
    error.into()
}

fn copy<K: Key + 'static, V: Value + 'static>(
    table: TableDefinition<'_, K, V>,
    from: &ReadTransaction,
    to: &WriteTransaction,
) -> Result<(), Fault> {
    let mut to = to.open_table(table)?;
    for entry in from.open_table(table)?.iter()? {
        let (key, value) = entry?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Overwrites a file with zeros. A disk that writes elsewhere than it is told keeps the bytes.
pub(super) fn wipe(mut file: File) -> io::Result<()> {
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(len), &mut file)?;
    file.flush()?;
    file.sync_all()
}

/// Searches every file below a folder for a part of what was removed. Returns where one is, or
/// what was searched in vain.
pub(super) fn search(folder: &Path, removed: &[Vec<u8>]) -> io::Result<Result<Erased, Found>> {
    let chunks = Chunks::of(removed);
    let mut erased = Erased { files: 0, bytes: 0 };
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let (len, at) = chunks.search(File::open(&path)?)?;
                if let Some(at) = at {
                    return Ok(Err(Found { path, at }));
                }
                erased.files += 1;
                erased.bytes += len;
            }
        }
    }
    Ok(Ok(erased))
}

/// Where a part of what was removed is.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) at: u64,
}

/// The parts that are looked for, at every byte of a file.
struct Chunks {
    chunks: HashSet<[u8; CHUNK_LEN]>,
    /// Whether a chunk begins with these two bytes: most places are passed by this alone.
    begins: Vec<bool>,
}

impl Chunks {
    fn of(removed: &[Vec<u8>]) -> Self {
        let mut begins = vec![false; 1 << 16];
        let mut chunks = HashSet::new();
        for chunk in removed.iter().flat_map(|bytes| bytes.as_chunks().0) {
            if chunk.iter().collect::<HashSet<_>>().len() >= MIN_DIFFERENT {
                begins[usize::from(u16::from_le_bytes([chunk[0], chunk[1]]))] = true;
                chunks.insert(*chunk);
            }
        }
        Self { chunks, begins }
    }

    /// The file's length, and where in it a chunk is.
    fn search(&self, mut file: impl Read) -> io::Result<(u64, Option<u64>)> {
        let mut block = Vec::with_capacity(BLOCK_LEN + CHUNK_LEN);
        let mut before = 0;
        loop {
            let kept = block.len();
            let read = file
                .by_ref()
                .take(BLOCK_LEN as u64)
                .read_to_end(&mut block)?;
            let is_chunk = |bytes: &[u8]| {
                self.begins[usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))]
                    && self.chunks.contains(bytes)
            };
            if let Some(at) = block.windows(CHUNK_LEN).position(is_chunk) {
                return Ok((0, Some(before + at as u64)));
            }
            if read == 0 {
                return Ok((before + kept as u64, None));
            }
            let done = block.len().saturating_sub(CHUNK_LEN - 1);
            block.drain(..done);
            before += done as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn a_part_is_found_wherever_it_is() {
        let removed = noise(100);
        let chunks = Chunks::of(std::slice::from_ref(&removed));
        let len = BLOCK_LEN + 300;
        for at in [0, 1, 77, BLOCK_LEN - 16, BLOCK_LEN - 9, BLOCK_LEN, len - 16] {
            for part in [0, 16, 80] {
                let mut file = vec![0; len];
                file[at..at + 16].copy_from_slice(&removed[part..part + 16]);
                assert_eq!(chunks.search(&file[..]).unwrap().1, Some(at as u64));
                file[at + 15] ^= 1;
                assert_eq!(chunks.search(&file[..]).unwrap(), (len as u64, None));
            }
        }
        // Zeros are in every file.
        assert!(Chunks::of(&[vec![0; 64]]).chunks.is_empty());
        assert_eq!(chunks.search(&b""[..]).unwrap(), (0, None));
    }

    #[test]
    fn a_folder_is_searched_with_all_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let removed = [noise(64)];
        fs::create_dir(dir.path().join("old")).unwrap();
        fs::write(dir.path().join("a"), [1; 10]).unwrap();
        fs::write(dir.path().join("old/b"), [2; 20]).unwrap();
        let erased = search(dir.path(), &removed).unwrap().ok().unwrap();
        assert_eq!(
            erased,
            Erased {
                files: 2,
                bytes: 30
            }
        );
        let copy = [&[0; 33][..], &removed[0]].concat();
        fs::write(dir.path().join("old/b"), copy).unwrap();
        let found = search(dir.path(), &removed).unwrap().err().unwrap();
        assert_eq!((found.path, found.at), (dir.path().join("old/b"), 33));
    }

    #[test]
    fn a_wiped_file_is_all_zeros() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&noise(5000)).unwrap();
        wipe(file.try_clone().unwrap()).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0; 5000]);
    }
}
