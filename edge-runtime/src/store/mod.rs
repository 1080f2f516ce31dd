//! The people of a door and its log: one database in a private folder, sealed with one key.
//!
//! Programs take turns: whoever reads or writes opens the database, holds a lock on the folder
//! meanwhile, and closes it again. A running door reads only when the people changed, which it
//! sees by a file that every change of people writes anew.

mod access;
mod begin;
mod erase;
mod error;
mod fault;
pub(crate) mod fuzzed;
mod key;
mod log;
mod overlay;
mod queue;
mod reembed;
mod sealed;
mod settings;
mod transfer;
mod vault;

pub use erase::Erased;
pub use error::{KeyError, RecordError, StoreError};
pub use log::{Logged, Verified};
pub use queue::{Backlog, Waiting};
pub use reembed::Renewed;
pub use settings::{KEY_FILE, Settings};
pub use transfer::Imported;
pub use vault::Person;

use crate::millis::unix_millis;
use crate::search;
use shared::audit::{AuditEvent, What};
use shared::bundle::Manifest;
use shared::digest::Digest;
use shared::enrollment::{EnrollmentRecord, check_subject};
use shared::roster::Roster;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vault::{Unreadable, Vault};
use zeroize::Zeroize;

/// The database in the folder.
pub const DATABASE: &str = "store.redb";
/// Another content tells a running door that people changed.
const MARKER: &str = "people.changed";
/// Where in an encoded record the person begins: after the header and the model's digest.
const PERSONAL: usize = 48;

/// The people who can be identified, and the records that cannot be used.
pub struct People {
    /// Who can be identified.
    pub roster: Roster,
    /// One error a record; these people stay locked out.
    pub unusable: Vec<RecordError>,
}

/// One record of the store.
pub struct Listed {
    /// Whom [`Store::remove`] takes to remove it. `None` if nobody can tell.
    pub subject: Option<String>,
    /// The record, or why it cannot be used.
    pub record: Result<EnrollmentRecord, RecordError>,
}

/// A store that was opened with its key; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    settings: Settings,
    vault: Vault,
    /// Whether every page was compared with its checksum by this program.
    checked: AtomicBool,
}

