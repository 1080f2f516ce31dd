//! Releases as files: keys in PEM, signing, and the release that lies beside a bundle.

use crate::atomic_file::{self, WriteError};
use crate::capped_file::{self, ReadError};
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey,
    spki::der::pem::LineEnding,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use shared::bundle::BundleError;
use shared::digest::Digest;
use shared::envelope::{EnvelopeError, Kind};
use shared::release::{Release, ReleaseError, SignedRelease};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The signed release's name, beside program and bundle.
pub const RELEASE: &str = "release";
/// How it came to lie there, in a sentence.
pub const NOTE: &str = "note";

const MAX_KEY_LEN: u64 = 4096;
const MAX_FILE_LEN: u64 = Kind::Release.max_len() as u64 + 1024;
const MAX_NOTE_LEN: u64 = 4096;

/// Why a release or a key is not used.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseFileError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No ed25519 key.
    #[error("{}: no {expected} in it; `release keys` makes a pair", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What was to be in it.
        expected: &'static str,
    },
    /// Others may read the secret.
    #[error(
        "{}: its mode is {mode:o}, so that others may have read the key; make it 600 if nobody has", path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A key is there already.
    #[error(
        "{}: is there already; doors that trust it refuse what another key signs. Move it away if that is meant", .0.display()
    )]
    KeyExists(PathBuf),
    /// The release itself.
    #[error("{}: {source}", path.display())]
    Release {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReleaseError,
    },
    /// A bundle that no door would load.
    #[error("{}: {source}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BundleError,
    },
    /// What is to be loaded is not what was signed.
    #[error(
        "{}: its digest is {found}, which the release beside it does not name; deploy again, and do not use it", path.display()
    )]
    NotInRelease {
        /// The bundle.
        path: PathBuf,
        /// Its digest.
        found: Digest,
    },
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// The key that a release must be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey(VerifyingKey);

impl TrustedKey {
    /// Reads it (PEM, SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// [`ReleaseFileError::Read`] or [`ReleaseFileError::Key`].
    pub fn read(path: &Path) -> Result<Self, ReleaseFileError> {
        let bytes = capped_file::read(path, MAX_KEY_LEN)?;
        Self::from_pem(&bytes).ok_or_else(|| ReleaseFileError::Key {
            path: path.into(),
            expected: "ed25519 public key (PEM)",
        })
    }

    pub(crate) fn from_pem(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        VerifyingKey::from_public_key_pem(text).ok().map(Self)
    }

    pub(crate) fn to_pem(&self) -> String {
        let text = self.0.to_public_key_pem(LineEnding::LF);
        text.expect("a key has an encoding")
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`ReleaseFileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), ReleaseFileError> {
        Ok(atomic_file::write(
            path,
            self.to_pem().as_bytes(),
            Some(0o644),
        )?)
    }
}

/// The secret that releases are signed with.
pub struct ReleaseKey(SigningKey);

impl ReleaseKey {
    /// A new one.
    ///
    /// # Errors
    /// [`ReleaseFileError::Random`].
    pub fn generate() -> Result<Self, ReleaseFileError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(ReleaseFileError::Random)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Reads it (PEM, PKCS#8) from a file that only its owner may read.
    ///
    /// # Errors
    /// [`ReleaseFileError`].
    pub fn read(path: &Path) -> Result<Self, ReleaseFileError> {
        let bytes = Zeroizing::new(capped_file::read(path, MAX_KEY_LEN)?);
        if let Some(mode) = capped_file::open_to_others(path) {
            let path = path.into();
            return Err(ReleaseFileError::OpenToOthers { path, mode });
        }
        let text = std::str::from_utf8(&bytes).ok();
        let key = text.and_then(|text| SigningKey::from_pkcs8_pem(text).ok());
        key.map(Self).ok_or_else(|| ReleaseFileError::Key {
            path: path.into(),
            expected: "ed25519 private key (PEM, PKCS#8)",
        })
    }

    /// Writes it, mode 0600, where nothing lies yet.
    ///
    /// # Errors
    /// [`ReleaseFileError::KeyExists`] or [`ReleaseFileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), ReleaseFileError> {
        if path.exists() {
            return Err(ReleaseFileError::KeyExists(path.into()));
        }
        let text = self.0.to_pkcs8_pem(LineEnding::LF);
        let text = text.expect("a key has an encoding");
        Ok(atomic_file::write(path, text.as_bytes(), Some(0o600))?)
    }

    /// The key that doors are to trust.
    pub fn trusted(&self) -> TrustedKey {
        TrustedKey(self.0.verifying_key())
    }

    /// Signs a release and writes it.
    ///
    /// # Errors
    /// [`ReleaseFileError::Release`] or [`ReleaseFileError::Write`].
    pub fn sign(&self, release: &Release, path: &Path) -> Result<(), ReleaseFileError> {
        let signed = SignedRelease::sign(release, &self.0);
        let signed = signed.map_err(wrong(path))?;
        let bytes = signed.encode().map_err(|e| wrong(path)(e.into()))?;
        Ok(atomic_file::write(path, &bytes, Some(0o644))?)
    }
}

fn wrong(path: &Path) -> impl Fn(ReleaseError) -> ReleaseFileError {
    let path = path.to_owned();
    move |source| ReleaseFileError::Release {
        path: path.clone(),
        source,
    }
}

/// The digests of a bundle's file and of the files that `select` may make of it.
///
/// # Errors
/// [`ReleaseFileError::Read`] or [`ReleaseFileError::Bundle`].
pub fn bundle_digests(path: &Path) -> Result<Vec<Digest>, ReleaseFileError> {
    let bytes = capped_file::read(path, Kind::Bundle.max_len() as u64 + 1024)?;
    let wrong = |source| ReleaseFileError::Bundle {
        path: path.into(),
        source,
    };
    let bundle = shared::bundle::Bundle::decode(&bytes).map_err(wrong)?;
    let mut digests = vec![Digest::of(&bytes)];
    for precision in bundle.precisions() {
        let alone = bundle.select(precision).map(|alone| alone.encode());
        let alone: Option<Result<_, EnvelopeError>> = alone;
        if let Some(alone) = alone {
            let digest = Digest::of(&alone.map_err(|error| wrong(error.into()))?);
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
    }
    Ok(digests)
}

/// Reads a release that the key signed.
///
/// # Errors
/// [`ReleaseFileError::Read`] or [`ReleaseFileError::Release`].
pub fn read(path: &Path, key: &TrustedKey) -> Result<Release, ReleaseFileError> {
    let bytes = capped_file::read(path, MAX_FILE_LEN)?;
    let signed = SignedRelease::decode(&bytes).map_err(|e| wrong(path)(e.into()))?;
    signed.verify(&key.0).map_err(wrong(path))
}

/// The release that lies beside a bundle and names it, and how it came there, if that is noted.
///
/// # Errors
/// [`ReleaseFileError`].
pub fn beside(
    bundle: &Path,
    key: &TrustedKey,
) -> Result<(Release, Option<String>), ReleaseFileError> {
    let release = read(&bundle.with_file_name(RELEASE), key)?;
    let bytes = capped_file::read(bundle, Kind::Bundle.max_len() as u64 + 1024)?;
    let found = Digest::of(&bytes);
    if !release.bundles.contains(&found) {
        let path = bundle.into();
        return Err(ReleaseFileError::NotInRelease { path, found });
    }
    let note = capped_file::read(&bundle.with_file_name(NOTE), MAX_NOTE_LEN).ok();
    let note = note.map(|note| String::from_utf8_lossy(&note).trim().to_owned());
    Ok((release, note))
}
