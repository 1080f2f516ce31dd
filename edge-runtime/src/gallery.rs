//! The people of a running door: read again when the store changes, so that whoever is removed
//! stays out from then on.

use crate::identify::{Identifier, Identify};
use crate::store::{PeopleMark, RecordError, Settings, Store, StoreError};
use shared::bundle::{Manifest, NoOperatingPoint};

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
    store: Store,
    manifest: Manifest,
    asked: Identify,
    read: Reading,
}

/// What was read of the store.
struct Reading {
    identifier: Identifier,
    unusable: Vec<RecordError>,
    mark: PeopleMark,
}

impl Gallery {
    /// Reads a store that is opened for it; `asked` as in [`Identifier::new`].
    ///
    /// # Errors
    /// [`GalleryError`].
    pub fn open(
        settings: &Settings,
        manifest: Manifest,
        asked: Identify,
    ) -> Result<Self, GalleryError> {
        Self::of(Store::open(settings)?, manifest, asked)
    }

    /// Reads a store; `asked` as in [`Identifier::new`].
    ///
    /// # Errors
    /// [`GalleryError`].
    pub fn of(store: Store, manifest: Manifest, asked: Identify) -> Result<Self, GalleryError> {
        Ok(Self {
            read: Reading::of(&store, &manifest, &asked)?,
            store,
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

    /// Reads the store again if people changed. Returns whether they did.
    ///
    /// # Errors
    /// [`GalleryError`]; the people read before are not to be relied on.
    pub fn refresh(&mut self) -> Result<bool, GalleryError> {
        if self.read.mark == self.store.people_mark()? {
            return Ok(false);
        }
        self.read = Reading::of(&self.store, &self.manifest, &self.asked)?;
        Ok(true)
    }
}

impl Reading {
    fn of(store: &Store, manifest: &Manifest, asked: &Identify) -> Result<Self, GalleryError> {
        // Before the people: what changes meanwhile has another mark.
        let mark = store.people_mark()?;
        let people = store.load(manifest)?;
        Ok(Self {
            identifier: Identifier::new(people.roster, manifest, asked)?,
            unusable: people.unusable,
            mark,
        })
    }
}
