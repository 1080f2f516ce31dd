//! `release`: keys, signing, showing.

use super::{Output, Result};
use clap::{Args, Subcommand};
use edge_runtime::release::{self, ReleaseKey, TrustedKey};
use serde::Serialize;
use shared::digest::Digest;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is done with releases.
#[derive(Subcommand)]
pub(super) enum Release {
    /// Make a key that releases are signed with, and the one that doors trust, beside it.
    Keys(Keys),
    /// Sign what belongs together on a door.
    Sign(Sign),
    /// Show a release that a key signed.
    Show(Show),
}

#[derive(Args)]
pub(super) struct Keys {
    /// Where the secret key goes; the other one gets the ending .pub.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub(super) struct Sign {
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The program.
    #[arg(long, value_name = "FILE")]
    runtime: PathBuf,
    /// What the program runs on, as `uname -m` names it.
    #[arg(long, default_value = std::env::consts::ARCH)]
    architecture: String,
    /// The bundle.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// A door takes no release with a lower number than it has had [default: the time in seconds].
    #[arg(long)]
    counter: Option<u64>,
    /// Where the release goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub(super) struct Show {
    /// The key that it must be signed with.
    #[arg(long, value_name = "FILE.PUB")]
    key: PathBuf,
    /// The release.
    release: PathBuf,
}

#[derive(Serialize)]
struct MadeKeys {
    key: PathBuf,
    trusted: PathBuf,
}

#[derive(Serialize)]
struct Shown {
    counter: u64,
    version: String,
    architecture: String,
    runtime: String,
    bundles: Vec<String>,
}

impl Release {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        match self {
            Self::Keys(keys) => keys.run(out)?,
            Self::Sign(sign) => sign.run(out)?,
            Self::Show(show) => {
                let key = TrustedKey::read(&show.key)?;
                let release = release::read(&show.release, &key)?;
                out.line(&Shown::from(release))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Keys {
    fn run(self, out: &Output) -> Result<()> {
        let trusted = self.out.with_extension("pub");
        let key = ReleaseKey::generate()?;
        key.write(&self.out)?;
        key.trusted().write(&trusted)?;
        out.line(&MadeKeys {
            key: self.out,
            trusted,
        })?;
        Ok(())
    }
}

impl Sign {
    fn run(self, out: &Output) -> Result<()> {
        let key = ReleaseKey::read(&self.key)?;
        let runtime = fs::read(&self.runtime)
            .map_err(|error| anyhow::anyhow!("{}: {error}", self.runtime.display()))?;
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs())
        };
        let release = shared::release::Release {
            counter: self.counter.unwrap_or_else(now),
            version: env!("CARGO_PKG_VERSION").into(),
            architecture: self.architecture,
            runtime: Digest::of(&runtime),
            bundles: release::bundle_digests(&self.bundle)?,
        };
        key.sign(&release, &self.out)?;
        out.line(&Shown::from(release))?;
        Ok(())
    }
}

impl From<shared::release::Release> for Shown {
    fn from(release: shared::release::Release) -> Self {
        Self {
            counter: release.counter,
            version: release.version,
            architecture: release.architecture,
            runtime: release.runtime.to_string(),
            bundles: release.bundles.iter().map(Digest::to_string).collect(),
        }
    }
}

impl fmt::Display for MadeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: signs releases; keep it where nobody else reads it, and a copy elsewhere\n{}: what doors trust",
            self.key.display(),
            self.trusted.display()
        )
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "release {}, version {}, for {}\n  program {}",
            self.counter, self.version, self.architecture, self.runtime
        )?;
        let mut bundles = self.bundles.iter();
        bundles.try_for_each(|bundle| write!(f, "\n  bundle  {bundle}"))
    }
}
