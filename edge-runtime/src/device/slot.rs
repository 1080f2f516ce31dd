//! One of the two slots: its files, and whether they are those of a release.

use super::error::DeviceError;
use crate::capped_file;
use crate::release::{self, TrustedKey};
use serde::Serialize;
use shared::digest::Digest;
use shared::envelope::Kind;
use shared::release::Release;
use std::path::Path;

/// The program.
pub(super) const RUNTIME: &str = "edge-runtime";
/// The bundle.
pub(super) const BUNDLE: &str = "model.bundle";
/// The configuration.
pub(super) const CONFIG: &str = "door.toml";
/// How it came here, in a sentence.
pub(super) const NOTE: &str = release::NOTE;
/// The signed release.
pub(super) const RELEASE: &str = release::RELEASE;

/// No program of ours comes near.
pub(super) const MAX_RUNTIME_LEN: u64 = 512 << 20;
/// A bundle's, and its envelope.
pub(super) const MAX_BUNDLE_LEN: u64 = Kind::Bundle.max_len() as u64 + 1024;

/// One of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum Slot {
    /// The first to be filled.
    #[serde(rename = "slot-a")]
    #[value(name = "slot-a")]
    A,
    /// The other.
    #[serde(rename = "slot-b")]
    #[value(name = "slot-b")]
    B,
}

impl Slot {
    pub(super) const ALL: [Self; 2] = [Self::A, Self::B];

    /// Of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "slot-a",
            Self::B => "slot-b",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// The release of a slot, whose files are those that it names.
///
/// # Errors
/// [`DeviceError::Release`], [`DeviceError::Read`] or [`DeviceError::NotInRelease`].
pub(super) fn verify(folder: &Path, key: &TrustedKey) -> Result<Release, DeviceError> {
    let release = release::read(&folder.join(RELEASE), key)?;
    let [runtime, bundle] = [RUNTIME, BUNDLE].map(|name| folder.join(name));
    let bytes = capped_file::read(&runtime, MAX_RUNTIME_LEN)?;
    named(&runtime, &bytes, &[release.runtime])?;
    let bytes = capped_file::read(&bundle, MAX_BUNDLE_LEN)?;
    named(&bundle, &bytes, &release.bundles)?;
    Ok(release)
}

/// Whether a file's bytes have one of the digests that a release names.
///
/// # Errors
/// [`DeviceError::NotInRelease`].
pub(super) fn named(path: &Path, bytes: &[u8], names: &[Digest]) -> Result<(), DeviceError> {
    let found = Digest::of(bytes);
    match names.contains(&found) {
        true => Ok(()),
        false => Err(DeviceError::NotInRelease {
            path: path.into(),
            found,
        }),
    }
}
