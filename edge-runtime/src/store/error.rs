//! What can be wrong with a store, and what to do about it.

use crate::atomic_file::WriteError;
use crate::capped_file::ReadError;
use shared::digest::Digest;
use shared::enrollment::EnrollmentError;
use shared::envelope::EnvelopeError;
use shared::roster::RosterError;
use std::io;
use std::path::PathBuf;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made, listed or changed.
    #[error("{}: the store of enrollments cannot be used: {source}; check `store` in door.toml and its permissions", path.display())]
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may enter.
    #[error("{}: mode {mode:o} lets others read enrollments, expected 700; run chmod 700 on it", path.display())]
    Permissions {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is somebody else's.
    #[error("{}: belongs to the user with the number {owner}, and this program runs as {user}: the door could not read what it writes there; run it as that user: sudo -u '#{owner}' ...", path.display())]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this program.
        user: u32,
    },
    /// Another program holds the store.
    #[error("{}: another program has been changing the store for {waited_s} s; let it end, or end it, and try again", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// For how long it was waited.
        waited_s: u64,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The disk did not do as asked.
    #[error("{}: {source}; nothing was changed; {}", path.display(), disk_remedy(source))]
    Disk {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database is not as it was written.
    #[error("{}: damaged: {reason}; nothing was changed; restore it from a backup, or move it and its key away and enroll everybody anew", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by another release.
    #[error("{}: a store of another release (format {found:?}); use the release that made it", path.display())]
    Format {
        /// The database.
        path: PathBuf,
        /// What stands in it.
        found: Vec<u8>,
    },
    /// There is a key that a store was made with, and no store.
    #[error("{}: missing, and the key {} belongs to one; restore it from a backup, or remove the key to begin with an empty store", path.display(), key.display())]
    Missing {
        /// The database.
        path: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The log was changed from outside.
    #[error(
        "the log was changed from outside, or is damaged: {0}; keep a copy of the store as evidence, then run `edge-runtime audit --restart`"
    )]
    Log(String),
    /// Somebody of that name is enrolled.
    #[error("{0}: already enrolled; use --replace to enroll anew, or another name")]
    Exists(String),
    /// Nobody of that name is enrolled.
    #[error("{0}: nobody of that name is enrolled; `list` shows who is")]
    NotEnrolled(String),
    /// The name cannot be a record's.
    #[error(transparent)]
    Subject(#[from] EnrollmentError),
    /// The record is over the limit.
    #[error(transparent)]
    Encode(#[from] EnvelopeError),
    /// A file was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file was not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The change was made, and what it replaced may still be on the disk.
    #[error(
        "the change is made, and what was removed may still be in the store's files: {0}; then the next command that changes the store erases it"
    )]
    NotErased(String),
    /// What was removed is still there.
    #[error("{}: at byte {at} there is still a part of the record that was removed; remove that file if it is a copy, and report this if it is the store", path.display())]
    StillThere {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
    },
    /// A file for or from another door that cannot be written or taken.
    #[error("{}: {reason}; nothing was carried over", path.display())]
    Transfer {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn disk_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            "make room on the disk and try again"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only: remount it writable",
        io::ErrorKind::PermissionDenied => "run this as the door's user",
        _ => "check the disk and its cable",
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is a store, and no key to it.
    #[error("{}: missing; without it nobody's enrollment can be read: restore it from its backup, or move {} away and enroll everybody anew", key.display(), store.display())]
    Missing {
        /// The key file.
        key: PathBuf,
        /// The database.
        store: PathBuf,
    },
    /// Others than the owner may read it.
    #[error("{}: mode {mode:o} lets others read the key, expected 600; run chmod 600 on it, and think about who has read it", path.display())]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is no key.
    #[error("{}: the key is damaged: {source}; restore it from its backup", path.display())]
    Content {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        source: EnvelopeError,
    },
    /// It is the key of another store.
    #[error("{}: the key of another store than {}; restore the one that belongs to it", key.display(), store.display())]
    Wrong {
        /// The key file.
        key: PathBuf,
        /// The database.
        store: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a key: {0}")]
    Random(getrandom::Error),
}

/// Why one record cannot be used; the others can.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It was changed from outside, or the disk is failing.
    #[error("{}: the seal of the record is broken: it was changed from outside, or the disk is failing; remove it and enroll the person anew", named(subject.as_deref(), *row))]
    Seal {
        /// Whose it is, if the log tells.
        subject: Option<String>,
        /// Where it stands in the store.
        row: Digest,
    },
    /// Its content is no record.
    #[error("{}: {source}", named(subject.as_deref(), *row))]
    Content {
        /// Whose it is, if the log tells.
        subject: Option<String>,
        /// Where it stands in the store.
        row: Digest,
        /// What is wrong with it.
        source: EnrollmentError,
    },
    /// Of another model, or of another length.
    #[error("{subject}: {source}")]
    Roster {
        /// Whose it is.
        subject: String,
        /// Why it may not be compared.
        source: RosterError,
    },
    /// A file of an earlier release that is none, or that came when there was a store already.
    #[error("{}: not imported: {reason}; remove it, and enroll the person if need be", path.display())]
    OldFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn named(subject: Option<&str>, row: Digest) -> String {
    subject.map_or_else(|| format!("record {row:?}"), Into::into)
}

impl RecordError {
    /// Whom [`super::Store::remove`] takes to be rid of the record.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Seal { subject, .. } | Self::Content { subject, .. } => subject.as_deref(),
            Self::Roster { subject, .. } => Some(subject),
            Self::OldFile { .. } => None,
        }
    }
}

impl StoreError {
    /// The same of what was to be erased after a change that was made.
    pub(super) fn after_the_change(self) -> Self {
        Self::NotErased(match self {
            Self::Disk { path, source } => {
                format!("{}: {source}; {}", path.display(), disk_remedy(&source))
            }
            Self::Damaged { path, reason } => format!("{}: damaged: {reason}", path.display()),
            error => error.to_string(),
        })
    }
}
