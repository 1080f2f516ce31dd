//! Reading a database that was not closed, without changing its file: it is put right in memory.
//!
//! So people can be listed from a disk that is full, read-only or failing.

use redb::StorageBackend;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

const PAGE_LEN: u64 = 4096;

/// A file, and what would have been written to it.
#[derive(Debug)]
pub(super) struct Overlay(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    /// Of the file; shorter if it was cut, so that what lay beyond does not come back.
    file_len: u64,
    len: u64,
    pages: HashMap<u64, Box<[u8]>>,
}

impl Overlay {
    pub(super) fn of(file: File) -> Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self(Mutex::new(State {
            file,
            file_len: len,
            len,
            pages: HashMap::new(),
        })))
    }

    fn with<T>(&self, job: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        job(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// A page as it is now, zeros where nothing is.
    fn page(&mut self, number: u64) -> Result<&mut [u8]> {
        if !self.pages.contains_key(&number) {
            let at = number * PAGE_LEN;
            let mut page = Vec::with_capacity(PAGE_LEN as usize);
            self.file.seek(SeekFrom::Start(at))?;
            let there = self.file_len.saturating_sub(at).min(PAGE_LEN);
            self.file.by_ref().take(there).read_to_end(&mut page)?;
            page.resize(PAGE_LEN as usize, 0);
            self.pages.insert(number, page.into());
        }
        let page = self.pages.get_mut(&number);
        Ok(page.expect("it was inserted if it was not there"))
    }

    /// Calls `job` with the part of each page that a range covers, and where it is in the range.
    fn cover(
        &mut self,
        at: u64,
        len: usize,
        mut job: impl FnMut(&mut [u8], std::ops::Range<usize>),
    ) -> Result<()> {
        let mut done = 0;
        while done < len {
            let (page, from) = ((at + done as u64) / PAGE_LEN, (at + done as u64) % PAGE_LEN);
            let count = (len - done).min((PAGE_LEN - from) as usize);
            let part = &mut self.page(page)?[from as usize..][..count];
            job(part, done..done + count);
            done += count;
        }
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> Result<u64> {
        self.with(|state| Ok(state.len))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.with(|state| {
            let end = offset.checked_add(out.len() as u64);
            if end.is_none_or(|end| end > state.len) {
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
            state.cover(offset, out.len(), |part, range| {
                out[range].copy_from_slice(part)
            })
        })
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.with(|state| {
            if len < state.len {
                // The rest of the last page, and the pages after it, are zeros when they come back.
                let tail = (PAGE_LEN - len % PAGE_LEN) % PAGE_LEN;
                state.cover(len, tail as usize, |part, _| part.fill(0))?;
                state.file_len = state.file_len.min(len);
                state.pages.retain(|page, _| page * PAGE_LEN < len);
            }
            state.len = len;
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.with(|state| {
            state.len = state.len.max(offset + data.len() as u64);
            state.cover(offset, data.len(), |part, range| {
                part.copy_from_slice(&data[range])
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_overlay_is_the_file_with_the_changes_and_the_file_stays() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let overlay = Overlay::of(file.try_clone().unwrap()).unwrap();
        let mut expected = bytes.clone();
        let check = |expected: &[u8]| {
            assert_eq!(overlay.len().unwrap(), expected.len() as u64);
            let mut read = vec![0; expected.len()];
            overlay.read(0, &mut read).unwrap();
            assert!(read == expected);
        };
        check(&expected);
        overlay.write(4090, &[9; 5000]).unwrap();
        expected[4090..9090].fill(9);
        check(&expected);
        for len in [5000, 9000, 3, 20_000] {
            overlay.set_len(len).unwrap();
            expected.resize(len as usize, 0);
            check(&expected);
        }
        assert!(overlay.read(19_999, &mut [0; 2]).is_err());
        let mut now = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut now).unwrap();
        assert!(now == bytes);
    }
}
