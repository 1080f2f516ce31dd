//! The key of a store: one file of 32 random bytes, and the keys that are made of it.

use super::error::KeyError;
use crate::atomic_file;
use crate::capped_file;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::envelope::Kind;
use shared::store::KeyFile;
use std::path::Path;
use zeroize::Zeroizing;

const MAX_FILE_LEN: u64 = 1024;

/// A secret that leaves the memory with its last owner.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// One key for each use, so that nothing sealed for one is taken for another.
pub(super) struct Keys {
    pub(super) records: Secret,
    pub(super) crops: Secret,
    pub(super) log: Secret,
    pub(super) queue: Secret,
    names: Secret,
    /// Stands in the store to tell whether this is its key; says nothing about it.
    pub(super) check: [u8; 32],
}

impl Keys {
    pub(super) fn of(key: &KeyFile) -> Self {
        let subkey = |purpose: &str| Zeroizing::new(keyed(key.key(), purpose.as_bytes()));
        Self {
            records: subkey("facelatch store 1 records"),
            crops: subkey("facelatch store 1 crops"),
            log: subkey("facelatch store 1 log"),
            queue: subkey("facelatch store 1 queue"),
            names: subkey("facelatch store 1 names"),
            check: keyed(key.key(), b"facelatch store 1 check"),
        }
    }

    /// Where a person's record stands: a place that tells the name to nobody without the key.
    pub(super) fn row(&self, subject: &str) -> [u8; 32] {
        keyed(&self.names, subject.as_bytes())
    }
}

/// HMAC-SHA256: of a random key it makes keys that tell nothing of it or of each other.
fn keyed(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.chain_update(message).finalize().into_bytes().into()
}

/// Random bytes of the system.
///
/// # Errors
/// [`KeyError::Random`].
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}

/// Reads a key file that only its owner may read.
///
/// # Errors
/// [`KeyError`], and never a new key.
pub(super) fn read(path: &Path, kind: Kind) -> Result<KeyFile, KeyError> {
    let bytes = Zeroizing::new(capped_file::read(path, MAX_FILE_LEN)?);
    if let Some(mode) = capped_file::open_to_others(path) {
        let path = path.into();
        return Err(KeyError::Permissions { path, mode });
    }
    KeyFile::decode(kind, &bytes).map_err(|source| KeyError::Content {
        path: path.into(),
        source,
    })
}

/// Writes a key file, mode 0600.
///
/// # Errors
/// As of [`atomic_file::write`].
pub(super) fn write(path: &Path, key: &KeyFile, kind: Kind) -> Result<(), super::StoreError> {
    let bytes = Zeroizing::new(key.encode(kind)?);
    Ok(atomic_file::write(path, &bytes, Some(0o600))?)
}
