//! Why a device is not changed.

use super::slot::Slot;
use crate::atomic_file::WriteError;
use crate::capped_file::ReadError;
use crate::release::ReleaseFileError;
use shared::digest::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// Why a device is not changed. Unless a message says otherwise, what was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A release or a key.
    #[error(transparent)]
    Release(#[from] ReleaseFileError),
    /// The file system refuses something else.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("{} is being changed by {owner}; wait until that is done, and try again", path.display())]
    Busy {
        /// The programs' folder.
        path: PathBuf,
        /// Who.
        owner: String,
    },
    /// No key is trusted yet, and none came along.
    #[error("no key is trusted here yet; give one with --key at the first deployment")]
    NoKey,
    /// Another key than the trusted one came along.
    #[error(
        "{}: the key that came along is another one than this; sign with the key that the door was first deployed with, or take this file away on the \
         device, which trusts whatever key comes next", .0.display()
    )]
    OtherKey(PathBuf),
    /// Older than what was here.
    #[error(
        "release {found} is older than release {highest}, which this door has had; sign a new one, or let an older one in with --allow-older, which is \
         written into the door's log"
    )]
    Older {
        /// Of the release.
        found: u64,
        /// That was in force.
        highest: u64,
    },
    /// For other processors.
    #[error("the release is for {found}, this device is {expected}; build it for that")]
    Architecture {
        /// Of the release.
        found: String,
        /// Of the device.
        expected: &'static str,
    },
    /// Not the file that was signed.
    #[error(
        "{}: its digest is {found}, which the release does not name; it was cut off, or belongs to another release: copy it again", path.display()
    )]
    NotInRelease {
        /// The file.
        path: PathBuf,
        /// Its digest.
        found: Digest,
    },
    /// The first deployment has no configuration.
    #[error("{}: there is none yet; the first deployment needs a configuration", .0.display())]
    NoConfig(PathBuf),
    /// The door would load something else.
    #[error("the configuration names the bundle {}, expected bundle = \"/opt/facelatch/current/model.bundle\"", .0.display())]
    OtherBundle(PathBuf),
    /// The new program does not accept what it is to run with.
    #[error("the program of the new slot refuses what it is to run with: {0}")]
    Refused(String),
    /// A deployment is not settled, and its service should be at it.
    #[error("an earlier deployment is not settled yet; wait, and see `device status`")]
    Unsettled,
    /// Nothing was ever deployed here.
    #[error("{}: nothing is deployed here", .0.display())]
    Nothing(PathBuf),
    /// There is no other slot to go back to.
    #[error("{name} holds no whole release to go back to: {reason}", name = slot.name())]
    NoOther {
        /// The slot.
        slot: Slot,
        /// What is missing.
        reason: String,
    },
    /// The system's services cannot be told.
    #[error("`{command}` failed: {reason}")]
    Service {
        /// The command line.
        command: String,
        /// What it said.
        reason: String,
    },
    /// The first deployment does not run; there is nothing to go back to.
    #[error("the first deployment is not healthy, and there is nothing to go back to: {0}")]
    FirstUnhealthy(String),
}

impl DeviceError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            doing,
            source,
        }
    }
}
