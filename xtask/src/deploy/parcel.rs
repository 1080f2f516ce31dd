//! What is sent to a door: built, signed, and known by its digests.

use crate::cross::{self, Architecture};
use crate::keys;
use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Builds and signs; what is built once serves all doors.
pub(crate) struct Workshop {
    /// The program as this machine runs it: it signs, and serves simulated doors.
    native: PathBuf,
    key: PathBuf,
    /// What is sent in the place of what would be built.
    given: Option<PathBuf>,
    /// By architecture.
    built: Mutex<BTreeMap<String, PathBuf>>,
    /// Releases lie here until they are sent.
    pub(super) folder: tempfile::TempDir,
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub(super) fn digest(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Files that go together.
pub(crate) struct Parcel {
    /// The program.
    pub(crate) runtime: PathBuf,
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// The signed release.
    pub(crate) release: PathBuf,
    /// The key that doors are to trust.
    pub(crate) trusted: PathBuf,
    /// As the release names them.
    pub(super) digests: Signed,
}

/// What `release sign` says of a release.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    pub(super) counter: u64,
    pub(super) runtime: String,
    pub(super) bundles: Vec<String>,
}

impl Workshop {
    /// With the programs of a folder; makes the key where there is none.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub(super) fn open(
        programs: &Path,
        key: Option<&Path>,
        runtime: Option<&Path>,
    ) -> Result<Self> {
        let key = key.map_or_else(keys::default, |key| Ok(key.into()))?;
        let given = runtime.map(Path::to_owned);
        Ok(Self {
            given,
            ..Self::with(programs.join("edge-runtime"), key)?
        })
    }

    /// The same, with what is built for other processors.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub(crate) fn with(native: PathBuf, key: PathBuf) -> Result<Self> {
        if !key.exists() {
            eprintln!("no key to sign with yet:");
            keys::make(&native, &key)?;
        }
        Ok(Self {
            native,
            key,
            given: None,
            built: Mutex::default(),
            folder: tempfile::tempdir()?,
        })
    }

    /// A release for an architecture, signed now.
    ///
    /// # Errors
    /// If it cannot be built for that, or the bundle or the key cannot be used.
    pub(super) fn pack(&self, architecture: &str, bundle: &Path) -> Result<Parcel> {
        self.pack_with(self.program(architecture)?, architecture, bundle)
    }

    /// The same of this machine's own program, as a simulated door runs it.
    ///
    /// # Errors
    /// As [`Workshop::pack`].
    pub(super) fn pack_native(&self, bundle: &Path) -> Result<Parcel> {
        self.pack_with(self.native.clone(), std::env::consts::ARCH, bundle)
    }

    fn pack_with(&self, runtime: PathBuf, architecture: &str, bundle: &Path) -> Result<Parcel> {
        let folder = tempfile::Builder::new().tempdir_in(self.folder.path())?;
        let release = folder.keep().join("release");
        let mut sign = Command::new(&self.native);
        sign.args(["--json", "release", "sign", "--key"]);
        sign.arg(&self.key).arg("--runtime").arg(&runtime);
        sign.args(["--architecture", architecture, "--bundle"]);
        sign.arg(bundle).arg("--out").arg(&release);
        let signed = workspace::output(&mut sign)?;
        Ok(Parcel {
            runtime,
            bundle: bundle.into(),
            release,
            trusted: self.key.with_extension("pub"),
            digests: serde_json::from_str(&signed).context("what `release sign` said")?,
        })
    }

    /// The program for an architecture.
    fn program(&self, architecture: &str) -> Result<PathBuf> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let mut built = self.built.lock().unwrap_or_else(|gone| gone.into_inner());
        if let Some(program) = built.get(architecture) {
            return Ok(program.clone());
        }
        let program = cross::build(Architecture::of_uname(architecture)?)?.path;
        built.insert(architecture.into(), program.clone());
        Ok(program)
    }
}
