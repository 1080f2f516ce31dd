//! The parsers of the store, as fuzzers call them.

use super::access::guarded;
use super::key::Keys;
use super::sealed::{self, About};
use super::transfer;
use super::vault::{self, Vault};
use crate::fuzzed::file;
use redb::backends::InMemoryBackend;
use redb::{ReadableDatabase, StorageBackend};
use shared::envelope::Kind;
use shared::store::{KeyFile, Transfer};
use std::path::Path;

const KEY: [u8; 32] = [7; 32];
const ABOUT: About<'_> = About("fuzzed", b"");

/// People from another door, once their seal was opened.
pub(crate) fn transfer(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| {
        let people = transfer::people(bytes).ok()?;
        let transfer = Transfer::decode(bytes).ok()?;
        assert_eq!(people.len(), transfer.people.len());
        Some(transfer)
    };
    file(Kind::Transfer, bytes, read, Transfer::encode)
}

/// What nobody sealed does not open: neither the bytes themselves, nor a seal that they change.
pub(crate) fn seal(bytes: &[u8]) -> bool {
    assert!(sealed::open(&KEY, ABOUT, bytes).is_none(), "a forged seal");
    let sealed = sealed::seal(&KEY, ABOUT, b"template").expect("there are random numbers");
    let mut changed = sealed.clone();
    for (at, byte) in bytes.iter().enumerate() {
        changed[at % sealed.len()] ^= byte;
    }
    let opened = sealed::open(&KEY, ABOUT, &changed).is_some();
    assert_eq!(opened, changed == sealed, "a changed seal");
    opened
}

/// A database file: it is read as it was written, or refused.
pub(crate) fn database(bytes: &[u8]) -> bool {
    let read = guarded(Path::new("store.redb"), || {
        let file = InMemoryBackend::new();
        file.set_len(bytes.len() as u64)
            .and_then(|()| file.write(0, bytes))
            .map_err(redb::StorageError::Io)?;
        let vault = Vault {
            keys: Keys::of(&KeyFile::new(KEY, true)),
            log_entries: 1000,
        };
        let database = vault::open(file, true)?;
        let tx = database.begin_read()?;
        vault.each(&tx, |row, record| {
            if let Ok(record) = record {
                assert!(vault.keys.row(record.subject()) == row, "another's record");
            }
        })?;
        vault.verify(&tx, |_| ())?;
        Ok(())
    });
    read.is_ok()
}
