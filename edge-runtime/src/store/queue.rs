//! Messages that wait until somebody outside has them: sealed, in order, and no more than a bound.

use super::Store;
use super::error::StoreError;
use super::fault::Fault;
use super::sealed::{self, About};
use super::vault::{self, META, QUEUE, Vault};
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError,
    WriteTransaction,
};
use shared::store::QueueEnds;
use zeroize::Zeroizing;

const ENDS: &str = "queue";
const ABOUT_ENDS: About<'_> = About("queue", b"");

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of the newest message that there ever was; the first is 1.
    pub newest: u64,
    /// How many wait.
    pub len: u64,
    /// How many were dropped over all the time, because the bound was reached.
    pub dropped: u64,
}

/// A message that waits.
pub struct Waiting {
    /// Its place in the order.
    pub number: u64,
    /// As it was given to [`Store::queue`].
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Store {
    /// Forgets the messages up to number `delivered`, adds new ones, and drops the oldest where
    /// more than `bound` wait; all of it, or nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queue(
        &self,
        delivered: u64,
        new: &[Vec<u8>],
        bound: u64,
    ) -> Result<Backlog, StoreError> {
        self.write(|database| {
            vault::change(database, |tx| self.0.vault.queue(tx, delivered, new, bound))
        })
    }

    /// The oldest messages from number `from` on, at most so many. One whose seal is broken is
    /// passed over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting(&self, from: u64, at_most: usize) -> Result<Vec<Waiting>, StoreError> {
        self.read(|vault, tx| vault.waiting(tx, from, at_most))
    }
}

impl Vault {
    /// As [`Store::queue`].
    pub(super) fn queue(
        &self,
        tx: &WriteTransaction,
        delivered: u64,
        new: &[Vec<u8>],
        bound: u64,
    ) -> Result<Backlog, Fault> {
        let mut queue = tx.open_table(QUEUE)?;
        let mut meta = tx.open_table(META)?;
        let sealed = meta.get(ENDS)?.map(|ends| ends.value().to_vec());
        let plain = sealed.and_then(|sealed| sealed::open(&self.keys.queue, ABOUT_ENDS, &sealed));
        // Ends that were damaged from outside do not keep the door from telling what comes.
        let ends = plain.and_then(|plain| postcard::from_bytes(&plain).ok());
        let QueueEnds {
            mut newest,
            mut dropped,
        } = ends.unwrap_or_default();
        newest = newest.max(queue.last()?.map_or(0, |(number, _)| number.value()));
        queue.retain_in(..=delivered, |_, _| false)?;
        for message in new {
            newest += 1;
            let about = newest.to_be_bytes();
            let sealed = sealed::seal(&self.keys.queue, About("message", &about), message)?;
            queue.insert(newest, &sealed[..])?;
        }
        while queue.len()? > bound {
            queue.pop_first()?;
            dropped += 1;
        }
        let plain = postcard::to_allocvec(&QueueEnds { newest, dropped });
        let plain = plain.expect("memory is all that it takes");
        let sealed = sealed::seal(&self.keys.queue, ABOUT_ENDS, &plain)?;
        meta.insert(ENDS, &sealed[..])?;
        let len = queue.len()?;
        Ok(Backlog {
            newest,
            len,
            dropped,
        })
    }

    /// As [`Store::waiting`].
    pub(super) fn waiting(
        &self,
        tx: &ReadTransaction,
        from: u64,
        at_most: usize,
    ) -> Result<Vec<Waiting>, Fault> {
        let mut waiting = Vec::new();
        let Some(queue) = table(tx)? else {
            return Ok(waiting);
        };
        for entry in queue.range(from..)? {
            if waiting.len() == at_most {
                break;
            }
            let (number, sealed) = entry?;
            let number = number.value();
            let about = number.to_be_bytes();
            let bytes = sealed::open(&self.keys.queue, About("message", &about), sealed.value());
            waiting.extend(bytes.map(|bytes| Waiting { number, bytes }));
        }
        Ok(waiting)
    }
}

/// The queue, if there ever was a message in this store.
pub(super) fn table(
    tx: &ReadTransaction,
) -> Result<Option<ReadOnlyTable<u64, &'static [u8]>>, Fault> {
    match tx.open_table(QUEUE) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
