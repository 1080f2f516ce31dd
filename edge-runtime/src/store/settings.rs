//! `[store]` of `door.toml`: where people's data lies, and how much of it.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// What the key file is called where no other is named.
pub const KEY_FILE: &str = "store.key";
const LOG_ENTRIES: RangeInclusive<u64> = 100..=10_000_000;
const LOG_ENTRIES_DEFAULT: u64 = 100_000;

/// Where people's data lies. In TOML a table, or the folder alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder, private to the door's user.
    pub folder: PathBuf,
    /// The key file; without it, [`KEY_FILE`] in the folder.
    pub key: Option<PathBuf>,
    /// Whether the faces that people are enrolled from are kept, sealed.
    pub keep_crops: bool,
    /// How many entries of the log are kept.
    pub log_entries: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreToml {
    folder: PathBuf,
    key: Option<PathBuf>,
    #[serde(default)]
    keep_crops: bool,
    #[serde(default = "log_entries_default")]
    log_entries: u64,
}

fn log_entries_default() -> u64 {
    LOG_ENTRIES_DEFAULT
}

impl Settings {
    /// A folder, with everything else as it is where nothing else is said.
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            key: None,
            keep_crops: false,
            log_entries: LOG_ENTRIES_DEFAULT,
        }
    }

    /// Where the key is.
    pub fn key_path(&self) -> PathBuf {
        let beside = || self.folder.join(KEY_FILE);
        self.key.clone().unwrap_or_else(beside)
    }

    /// Whether it was begun: it has its key.
    pub fn exists(&self) -> bool {
        self.key_path().exists()
    }

    /// Takes the paths relative to a folder.
    pub(crate) fn resolve(&mut self, base: &Path) {
        self.folder = base.join(&self.folder);
        self.key = self.key.as_ref().map(|key| base.join(key));
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FolderOrTable)
    }
}

struct FolderOrTable;

impl<'de> Visitor<'de> for FolderOrTable {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a folder, or a table with it")
    }

    fn visit_str<E: Error>(self, folder: &str) -> Result<Settings, E> {
        Ok(Settings::of(folder))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Settings, A::Error> {
        let toml = StoreToml::deserialize(MapAccessDeserializer::new(table))?;
        let log_entries = toml.log_entries;
        if !LOG_ENTRIES.contains(&log_entries) {
            let (least, most) = (LOG_ENTRIES.start(), LOG_ENTRIES.end());
            return Err(A::Error::custom(format!(
                "log_entries is {log_entries}, expected {least} to {most}"
            )));
        }
        Ok(Settings {
            folder: toml.folder,
            key: toml.key,
            keep_crops: toml.keep_crops,
            log_entries,
        })
    }
}
