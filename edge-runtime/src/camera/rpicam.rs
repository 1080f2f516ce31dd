//! The camera of a Raspberry Pi: the program `rpicam-vid`, which writes Motion JPEG.

use super::decode::Coded;
use super::live::{Source, Stream};
use super::mjpeg::Splitter;
use super::settings::Rpicam;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program that has closed its output may take to end.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What is kept of what it says, in bytes; the last line is told.
const SAID_LEN: usize = 2048;
const CHUNK_LEN: usize = 64 << 10;

impl Source for Rpicam {
    type Stream = Recording;

    fn name(&self) -> String {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        name.to_string_lossy().into_owned()
    }

    fn open(&self) -> Result<Recording, String> {
        let name = self.name();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments(self));
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that whatever it starts ends with it.
        command.process_group(0);
        let started = command.spawn();
        let mut child = started.map_err(|error| {
            format!(
                "{name}: cannot be started: {error}; install rpicam-apps, or check [camera] program"
            )
        })?;
        let stdout = child.stdout.take().expect("its output was piped");
        let stderr = child.stderr.take();
        Ok(Recording {
            name,
            child,
            reaped: false,
            stdout,
            stderr,
            said: Vec::new(),
            frames: Splitter::default(),
            chunk: vec![0; CHUNK_LEN],
        })
    }
}

/// For ever, without a preview, Motion JPEG to the standard output, without delay.
fn arguments(camera: &Rpicam) -> Vec<String> {
    let picture = &camera.picture;
    let sized = format!(
        "-t 0 -n --codec mjpeg --width {} --height {} --framerate {} --flush -o -",
        picture.width_px, picture.height_px, picture.frames_per_second
    );
    sized.split(' ').map(str::to_owned).collect()
}

/// A running program.
pub(super) struct Recording {
    name: String,
    child: Child,
    reaped: bool,
    stdout: ChildStdout,
    /// Until it is closed.
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
    frames: Splitter,
    chunk: Vec<u8>,
}

impl Stream for Recording {
    fn next(&mut self, patience: Duration) -> Result<Option<Coded>, String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.frame() {
                return Ok(Some(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = match &self.stderr {
                Some(stderr) => wait([self.stdout.as_fd(), stderr.as_fd()], left),
                None => wait([self.stdout.as_fd()], left).map(|[stdout]| [stdout, false]),
            };
            let [output, words] = ready.map_err(|error| self.unreadable(&error))?;
            if words {
                self.hear(Duration::ZERO);
            }
            if output {
                match self.stdout.read(&mut self.chunk) {
                    Ok(0) => return Err(self.ended()),
                    Ok(len) => self.frames.push(&self.chunk[..len]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.unreadable(&error)),
                }
            }
            if Instant::now() >= deadline {
                return Ok(self.frame());
            }
        }
    }
}

impl Recording {
    fn unreadable(&self, error: &io::Error) -> String {
        format!("{}: cannot be read: {error}", self.name)
    }

    fn frame(&mut self) -> Option<Coded> {
        Some(match self.frames.next()? {
            Ok(jpeg) => Coded::Jpeg(jpeg),
            Err(lost) => Coded::Garbled(lost.to_string()),
        })
    }

    /// Takes what it says, if it says something in time; returns whether it did.
    fn hear(&mut self, patience: Duration) -> bool {
        let Some(stderr) = &mut self.stderr else {
            std::thread::sleep(patience);
            return false;
        };
        if !wait([stderr.as_fd()], patience).is_ok_and(|[ready]| ready) {
            return false;
        }
        match stderr.read(&mut self.chunk) {
            Ok(0) | Err(_) => self.stderr = None,
            Ok(len) => {
                self.said.extend_from_slice(&self.chunk[..len]);
                let old = self.said.len().saturating_sub(SAID_LEN);
                self.said.drain(..old);
            }
        }
        self.stderr.is_some()
    }

    /// How it ended; what it said last is why.
    fn ended(&mut self) -> String {
        let deadline = Instant::now() + LAST_WORDS;
        let status = loop {
            self.hear(Duration::from_millis(10));
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => {}
                Ok(Some(status)) => break Some(status),
                Ok(None) | Err(_) => break None,
            }
        };
        let how = match status {
            Some(status) => {
                self.reaped = true;
                status.to_string()
            }
            None => "it closed its output".into(),
        };
        // First what it started, which may go on talking.
        self.kill();
        while Instant::now() < deadline && self.hear(Duration::ZERO) {}
        let said = String::from_utf8_lossy(&self.said);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last = last.unwrap_or("it said nothing");
        format!("{}: it ended, {how}: {last}", self.name)
    }

    /// Ends it and whatever it started. It may have ended already.
    fn kill(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            // Reaped, so that no dead entry stays in the system's table.
            let _ = self.child.wait();
        }
    }
}

/// Which of these can be read, or have ended; waits until one does.
fn wait<const N: usize>(
    sources: [std::os::fd::BorrowedFd<'_>; N],
    patience: Duration,
) -> io::Result<[bool; N]> {
    let mut polled = sources.map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN));
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut polled, Some(&patience)) {
        Ok(_) | Err(Errno::INTR) => Ok(polled.map(|source| !source.revents().is_empty())),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
