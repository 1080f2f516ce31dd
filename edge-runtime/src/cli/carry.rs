//! `export`, `import` and `reenroll`: people between doors, and between models.

use super::people::has_threshold_with;
use super::{Output, Result};
use clap::Args;
use edge_runtime::bundle;
use edge_runtime::config::Config;
use edge_runtime::store::Store;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Export {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// The file to write; it is of no use without its key.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The key to write, for this file alone [default: FILE.key].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The people's names.
    #[arg(required = true)]
    subjects: Vec<String>,
}

#[derive(Serialize)]
struct Exported {
    exported: Vec<String>,
    to: PathBuf,
    key: PathBuf,
}

impl Export {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let key = self.key.unwrap_or_else(|| key_beside(&self.to));
        Store::open(&config.store)?.export(&self.subjects, &self.to, &key)?;
        out.line(&Exported {
            exported: self.subjects,
            to: self.to,
            key,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn key_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exported {} to {}; its key is {}: carry the two by different ways, and delete both when they are imported",
            self.exported.join(", "),
            self.to.display(),
            self.key.display()
        )
    }
}

#[derive(Args)]
pub(super) struct Import {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// The key of the file [default: FILE.key].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Take the record of a person who is enrolled in place of the one that is there.
    #[arg(long)]
    replace: bool,
    /// A file that another door exported.
    file: PathBuf,
}

#[derive(Serialize)]
struct Taken {
    imported: Vec<String>,
    replaced: Vec<String>,
}

impl Import {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let bundle = bundle::read(&config.bundle)?;
        let manifest = bundle.manifest();
        let key = self.key.unwrap_or_else(|| key_beside(&self.file));
        let store = Store::open(&config.store)?;
        let carried = Store::carried(&self.file, &key)?;
        has_threshold_with(&carried, &store.load(manifest)?.roster, &config, manifest)?;
        let imported = store.import(&self.file, &key, manifest, self.replace)?;
        out.line(&Taken {
            imported: imported.new,
            replaced: imported.replaced,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [&self.imported[..], &self.replaced].concat();
        write!(f, "imported {}", names.join(", "))?;
        match self.replaced.len() {
            0 => Ok(()),
            _ => write!(f, "; replaced {}", self.replaced.join(", ")),
        }
    }
}

#[derive(Args)]
pub(super) struct Reenroll {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
}

#[derive(Serialize)]
struct Reenrolled {
    reenrolled: Vec<String>,
    left: Vec<Left>,
}

/// Somebody who must be enrolled anew.
#[derive(Serialize)]
struct Left {
    subject: String,
    reason: String,
}

impl Reenroll {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let loaded = bundle::load(&config.bundle)?;
        let renewed = Store::open(&config.store)?.reembed(&loaded.network, &loaded.manifest)?;
        let left = renewed.left.into_iter();
        out.line(&Reenrolled {
            reenrolled: renewed.renewed,
            left: left
                .map(|(subject, reason)| Left { subject, reason })
                .collect(),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl fmt::Display for Reenrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "new templates of {} people", self.reenrolled.len())?;
        self.left.iter().try_for_each(|Left { subject, reason }| {
            write!(f, "\n{subject}  must be enrolled anew: {reason}")
        })
    }
}
