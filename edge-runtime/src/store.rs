//! The people of a door: a folder with one enrollment record a person.
//!
//! The folder has mode 0700 and the records 0600. They are not sealed yet: whoever can read the
//! disk can read the templates. Who changes the folder holds a lock on it.

use crate::atomic_file::{self, Folder, WriteError};
use crate::capped_file::{self, ReadError};
use shared::bundle::Manifest;
use shared::enrollment::{EnrollmentError, EnrollmentRecord, check_subject};
use shared::envelope::{EnvelopeError, Kind};
use shared::roster::{Roster, RosterError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const EXTENSION: &str = "record";
const MAX_FILE_LEN: u64 = Kind::EnrollmentRecord.max_len() as u64 + 1024;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made, listed or changed.
    #[error("{}: the store of enrollments cannot be used: {source}; check `store` in door.toml and its permissions", path.display())]
    Folder {
        /// The folder, or the record in it.
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
    /// Somebody of that name is enrolled.
    #[error("{}: already enrolled; use --replace to enroll anew, or another name", .0.display())]
    Exists(PathBuf),
    /// Nobody of that name is enrolled.
    #[error("{}: nobody of that name is enrolled; `list` shows who is", .0.display())]
    NotEnrolled(PathBuf),
    /// The name cannot be a record's.
    #[error(transparent)]
    Subject(#[from] EnrollmentError),
    /// The record is over the limit.
    #[error(transparent)]
    Encode(#[from] EnvelopeError),
    /// The record was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why one record cannot be used; the others can.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its content is no record.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: EnrollmentError,
    },
    /// The file was renamed.
    #[error("{}: the record is of another person than its name says; rename it back or remove it", .0.display())]
    WrongName(PathBuf),
    /// Of another model, or of another length.
    #[error("{}: {source}", path.display())]
    Roster {
        /// The file.
        path: PathBuf,
        /// Why it may not be compared.
        source: RosterError,
    },
}

/// The people who can be identified, and the records that cannot be used.
pub struct People {
    /// Who can be identified.
    pub roster: Roster,
    /// One error a record, each names its file; these people stay locked out.
    pub unusable: Vec<RecordError>,
}

/// One file of the store.
pub struct Listed {
    /// Who is enrolled in it, by the file's name: whom [`Store::remove`] takes. `None` if the file
    /// was given a name that no subject has.
    pub subject: Option<String>,
    /// The record, or why it cannot be used.
    pub record: Result<EnrollmentRecord, RecordError>,
}

/// A folder of enrollment records.
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the folder, and makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Folder`] or [`StoreError::Permissions`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Self {
            folder: folder.into(),
        };
        if !folder.exists() {
            let made = make_private(folder).and_then(|()| Folder::of(folder)?.sync());
            made.map_err(|source| store.fault(folder, source))?;
        }
        let metadata = fs::metadata(folder).map_err(|source| store.fault(folder, source))?;
        let mode = mode(&metadata);
        if !metadata.is_dir() {
            return Err(store.fault(folder, io::ErrorKind::NotADirectory.into()));
        }
        if mode & 0o077 != 0 {
            let path = folder.into();
            return Err(StoreError::Permissions { path, mode });
        }
        Ok(store)
    }

    /// Stores a person's record.
    ///
    /// Returns whether it replaced one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] unless `replace`; [`StoreError::Folder`] and [`StoreError::Write`],
    /// and then what was there still is as [`WriteError`] says.
    pub fn add(&self, record: &EnrollmentRecord, replace: bool) -> Result<bool, StoreError> {
        let path = self.path(record.subject())?;
        let _locked = self.lock()?;
        let exists = path.exists();
        if exists && !replace {
            return Err(StoreError::Exists(path));
        }
        atomic_file::write(&path, &record.encode()?, Some(0o600))?;
        Ok(exists)
    }

    /// Removes a person's record, a damaged one, too.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`] if there is none; [`StoreError::Folder`].
    pub fn remove(&self, subject: &str) -> Result<(), StoreError> {
        let path = self.path(subject)?;
        let _locked = self.lock()?;
        atomic_file::remove(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotEnrolled(path),
            _ => self.fault(&path, source),
        })
    }

    /// Every record, ordered by file name: usable with the bundle of that manifest, or why not.
    ///
    /// # Errors
    /// [`StoreError::Folder`] if the folder cannot be listed.
    pub fn list(&self, manifest: &Manifest) -> Result<Vec<Listed>, StoreError> {
        Ok(self.read(manifest)?.1)
    }

    /// Everybody who can be identified with the bundle of that manifest. A record of another
    /// model, or a damaged one, is set aside with its reason, never compared and never deleted.
    ///
    /// # Errors
    /// [`StoreError::Folder`] if the folder cannot be listed.
    pub fn load(&self, manifest: &Manifest) -> Result<People, StoreError> {
        let (roster, listed) = self.read(manifest)?;
        let unusable = listed.into_iter().filter_map(|l| l.record.err());
        let unusable = unusable.collect();
        Ok(People { roster, unusable })
    }

    fn read(&self, manifest: &Manifest) -> Result<(Roster, Vec<Listed>), StoreError> {
        let mut roster = Roster::new(manifest.model_digest, manifest.embedding_len as usize);
        let mut listed = Vec::new();
        for path in self.paths().map_err(|e| self.fault(&self.folder, e))? {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let subject = stem.filter(|stem| check_subject(stem).is_ok());
            listed.push(Listed {
                subject: subject.map(Into::into),
                record: read(&path, &mut roster),
            });
        }
        Ok((roster, listed))
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == EXTENSION) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Keeps others from changing the store until the result is dropped. What a killed enrollment
    /// left is deleted first: it holds templates that `remove` would not find.
    fn lock(&self) -> Result<Folder, StoreError> {
        let locked = Folder::open(&self.folder).and_then(|folder| {
            folder.lock_and_sweep()?;
            Ok(folder)
        });
        locked.map_err(|source| self.fault(&self.folder, source))
    }

    fn path(&self, subject: &str) -> Result<PathBuf, EnrollmentError> {
        check_subject(subject)?;
        Ok(self.folder.join(file_name(subject)))
    }

    fn fault(&self, path: &Path, source: io::Error) -> StoreError {
        let path = path.into();
        StoreError::Folder { path, source }
    }
}

fn file_name(subject: &str) -> String {
    format!("{subject}.{EXTENSION}")
}

/// Reads a record and adds it to the roster, which says whether it can be used.
fn read(path: &Path, roster: &mut Roster) -> Result<EnrollmentRecord, RecordError> {
    let bytes = capped_file::read(path, MAX_FILE_LEN)?;
    let record = EnrollmentRecord::decode(&bytes).map_err(|source| RecordError::Content {
        path: path.into(),
        source,
    })?;
    if path.file_stem().is_none_or(|stem| stem != record.subject()) {
        return Err(RecordError::WrongName(path.into()));
    }
    match roster.add(&record) {
        Ok(()) => Ok(record),
        Err(source) => Err(RecordError::Roster {
            path: path.into(),
            source,
        }),
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

/// The permission bits; elsewhere than on Unix there are none to look at.
#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o700
}
