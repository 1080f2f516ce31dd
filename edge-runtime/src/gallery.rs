//! The people of a running door: read again when the store changes, so that whoever is removed
//! stays out from then on.

use crate::identify::{Identifier, Identify};
use crate::store::{RecordError, Store, StoreError};
use shared::bundle::{Manifest, NoOperatingPoint};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// File systems tell times no coarser than this: a later change has another time.
const COARSEST_TIME: Duration = Duration::from_secs(2);

/// Why the door does not know its people.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No threshold was measured for that many people.
    #[error(transparent)]
    OperatingPoint(#[from] NoOperatingPoint),
}

/// The people of a store, as they are now.
pub struct Gallery {
    folder: PathBuf,
    manifest: Manifest,
    asked: Identify,
    read: Reading,
}

/// What was read of the store.
struct Reading {
    identifier: Identifier,
    unusable: Vec<RecordError>,
    changed_at: SystemTime,
    /// Whether a change after the reading must have another time.
    settled: bool,
}

impl Gallery {
    /// Reads the store; `asked` as in [`Identifier::new`].
    ///
    /// # Errors
    /// [`GalleryError`].
    pub fn open(folder: &Path, manifest: Manifest, asked: Identify) -> Result<Self, GalleryError> {
        Ok(Self {
            read: Reading::of(folder, &manifest, &asked)?,
            folder: folder.into(),
            manifest,
            asked,
        })
    }

    /// The people and their threshold.
    pub fn identifier(&self) -> &Identifier {
        &self.read.identifier
    }

    /// The records that are not used; these people stay locked out.
    pub fn unusable(&self) -> &[RecordError] {
        &self.read.unusable
    }

    /// Reads the store again if it changed. Returns whether it did.
    ///
    /// # Errors
    /// [`GalleryError`]; the people read before are not to be relied on.
    pub fn refresh(&mut self) -> Result<bool, GalleryError> {
        let before = self.read.changed_at;
        if self.read.settled && before == changed_at(&self.folder)? {
            return Ok(false);
        }
        self.read = Reading::of(&self.folder, &self.manifest, &self.asked)?;
        Ok(self.read.changed_at != before)
    }
}

impl Reading {
    fn of(folder: &Path, manifest: &Manifest, asked: &Identify) -> Result<Self, GalleryError> {
        let store = Store::open(folder)?;
        let changed_at = changed_at(folder)?;
        let settled = changed_at.elapsed().is_ok_and(|age| age > COARSEST_TIME);
        let people = store.load(manifest)?;
        Ok(Self {
            identifier: Identifier::new(people.roster, manifest, asked)?,
            unusable: people.unusable,
            changed_at,
            settled,
        })
    }
}

/// Records come, go and are replaced by renaming, which changes the folder.
fn changed_at(folder: &Path) -> Result<SystemTime, StoreError> {
    let modified = fs::metadata(folder).and_then(|metadata| metadata.modified());
    modified.map_err(|source| StoreError::Folder {
        path: folder.into(),
        source,
    })
}
