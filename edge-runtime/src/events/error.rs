//! Why nobody can be told what happens at the door.

use crate::capped_file::ReadError;
use crate::store::StoreError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the door cannot tell others what happens; it says so before it starts.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// A file that `[mqtt]` names cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Others than the owner may read a secret.
    #[error("{}: mode {mode:o} lets others read the secret, expected 600; run chmod 600 on it, and think about who has read it", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is not what `[mqtt]` takes it for.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS to the broker cannot be set up: {0}; check [mqtt.tls]")]
    Tls(String),
    /// The queue of messages.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No thread.
    #[error("the system gives no thread to tell others what happens: {0}; end other programs")]
    Thread(io::Error),
    /// The metrics cannot be offered.
    #[error(
        "{address}: metrics cannot be offered there: {source}; choose another listen in [metrics]"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
