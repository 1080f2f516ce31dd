//! Carrying people to another door: a sealed file, and a key that is made for it alone.

use super::error::StoreError;
use super::sealed::{self, About};
use super::vault::{Person, Unreadable};
use super::{Store, key};
use crate::atomic_file;
use crate::capped_file;
use crate::millis::unix_millis;
use serde_bytes::ByteBuf;
use shared::audit::{AuditEvent, What};
use shared::bundle::Manifest;
use shared::enrollment::{EnrollmentError, EnrollmentRecord, check_subject};
use shared::envelope::{self, Kind};
use shared::store::{KeptCrops, KeyFile, Transfer, Traveler};
use std::path::Path;
use zeroize::Zeroizing;

const ABOUT: About<'_> = About("transfer 1", b"");
const MAX_FILE_LEN: u64 = Kind::SealedTransfer.max_len() as u64 + 1024;

/// Who came from another door.
#[derive(Clone, PartialEq, Eq)]
pub struct Imported {
    /// Whose name the door did not know.
    pub new: Vec<String>,
    /// Whose record was replaced.
    pub replaced: Vec<String>,
}

impl Store {
    /// Writes people into `to`, sealed, and the key of the seal into `key_path`; neither may be
    /// there already. They stay in this store.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`], also for a damaged record; [`StoreError::Transfer`]; others.
    pub fn export(
        &self,
        subjects: &[String],
        to: &Path,
        key_path: &Path,
    ) -> Result<(), StoreError> {
        for path in [to, key_path] {
            if path.try_exists().unwrap_or(true) {
                return Err(refused(path, "there already; give another name"));
            }
        }
        let mut transfer = Transfer { people: Vec::new() };
        for subject in subjects {
            check_subject(subject)?;
            transfer.people.push(self.traveler(subject)?);
        }
        let secret = Zeroizing::new(key::random::<32>()?);
        let plain = Zeroizing::new(transfer.encode()?);
        let sealed = ByteBuf::from(sealed::seal(&secret, ABOUT, &plain)?);
        let bytes = envelope::encode(Kind::SealedTransfer, &sealed)?;
        // What leaves the door is in the log before it leaves.
        let detail = to.file_name().unwrap_or_default().to_string_lossy();
        let event = |subject: &String| {
            let event = AuditEvent::new(What::Exported, Some(subject), &detail);
            (unix_millis(), event)
        };
        self.append(subjects.iter().map(event).collect())?;
        atomic_file::write(to, &bytes, Some(0o600))?;
        key::write(key_path, &KeyFile::new(*secret, true), Kind::TransferKey)
    }

    fn traveler(&self, subject: &str) -> Result<Traveler, StoreError> {
        let (record, crops) = self.read(|vault, tx| {
            let record = vault.find(tx, subject)?;
            let record = record.and_then(|record: Result<_, Unreadable>| record.ok());
            Ok((record, vault.crops(tx, subject)?))
        })?;
        let record = record.ok_or_else(|| StoreError::NotEnrolled(subject.into()))?;
        let crops = crops.map(|crops| crops.encode()).transpose()?;
        Ok(Traveler {
            record: record.encode()?,
            crops: crops.map(ByteBuf::from),
        })
    }

    /// The people in a file of another door's [`Store::export`].
    ///
    /// # Errors
    /// [`StoreError::Transfer`] for a file that is damaged or of another key; others.
    pub fn carried(from: &Path, key_path: &Path) -> Result<Vec<String>, StoreError> {
        let people = unpack(from, key_path)?;
        Ok(people.iter().map(|(r, _)| r.subject().into()).collect())
    }

    /// Takes people from a file of another door's [`Store::export`], all or none. Their templates
    /// must be of the manifest's model, or of one that it accepts.
    ///
    /// # Errors
    /// [`StoreError::Transfer`] for a file that is damaged, of another key or of another model;
    /// [`StoreError::Exists`] unless `replace`; others.
    pub fn import(
        &self,
        from: &Path,
        key_path: &Path,
        manifest: &Manifest,
        replace: bool,
    ) -> Result<Imported, StoreError> {
        let people = unpack(from, key_path)?;
        let model = manifest.model_digest;
        let foreign = people
            .iter()
            .find(|(record, _)| record.model != model && manifest.accepts(record.model).is_none());
        if let Some((record, _)) = foreign {
            let subject = record.subject();
            let reason = format!(
                "{subject} was enrolled under model {:?}, this door runs model {model:?}; give both doors one bundle, or enroll anew",
                record.model
            );
            return Err(refused(from, &reason));
        }
        let keep = self.0.settings.keep_crops;
        self.change_people(|vault, tx| {
            let mut imported = Imported {
                new: Vec::new(),
                replaced: Vec::new(),
            };
            for (record, crops) in &people {
                let crops = crops.as_ref().filter(|_| keep);
                let replaced = vault.add(tx, Person { record, crops }, replace)?;
                let subject = record.subject();
                let detail = ["", "in place of the record before"][usize::from(replaced)];
                let event = AuditEvent::new(What::Imported, Some(subject), detail);
                vault.append(tx, unix_millis(), [event])?;
                let names = if replaced {
                    &mut imported.replaced
                } else {
                    &mut imported.new
                };
                names.push(subject.into());
            }
            Ok(imported)
        })
    }
}

type Traveled = (EnrollmentRecord, Option<KeptCrops>);

fn unpack(from: &Path, key_path: &Path) -> Result<Vec<Traveled>, StoreError> {
    let secret = key::read(key_path, Kind::TransferKey)?;
    let bytes = capped_file::read(from, MAX_FILE_LEN)?;
    let damaged = |error: &dyn std::fmt::Display| refused(from, &error.to_string());
    let sealed: ByteBuf =
        envelope::decode(Kind::SealedTransfer, &bytes).map_err(|error| damaged(&error))?;
    let plain = sealed::open(secret.key(), ABOUT, &sealed);
    let plain = plain.ok_or_else(|| {
        refused(
            from,
            "it was changed, or the key is not the one that was made with it",
        )
    })?;
    people(&plain).map_err(|error| damaged(&error))
}

/// The people in what was sealed.
pub(super) fn people(plain: &[u8]) -> Result<Vec<Traveled>, EnrollmentError> {
    let person = |traveler: &Traveler| {
        let record = EnrollmentRecord::decode(&traveler.record)?;
        let crops = traveler.crops.as_ref();
        let crops = crops.map(|crops| KeptCrops::decode(crops)).transpose()?;
        Ok((record, crops))
    };
    Transfer::decode(plain)?.people.iter().map(person).collect()
}

fn refused(path: &Path, reason: &str) -> StoreError {
    StoreError::Transfer {
        path: path.into(),
        reason: reason.into(),
    }
}
