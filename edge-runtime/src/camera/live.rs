//! A live camera that comes back by itself: one thread reads, whoever looks gets the newest frame
//! or the reason why there is none.

mod shared;

use super::decode::{Coded, decode};
use super::settings::Picture;
use super::{CameraError, Content, Face, Frame};
use image::RgbImage;
use shared::{Shared, Taken};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A camera that can be opened, again and again.
pub(super) trait Source: Send + 'static {
    /// What it gives while it is open.
    type Stream: Stream;

    /// What to call its frames.
    fn name(&self) -> String;

    /// Opens it, and closes it when the stream is dropped.
    ///
    /// # Errors
    /// Why it cannot be opened, with its name.
    fn open(&self) -> Result<Self::Stream, String>;
}

/// Frames as they come.
pub(super) trait Stream {
    /// The next one, if it comes within `patience`.
    ///
    /// # Errors
    /// Why no more will come, with the camera's name.
    fn next(&mut self, patience: Duration) -> Result<Option<Coded>, String>;
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// From the opening to the first frame.
    pub(super) first: Duration,
    /// From one usable frame to the next.
    pub(super) stall: Duration,
    /// From a frame's arrival until somebody looks at it; an older one is not decided upon.
    pub(super) age: Duration,
    /// From a fault to the next attempt; twice as long each time ...
    pub(super) pause: Duration,
    /// ... but no longer than this.
    pub(super) longest_pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            stall: Duration::from_secs(3),
            age: Duration::from_secs(1),
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// How long it is waited for: a driver may hang.
const END: Duration = Duration::from_secs(1);

/// The newest frames of a camera, for ever.
pub(super) struct Live {
    shared: Arc<Shared>,
    name: String,
    picture: Picture,
    times: Times,
    count: u64,
    /// A fault of the opening, to be told at the first look.
    first: Option<Frame>,
    /// Since when frames have been unusable, of which the first was told.
    unusable: Option<Instant>,
    /// What is wrong, as far as is known.
    fault: Option<String>,
}

impl Live {
    /// Starts to read and waits for the first frame, or a reason why there is none.
    pub(super) fn open(
        source: impl Source,
        picture: Picture,
        times: Times,
    ) -> Result<Self, CameraError> {
        let shared = Arc::new(Shared::default());
        let mut live = Self {
            shared: shared.clone(),
            name: source.name(),
            picture,
            times,
            count: 0,
            first: None,
            unusable: None,
            fault: None,
        };
        let builder = thread::Builder::new().name("camera".into());
        let read = move || {
            shared.read(&source, &times);
            shared.change(|state| state.ended = true);
        };
        builder.spawn(read).map_err(CameraError::Thread)?;
        // A frame would be too old when it is looked at.
        live.first = Some(live.look(times.first)).filter(|frame| frame.content.is_err());
        Ok(live)
    }

    /// The newest frame that was not given yet; waits for it as long as `patience`.
    fn look(&mut self, patience: Duration) -> Frame {
        let deadline = Instant::now() + patience;
        let (taken, content) = loop {
            let taken = self.shared.take(deadline);
            if let Some(found) = taken.and_then(|taken| self.judge(taken)) {
                break found;
            }
            if Instant::now() >= deadline {
                let nothing = || format!("{}: no frame for {patience:?}", self.name);
                let reason = self.fault.clone().unwrap_or_else(nothing);
                break (Instant::now(), Err(reason));
            }
        };
        self.count += 1;
        let face = Face::Unknown;
        Frame {
            name: format!("{} {}", self.name, self.count),
            taken,
            content: content.map(|image| Content { image, face }),
        }
    }

    /// What to tell of it, if it is to be told.
    fn judge(&mut self, taken: Taken) -> Option<(Instant, Result<RgbImage, String>)> {
        match taken {
            Taken::Frame(at, coded) => match decode(&coded, &self.picture) {
                Ok(_) if at.elapsed() > self.times.age => None,
                Ok(image) => {
                    (self.unusable, self.fault) = (None, None);
                    self.shared.change(|state| state.good = true);
                    Some((at, Ok(image)))
                }
                Err(reason) => Some((at, Err(self.unusable(at, reason)?))),
            },
            Taken::Lost(reason) => {
                self.unusable = None;
                self.fault = Some(reason.clone());
                Some((Instant::now(), Err(reason)))
            }
        }
    }

    /// The reason to tell, for the first of many in a row; if they do not end, the camera is
    /// opened anew.
    fn unusable(&mut self, taken: Instant, reason: String) -> Option<String> {
        let reason = format!("{}: {reason}", self.name);
        self.fault = Some(reason.clone());
        let Some(since) = self.unusable else {
            self.unusable = Some(taken);
            return Some(reason);
        };
        if since.elapsed() > self.times.stall {
            // Once: a frame that was on its way must not have the next stream given up, too.
            self.unusable = None;
            let time = self.times.stall;
            let reason = format!("{reason}; no frame could be used for {time:?}");
            self.shared.change(|state| state.give_up = Some(reason));
        }
        None
    }
}

impl Iterator for Live {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let first = self.first.take();
        Some(first.unwrap_or_else(|| self.look(self.times.stall)))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.change(|state| state.stop = true);
        self.shared
            .wait(Instant::now() + END, |state| state.ended.then_some(()));
    }
}

#[cfg(test)]
mod tests;
