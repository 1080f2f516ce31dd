//! Where claims come from: standard input, a serial line, a Unix socket.

use super::{Numbers, Told, lines};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{self, ControlModes, OptionalActions};
use serde::Deserialize;
use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

/// Whoever connects and then says nothing makes room for others.
const SILENCE: Duration = Duration::from_secs(10);
/// From one attempt to open a line that was lost to the next.
const RETRY: Duration = Duration::from_secs(1);

/// Where claims come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A serial line: 8 data bits, no parity, 1 stop bit.
    Serial {
        /// The device.
        path: PathBuf,
        /// Bits a second.
        baud: u32,
    },
    /// A Unix socket, which is made, of mode 0600.
    Socket {
        /// The socket.
        path: PathBuf,
    },
}

/// A source that cannot be listened to.
#[derive(Debug, thiserror::Error)]
#[error("{}: no claims can be read: {reason}; check [claims] source", path.display())]
pub struct ClaimError {
    path: PathBuf,
    reason: io::Error,
}

impl Source {
    /// The path, if it has one.
    pub fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Stdin => None,
            Self::Serial { path, .. } | Self::Socket { path } => Some(path),
        }
    }

    /// Opens it and reads on a thread that ends with the program, or with the receiver.
    pub(super) fn listen(
        &self,
        numbers: Numbers,
        told: SyncSender<Told>,
    ) -> Result<(), ClaimError> {
        let lost = Cell::new(false);
        let teller = Teller {
            numbers,
            told,
            lost,
        };
        let started = match self.clone() {
            Self::Stdin => start(move || teller.read_stdin()),
            Self::Serial { path, baud } => open_serial(&path, baud)
                .and_then(|line| start(move || teller.read_serial(line, &path, baud))),
            Self::Socket { path } => {
                bind(&path).and_then(|socket| start(move || teller.read_socket(&socket)))
            }
        };
        started.map_err(|reason| {
            let path = self.clone().path_mut().cloned();
            ClaimError {
                path: path.unwrap_or("standard input".into()),
                reason,
            }
        })
    }
}

fn start(read: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("claims".into()).spawn(read)?;
    Ok(())
}

/// Tells the door's loop; the functions return when there is no more to tell, or nobody to.
struct Teller {
    numbers: Numbers,
    told: SyncSender<Told>,
    /// Nothing was read since a fault.
    lost: Cell<bool>,
}

impl Teller {
    fn read_stdin(&self) {
        let ended = self.read(io::stdin());
        self.fault("standard input", ended);
    }

    fn read_serial(&self, mut line: File, path: &Path, baud: u32) {
        loop {
            let ended = self.read(line);
            if !self.fault(&path.display().to_string(), ended) {
                return;
            }
            line = loop {
                thread::sleep(RETRY);
                if let Ok(line) = open_serial(path, baud) {
                    break line;
                }
            };
        }
    }

    fn read_socket(&self, socket: &UnixListener) {
        for client in socket.incoming() {
            // A client that breaks off harms only itself.
            let ended = client.and_then(|client| {
                client.set_read_timeout(Some(SILENCE))?;
                self.read(client)
            });
            if ended.is_err() {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    fn read(&self, source: impl Read) -> io::Result<()> {
        lines::read(source, |line| {
            let subject = self.numbers.subject(line);
            let at = Instant::now();
            if self.lost.take() && self.told.send(Told::Restored).is_err() {
                return false;
            }
            self.told.send(Told::Claim { at, subject }).is_ok()
        })
    }

    /// Told once, until something is read again. Returns whether anybody still listens, as far as
    /// that is known.
    fn fault(&self, source: &str, ended: io::Result<()>) -> bool {
        let reason = ended.map_or_else(|error| error.to_string(), |()| "it ended".into());
        let fault = format!("{source}: no claims can be read: {reason}");
        self.lost.replace(true) || self.told.send(Told::Fault(fault)).is_ok()
    }
}

fn open_serial(path: &Path, baud: u32) -> io::Result<File> {
    // Without waiting for a carrier, which most readers have none of.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let line = rustix::fs::open(path, flags, Mode::empty())?;
    let mut modes = termios::tcgetattr(&line)?;
    modes.make_raw();
    modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    modes.set_speed(baud)?;
    termios::tcsetattr(&line, OptionalActions::Flush, &modes)?;
    let flags = rustix::fs::fcntl_getfl(&line)? - OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&line, flags)?;
    Ok(line.into())
}

/// Takes the place of a socket that an earlier run left, and of nothing else.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(socket)
}
