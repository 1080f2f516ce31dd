//! The database: sealed people and their crops, in transactions that hold whole or not at all.
//!
//! ```text
//! meta    name -> bytes          format; check (of the key); chain, queue (sealed); erase
//! people  keyed name -> sealed   EnrollmentRecord
//! crops   keyed name -> sealed   KeptCrops
//! log     number -> sealed       AuditEntry
//! queue   number -> sealed       a message that waits
//! ```

use super::error::StoreError;
use super::fault::Fault;
use super::key::Keys;
use super::overlay::Overlay;
use super::sealed::{self, About};
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageBackend, TableDefinition, WriteTransaction,
};
use shared::audit::{AuditEvent, What};
use shared::enrollment::{EnrollmentError, EnrollmentRecord};
use shared::store::KeptCrops;
use std::fs::File;
use std::path::Path;
use zeroize::Zeroizing;

pub(super) type Row = [u8; 32];
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const PEOPLE: TableDefinition<'_, &Row, &[u8]> = TableDefinition::new("people");
pub(super) const CROPS: TableDefinition<'_, &Row, &[u8]> = TableDefinition::new("crops");
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Not there in the store of an earlier release, until something is put into it.
pub(super) const QUEUE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("queue");

pub(super) const CHAIN: &str = "chain";
const FORMAT: &str = "format";
const CHECK: &str = "check";
/// There while pages of the database may hold what was removed.
pub(super) const ERASE: &str = "erase";

const VERSION: &[u8] = b"facelatch store 1";
/// The door's memory is small, and everything is read once.
const CACHE_BYTES: usize = 8 << 20;

/// A person on the way into the store.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    /// Name and templates.
    pub record: &'a EnrollmentRecord,
    /// What they were made of, where it is to be kept.
    pub crops: Option<&'a KeptCrops>,
}

/// Why a row is not a record.
pub(super) enum Unreadable {
    Seal,
    Content(EnrollmentError),
}

/// What opens the rows, and how many entries the log has.
pub(super) struct Vault {
    pub(super) keys: Keys,
    pub(super) log_entries: u64,
}

/// Opens a database to change it, or makes one where there is nothing. With `check` every page is
/// compared with its checksum first, so that a damaged one is not written to.
pub(super) fn open(backend: impl StorageBackend, check: bool) -> Result<Database, Fault> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_check_integrity_on_open(check);
    Ok(builder.create_with_backend(backend)?)
}

