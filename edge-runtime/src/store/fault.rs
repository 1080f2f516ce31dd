//! A failure within a transaction, and which error of the store it is.

use super::error::{KeyError, StoreError};
use shared::envelope::EnvelopeError;
use std::io;
use std::path::Path;

/// A failure within a transaction, where the database's path is not known.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(redb::Error),
    Store(StoreError),
}

macro_rules! fault_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Redb(error.into())
            }
        }
    )*};
}
fault_from!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EnvelopeError> for Fault {
    fn from(error: EnvelopeError) -> Self {
        Self::Store(error.into())
    }
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        Self::Store(error.into())
    }
}

/// Whether the file was read, and is not what was expected.
fn is_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    matches!(error.kind(), InvalidData | UnexpectedEof)
}

impl Fault {
    /// Whose file it is.
    pub(super) fn of(self, database: &Path) -> StoreError {
        let path = database.into();
        match self {
            Self::Redb(redb::Error::Io(source)) if !is_content(&source) => {
                StoreError::Disk { path, source }
            }
            Self::Redb(redb::Error::DatabaseAlreadyOpen) => StoreError::Busy { path, waited_s: 0 },
            Self::Redb(redb::Error::PreviousIo) => StoreError::Disk {
                path,
                source: io::Error::other("an earlier write failed"),
            },
            Self::Redb(error) => StoreError::Damaged {
                path,
                reason: error.to_string(),
            },
            Self::Store(error) => error,
        }
    }
}
