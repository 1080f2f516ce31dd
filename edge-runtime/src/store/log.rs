//! The log in the database: sealed entries, and the sealed ends of their chain.
//!
//! Without the key no entry can be read or made, and the ends cannot be changed: a log from which
//! something was taken, or to which something was put, does not fit its ends any more.

use super::Store;
use super::error::StoreError;
use super::fault::Fault;
use super::sealed::{self, About};
use super::vault::{self, CHAIN, LOG, META, Vault};
use crate::millis::unix_millis;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use shared::audit::{AuditEntry, AuditEvent, Chain, ChainError, What};
use shared::digest::Digest;

const ABOUT_CHAIN: About<'_> = About("chain", b"");

/// One entry and its digest.
pub struct Logged {
    /// What happened.
    pub entry: AuditEntry,
    /// What the next entry holds of it.
    pub digest: Digest,
}

/// A log that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Number of the oldest entry that is kept.
    pub first: u64,
    /// How many entries are kept.
    pub entries: u64,
    /// Digest of the newest entry, or of the newest that was let go.
    pub head: Digest,
}

impl Store {
    /// Adds to the log.
    ///
    /// # Errors
    /// [`StoreError`], and then nothing was added.
    pub fn append(&self, events: Vec<(u64, AuditEvent)>) -> Result<(), StoreError> {
        self.write(|database| {
            vault::change(database, |tx| {
                let vault = &self.0.vault;
                events
                    .into_iter()
                    .try_for_each(|(at_ms, event)| vault.append(tx, at_ms, [event]))
            })
        })
    }

    /// Gives every entry of the log to `take`, oldest first, and says whether the log is whole.
    ///
    /// # Errors
    /// [`StoreError::Log`] says where it is broken; others.
    pub fn verify_log(&self, mut take: impl FnMut(Logged)) -> Result<Verified, StoreError> {
        self.read(|vault, tx| vault.verify(tx, &mut take))
    }

    /// Begins a new log in place of a damaged one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn restart_log(&self) -> Result<(), StoreError> {
        self.write(|database| {
            vault::change(database, |tx| self.0.vault.restart_log(tx, unix_millis()))
        })
    }
}

impl Vault {
    /// An empty log.
    pub(super) fn begin_log(&self, tx: &WriteTransaction) -> Result<(), Fault> {
        tx.open_table(LOG)?.retain(|_, _| false)?;
        self.write_chain(tx, &Chain::default())
    }

    /// Adds to the log, and lets the oldest entries go that are too many.
    pub(super) fn append(
        &self,
        tx: &WriteTransaction,
        at_ms: u64,
        events: impl IntoIterator<Item = AuditEvent>,
    ) -> Result<(), Fault> {
        let chain = tx.open_table(META)?.get(CHAIN)?.map(|c| c.value().to_vec());
        let mut chain = self.chain(chain.as_deref())?;
        let mut log = tx.open_table(LOG)?;
        for event in events {
            let entry = chain.extend(at_ms, event);
            let about = entry.number.to_be_bytes();
            let sealed = sealed::seal(&self.keys.log, About("entry", &about), &entry.encode())?;
            if log.insert(entry.number, &sealed[..])?.is_some() {
                return Err(damaged("there is an entry after the newest"));
            }
        }
        while chain.len() > self.log_entries {
            let oldest = log.remove(chain.first())?;
            let oldest = oldest.and_then(|sealed| self.entry(chain.first(), sealed.value()));
            let oldest = oldest.ok_or_else(|| unreadable(chain.first()))?;
            chain.forget(&oldest).map_err(broken)?;
        }
        drop(log);
        self.write_chain(tx, &chain)
    }

    /// Begins a new log in place of a damaged one; its first entry says so.
    pub(super) fn restart_log(&self, tx: &WriteTransaction, at_ms: u64) -> Result<(), Fault> {
        self.begin_log(tx)?;
        let detail = "the log before was damaged or changed from outside";
        self.append(tx, at_ms, [AuditEvent::new(What::Restarted, None, detail)])
    }

    /// Gives every entry to `take`, oldest first, and says whether the chain is whole.
    pub(super) fn verify(
        &self,
        tx: &ReadTransaction,
        mut take: impl FnMut(Logged),
    ) -> Result<Verified, Fault> {
        let chain = tx.open_table(META)?.get(CHAIN)?;
        let chain = self.chain(chain.as_ref().map(|c| c.value()))?;
        let mut walk = chain.walk();
        for entry in tx.open_table(LOG)?.iter()? {
            let (number, sealed) = entry?;
            let entry = self.entry(number.value(), sealed.value());
            let entry = entry.ok_or_else(|| unreadable(number.value()))?;
            let digest = walk.step(&entry).map_err(broken)?;
            take(Logged { entry, digest });
        }
        walk.finish().map_err(broken)?;
        Ok(Verified {
            first: chain.first(),
            entries: chain.len(),
            head: chain.head(),
        })
    }

    /// Every name that the log tells, as far as it can be read.
    pub(super) fn names(&self, tx: &ReadTransaction) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        for entry in tx.open_table(LOG)?.iter()? {
            let (number, sealed) = entry?;
            let entry = self.entry(number.value(), sealed.value());
            names.extend(entry.and_then(|entry| entry.event.subject));
        }
        Ok(names)
    }

    fn entry(&self, number: u64, sealed: &[u8]) -> Option<AuditEntry> {
        let about = number.to_be_bytes();
        let plain = sealed::open(&self.keys.log, About("entry", &about), sealed)?;
        AuditEntry::decode(&plain)
    }

    fn chain(&self, sealed: Option<&[u8]>) -> Result<Chain, Fault> {
        let plain = sealed.and_then(|sealed| sealed::open(&self.keys.log, ABOUT_CHAIN, sealed));
        let chain = plain.and_then(|plain| Chain::decode(&plain));
        chain.ok_or_else(|| damaged("the seal of its ends is broken"))
    }

    fn write_chain(&self, tx: &WriteTransaction, chain: &Chain) -> Result<(), Fault> {
        let sealed = sealed::seal(&self.keys.log, ABOUT_CHAIN, &chain.encode())?;
        tx.open_table(META)?.insert(CHAIN, &sealed[..])?;
        Ok(())
    }
}

fn unreadable(number: u64) -> Fault {
    damaged(&format!("the seal of entry {number} is broken"))
}

fn broken(error: ChainError) -> Fault {
    damaged(&error.to_string())
}

fn damaged(reason: &str) -> Fault {
    Fault::Store(StoreError::Log(reason.into()))
}
