//! A simulated door in a folder: its file `relay` gets a line for each level that the lock's pin
//! is set to, and the files `sensor`, `exit_button` and `tamper` say what the contacts' levels are.

use crate::door::settings::{ActiveLevel, Contact};
use crate::event::Input;
use embedded_hal::digital::{self, ErrorKind, ErrorType, InputPin, OutputPin};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; expected a folder that this program may write to", path.display())]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

/// What a simulated pin cannot do.
#[derive(Debug)]
#[expect(
    dead_code,
    reason = "told by its `Debug`, as all that a pin's error must have"
)]
pub(in crate::door) enum FolderPinError {
    Io(io::Error),
    /// The file has something else in it.
    Unknown(String),
}

impl digital::Error for FolderPinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// An output: lines of milliseconds since its start and `high` or `low`.
pub(in crate::door) struct FolderOutput {
    started: Instant,
    file: File,
}

impl FolderOutput {
    /// Makes the folder if there is none, and an empty file.
    pub(in crate::door) fn open(folder: &Path) -> Result<Self, FolderError> {
        let file = fs::create_dir_all(folder).and_then(|()| File::create(folder.join("relay")));
        let file = file.map_err(|source| FolderError {
            path: folder.into(),
            source,
        })?;
        let started = Instant::now();
        Ok(Self { started, file })
    }

    fn write(&mut self, level: &str) -> Result<(), FolderPinError> {
        let line = format!("{} {level}\n", self.started.elapsed().as_millis());
        let written = self.file.write_all(line.as_bytes());
        written.map_err(FolderPinError::Io)
    }
}

impl ErrorType for FolderOutput {
    type Error = FolderPinError;
}

impl OutputPin for FolderOutput {
    fn set_low(&mut self) -> Result<(), FolderPinError> {
        self.write("low")
    }

    fn set_high(&mut self) -> Result<(), FolderPinError> {
        self.write("high")
    }
}

/// An input: a file with `high` or `low`. It is at rest while there is no file, and as it was while
/// the file is empty: somebody is writing.
pub(in crate::door) struct FolderInput {
    path: PathBuf,
    rest: bool,
    high: bool,
}

impl FolderInput {
    pub(in crate::door) fn new(folder: &Path, input: Input, contact: &Contact) -> Self {
        let rest = contact.active_level == ActiveLevel::Low;
        Self {
            path: folder.join(input.name()),
            rest,
            high: rest,
        }
    }
}

impl ErrorType for FolderInput {
    type Error = FolderPinError;
}

impl InputPin for FolderInput {
    fn is_high(&mut self) -> Result<bool, FolderPinError> {
        let content = match fs::read_to_string(&self.path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.high = self.rest;
                return Ok(self.high);
            }
            Err(error) => return Err(FolderPinError::Io(error)),
        };
        match content.trim() {
            "" => {}
            "high" => self.high = true,
            "low" => self.high = false,
            other => return Err(FolderPinError::Unknown(other.into())),
        }
        Ok(self.high)
    }

    fn is_low(&mut self) -> Result<bool, FolderPinError> {
        self.is_high().map(|high| !high)
    }
}