impl Store {
    /// Opens the store. Where there is none, makes the folder, a key, and an empty database, into
    /// which the records of an earlier release are taken that lie in the folder.
    ///
    /// # Errors
    /// [`StoreError`]: a key that is missing, wrong or not private, and never a new one for a
    /// store that exists.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        begin::open(settings)
    }

    fn new(settings: &Settings, vault: Vault) -> Self {
        Self(Arc::new(Inner {
            settings: settings.clone(),
            vault,
            checked: AtomicBool::new(false),
        }))
    }

    /// Finishes what a power cut interrupted, and compares every page with its checksum: what a
    /// door does before it relies on the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tend(&self) -> Result<(), StoreError> {
        self.0.checked.store(false, Ordering::Relaxed);
        self.write(|_| Ok(()))
    }

    /// Stores a person's record, without crops.
    ///
    /// Returns whether it replaced one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] unless `replace`; others, and then nothing was changed.
    pub fn add(&self, record: &EnrollmentRecord, replace: bool) -> Result<bool, StoreError> {
        let crops = None;
        self.add_person(Person { record, crops }, replace)
    }

    /// Stores a person's record and what it was made of.
    ///
    /// # Errors
    /// As of [`Store::add`].
    pub fn add_person(&self, person: Person<'_>, replace: bool) -> Result<bool, StoreError> {
        self.change_people(|vault, tx| {
            let replaced = vault.add(tx, person, replace)?;
            vault.append(
                tx,
                unix_millis(),
                [vault::enrolled(person.record, replaced)],
            )?;
            Ok(replaced)
        })
    }

    /// Removes a person's record, a damaged one, too, and searches the store for it.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`] if there is none; [`StoreError::NotErased`] and
    /// [`StoreError::StillThere`], and then the person is removed all the same; others.
    pub fn remove(&self, subject: &str) -> Result<Erased, StoreError> {
        check_subject(subject)?;
        let mut traces = self.plain_traces(subject)?;
        let sealed = self.change_people(|vault, tx| {
            let sealed = vault.remove(tx, subject)?;
            let event = AuditEvent::new(What::Removed, Some(subject), "");
            vault.append(tx, unix_millis(), [event])?;
            Ok(sealed)
        })?;
        traces.extend(sealed);
        let _locked = self.lock(true)?;
        let folder = &self.0.settings.folder;
        let searched = erase::search(folder, &traces);
        traces.zeroize();
        let searched = searched.map_err(|e| self.fault(folder, e))?;
        searched.map_err(|erase::Found { path, at }| StoreError::StillThere { path, at })
    }

    /// Every record, ordered by name: usable with the bundle of that manifest, or why not.
    ///
    /// # Errors
    /// [`StoreError`] if the store as a whole cannot be read.
    pub fn list(&self, manifest: &Manifest) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        self.judge(manifest, |subject, record| {
            listed.push(Listed { subject, record });
        })?;
        listed.sort_by(|a, b| {
            (a.subject.is_none(), &a.subject).cmp(&(b.subject.is_none(), &b.subject))
        });
        Ok(listed)
    }

    /// Everybody who can be identified with the bundle of that manifest. A record of another
    /// model, or a damaged one, is set aside with its reason, never compared and never deleted.
    ///
    /// # Errors
    /// [`StoreError`] if the store as a whole cannot be read.
    pub fn load(&self, manifest: &Manifest) -> Result<People, StoreError> {
        let mut unusable = Vec::new();
        let roster = self.judge(manifest, |_, record| unusable.extend(record.err()))?;
        unusable.sort_by(|a, b| a.subject().cmp(&b.subject()));
        Ok(People { roster, unusable })
    }

    /// What stands for the people as they are now; changes before they do.
    ///
    /// # Errors
    /// [`StoreError`] if the folder cannot be used any more.
    pub fn people_mark(&self) -> Result<PeopleMark, StoreError> {
        let folder = &self.0.settings.folder;
        access::private(folder)?;
        match fs::read(folder.join(MARKER)) {
            Ok(mark) => Ok(PeopleMark(mark)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PeopleMark(Vec::new())),
            Err(error) => Err(self.fault(folder, error)),
        }
    }

    /// Forgets the crops of everybody; returns of how many people.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_crops(&self) -> Result<u64, StoreError> {
        if self.read(|vault, tx| vault.keeps_no_crops(tx))? {
            return Ok(0);
        }
        self.write(|database| vault::change(database, |tx| self.0.vault.forget_crops(tx)))
    }

    fn judge(
        &self,
        manifest: &Manifest,
        mut take: impl FnMut(Option<String>, Result<EnrollmentRecord, RecordError>),
    ) -> Result<Roster, StoreError> {
        let mut roster = Roster::of(manifest).with_products(search::products);
        let mut unreadable = Vec::new();
        let names = self.read(|vault, tx| {
            vault.each(tx, |row, record| match record {
                Err(why) => unreadable.push((row, why)),
                Ok(record) => {
                    let subject = record.subject().to_owned();
                    let judged = match roster.add(&record) {
                        Ok(()) => Ok(record),
                        Err(source) => Err(RecordError::Roster {
                            subject: subject.clone(),
                            source,
                        }),
                    };
                    take(Some(subject), judged);
                }
            })?;
            // Rows tell no names, but whoever was enrolled is in the log.
            let names = if unreadable.is_empty() {
                Vec::new()
            } else {
                vault.names(tx)?
            };
            Ok(names)
        })?;
        for (row, why) in unreadable {
            let mut names = names.iter();
            let subject = names
                .find(|name| self.0.vault.keys.row(name) == row)
                .cloned();
            take(subject.clone(), Err(unusable(subject, row, why)));
        }
        for old in begin::old_files(&self.0.settings.folder)? {
            take(None, Err(begin::not_imported(&old)));
        }
        Ok(roster)
    }

    /// The templates of a person as they would lie on a disk unsealed.
    fn plain_traces(&self, subject: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let found = self.read(|vault, tx| vault.find(tx, subject))?;
        let record = found.and_then(Result::ok);
        let bytes = record.map(|record| record.encode()).transpose()?;
        // What comes before the name and the templates is the same in other people's records.
        Ok(bytes
            .iter()
            .map(|bytes| bytes[PERSONAL..].to_vec())
            .collect())
    }
}

/// Stands for the people of a store at one time.
#[derive(Clone, PartialEq, Eq)]
pub struct PeopleMark(Vec<u8>);

fn unusable(subject: Option<String>, row: vault::Row, why: Unreadable) -> RecordError {
    let row = Digest(row);
    match why {
        Unreadable::Seal => RecordError::Seal { subject, row },
        Unreadable::Content(source) => RecordError::Content {
            subject,
            row,
            source,
        },
    }
}

#[cfg(test)]
mod tests;