/// Reads a database that nobody changes. One that was not closed is put right in memory.
pub(super) fn read<T>(
    path: &Path,
    job: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut builder = Builder::new();
    match builder.set_cache_size(CACHE_BYTES).open_read_only(path) {
        Ok(database) => job(&database.begin_read()?),
        Err(redb::DatabaseError::RepairAborted) => {
            let overlay = File::open(path).and_then(Overlay::of);
            let overlay = overlay.map_err(redb::StorageError::Io)?;
            job(&open(overlay, true)?.begin_read()?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes everything that `job` changes, or nothing.
pub(super) fn change<T>(
    database: &Database,
    job: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut transaction = database.begin_write()?;
    // The state before stays valid until the new one is whole on the disk.
    transaction.set_two_phase_commit(true);
    let done = job(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

impl Vault {
    /// Makes the tables of a new store.
    pub(super) fn found(&self, tx: &WriteTransaction) -> Result<(), Fault> {
        tx.open_table(PEOPLE)?;
        tx.open_table(CROPS)?;
        tx.open_table(LOG)?;
        let mut meta = tx.open_table(META)?;
        meta.insert(FORMAT, VERSION)?;
        meta.insert(CHECK, &self.keys.check[..])?;
        drop(meta);
        self.begin_log(tx)
    }

    /// Whether this is a store of this release, and of this key.
    pub(super) fn is_mine(&self, tx: &ReadTransaction, path: &Path) -> Result<bool, Fault> {
        let meta = tx.open_table(META)?;
        let format = meta.get(FORMAT)?.map(|value| value.value().to_vec());
        let found = format.unwrap_or_default();
        if found != VERSION {
            let path = path.into();
            return Err(StoreError::Format { path, found }.into());
        }
        let check = meta.get(CHECK)?;
        Ok(check.is_some_and(|check| check.value() == self.keys.check))
    }

    /// Stores a person; returns whether there was one of that name.
    pub(super) fn add(
        &self,
        tx: &WriteTransaction,
        person: Person<'_>,
        replace: bool,
    ) -> Result<bool, Fault> {
        let subject = person.record.subject();
        let row = self.keys.row(subject);
        let plain = Zeroizing::new(person.record.encode()?);
        let sealed = sealed::seal(&self.keys.records, About("record", &row), &plain)?;
        let mut people = tx.open_table(PEOPLE)?;
        let exists = people.insert(&row, &sealed[..])?.is_some();
        if exists && !replace {
            return Err(StoreError::Exists(subject.into()).into());
        }
        let mut crops = tx.open_table(CROPS)?;
        let had_crops = match person.crops {
            Some(kept) => {
                let plain = Zeroizing::new(kept.encode()?);
                let sealed = sealed::seal(&self.keys.crops, About("crops", &row), &plain)?;
                crops.insert(&row, &sealed[..])?.is_some()
            }
            None => crops.remove(&row)?.is_some(),
        };
        if exists || had_crops {
            mark(tx)?;
        }
        Ok(exists)
    }

    /// Takes a person out, of whose record only the name need be known. Returns the sealed bytes,
    /// which must not be found on the disk any more.
    pub(super) fn remove(
        &self,
        tx: &WriteTransaction,
        subject: &str,
    ) -> Result<Vec<Vec<u8>>, Fault> {
        let row = self.keys.row(subject);
        let mut removed = Vec::new();
        for table in [PEOPLE, CROPS] {
            let mut table = tx.open_table(table)?;
            let sealed = table.remove(&row)?;
            removed.extend(sealed.map(|sealed| sealed.value().to_vec()));
        }
        if removed.is_empty() {
            return Err(StoreError::NotEnrolled(subject.into()).into());
        }
        mark(tx)?;
        Ok(removed)
    }

    /// Every row, opened, in no order that tells anything.
    pub(super) fn each(
        &self,
        tx: &ReadTransaction,
        mut take: impl FnMut(Row, Result<EnrollmentRecord, Unreadable>),
    ) -> Result<(), Fault> {
        for entry in tx.open_table(PEOPLE)?.iter()? {
            let (row, sealed) = entry?;
            let row = *row.value();
            take(row, self.record(&row, sealed.value()));
        }
        Ok(())
    }

    /// One person's record; `None` if nobody of that name is enrolled.
    pub(super) fn find(
        &self,
        tx: &ReadTransaction,
        subject: &str,
    ) -> Result<Option<Result<EnrollmentRecord, Unreadable>>, Fault> {
        let row = self.keys.row(subject);
        let sealed = tx.open_table(PEOPLE)?.get(&row)?;
        Ok(sealed.map(|sealed| self.record(&row, sealed.value())))
    }

    /// The crops that a person was enrolled from, if they are kept and whole.
    pub(super) fn crops(
        &self,
        tx: &ReadTransaction,
        subject: &str,
    ) -> Result<Option<KeptCrops>, Fault> {
        let row = self.keys.row(subject);
        let sealed = tx.open_table(CROPS)?.get(&row)?;
        let open = |sealed: &[u8]| {
            let plain = sealed::open(&self.keys.crops, About("crops", &row), sealed)?;
            KeptCrops::decode(&plain).ok()
        };
        Ok(sealed.and_then(|sealed| open(sealed.value())))
    }

    /// Whether no crops of anybody are kept.
    pub(super) fn keeps_no_crops(&self, tx: &ReadTransaction) -> Result<bool, Fault> {
        Ok(tx.open_table(CROPS)?.is_empty()?)
    }

    /// Forgets every crop; returns of how many people.
    pub(super) fn forget_crops(&self, tx: &WriteTransaction) -> Result<u64, Fault> {
        let mut forgotten = 0;
        tx.open_table(CROPS)?.retain(|_, _| {
            forgotten += 1;
            false
        })?;
        if forgotten > 0 {
            mark(tx)?;
        }
        Ok(forgotten)
    }

    fn record(&self, row: &Row, sealed: &[u8]) -> Result<EnrollmentRecord, Unreadable> {
        let plain = sealed::open(&self.keys.records, About("record", row), sealed);
        let plain = plain.ok_or(Unreadable::Seal)?;
        EnrollmentRecord::decode(&plain).map_err(Unreadable::Content)
    }
}

/// What was in the store must be erased from its pages.
fn mark(tx: &WriteTransaction) -> Result<(), Fault> {
    tx.open_table(META)?.insert(ERASE, &[][..])?;
    Ok(())
}

/// Whether pages may hold what was removed.
pub(super) fn is_marked(database: &impl ReadableDatabase) -> Result<bool, Fault> {
    let meta = database.begin_read()?.open_table(META)?;
    Ok(meta.get(ERASE)?.is_some())
}

/// The entry of the log that goes with an enrollment.
pub(super) fn enrolled(record: &EnrollmentRecord, replaced: bool) -> AuditEvent {
    let what = [What::Enrolled, What::Replaced][usize::from(replaced)];
    let detail = format!("{} templates", record.template_count());
    AuditEvent::new(what, Some(record.subject()), &detail)
}
