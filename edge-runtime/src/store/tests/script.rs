//! What happens to a store in the tests of its faults, and what must be in it.

use super::disk::Disk;
use crate::store::fault::Fault;
use crate::store::key::Keys;
use crate::store::vault::{self, Person, Vault};
use redb::ReadableDatabase;
use shared::audit::{AuditEvent, What};
use shared::digest::Digest;
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::store::KeyFile;
use std::collections::BTreeMap;

/// Who is enrolled, and when; and how many entries the log has had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) people: BTreeMap<String, u64>,
    pub(super) logged: u64,
}

/// One change of a store.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Enroll(u64),
    Replace(u64),
    Remove(u64),
    Log,
}

pub(super) fn vault() -> Vault {
    Vault {
        keys: Keys::of(&KeyFile::new([7; 32], true)),
        log_entries: 20,
    }
}

/// An empty store.
pub(super) fn founded() -> Disk {
    let disk = Disk::default();
    let database = vault::open(disk.clone(), false).unwrap();
    vault::change(&database, |tx| vault().found(tx)).unwrap();
    database.close().unwrap();
    Disk::of(disk.bytes())
}

/// Enrollments, removals and entries of the log, mixed; the log is pruned from the middle on.
pub(super) fn script(steps: u64) -> Vec<Step> {
    let step = |n| match n % 5 {
        0 | 1 => Step::Enroll(n),
        2 => Step::Replace(n - 1),
        3 => Step::Log,
        _ if n % 10 == 4 => Step::Remove(n - 3),
        _ => Step::Enroll(n),
    };
    (0..steps).map(step).collect()
}

/// Of several sizes, so that pages are shared, filled and exceeded.
pub(super) fn record(person: u64, enrolled_at: u64) -> EnrollmentRecord {
    let template = |shot: u64| {
        let raw = (0..128).map(|i| ((person * 7919 + shot * 104_729 + i * 31) % 97) as f32 - 48.0);
        Embedding::from_raw(raw.collect()).unwrap()
    };
    let templates = (0..1 + person % 9).map(template).collect();
    EnrollmentRecord::new(&name(person), Digest::of(b"model"), templates, enrolled_at).unwrap()
}

fn name(person: u64) -> String {
    format!("person-{person}")
}

impl Step {
    /// Does it as the store does, and calls `acknowledged` when it would answer.
    pub(super) fn run(self, disk: &Disk, acknowledged: impl FnOnce()) -> Result<(), Fault> {
        let vault = vault();
        let database = vault::open(disk.clone(), false)?;
        vault::change(&database, |tx| {
            let event = match self {
                Self::Enroll(person) | Self::Replace(person) => {
                    let replace = matches!(self, Self::Replace(_));
                    let record = &record(person, 1000 + u64::from(replace));
                    let crops = None;
                    vault.add(tx, Person { record, crops }, replace)?;
                    vault::enrolled(record, replace)
                }
                Self::Remove(person) => {
                    vault.remove(tx, &name(person))?;
                    AuditEvent::new(What::Removed, Some(&name(person)), "")
                }
                Self::Log => AuditEvent::new(What::Refused, None, "score 0.2 is too low"),
            };
            vault.append(tx, 0, [event])
        })?;
        acknowledged();
        Ok(database.close()?)
    }

    /// What is in the store after it.
    pub(super) fn apply(self, contents: &mut Contents) {
        contents.logged += 1;
        match self {
            Self::Enroll(person) => drop(contents.people.insert(name(person), 1000)),
            Self::Replace(person) => drop(contents.people.insert(name(person), 1001)),
            Self::Remove(person) => drop(contents.people.remove(&name(person))),
            Self::Log => {}
        }
    }
}

/// What is in a store that is opened after a fault; every record must open and be whole, and the
/// log, too.
pub(super) fn contents(disk: &Disk) -> Result<Contents, Fault> {
    let vault = vault();
    let database = vault::open(disk.clone(), true)?;
    let mut contents = Contents::default();
    let tx = database.begin_read()?;
    vault.each(&tx, |_, found| {
        let found = found.ok().expect("a record that is in the store opens");
        let person = found.subject().rsplit('-').next().unwrap().parse().unwrap();
        assert!(
            found == record(person, found.enrolled_at),
            "it is a whole one"
        );
        contents
            .people
            .insert(found.subject().into(), found.enrolled_at);
    })?;
    let log = vault.verify(&tx, |_| ())?;
    contents.logged = log.first + log.entries;
    assert!(log.entries <= 20);
    drop(tx);
    database.close()?;
    Ok(contents)
}
