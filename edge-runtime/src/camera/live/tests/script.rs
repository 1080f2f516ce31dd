//! A camera by a script.

use super::super::*;
use super::PICTURE;
use Step::{Ends, Gives, Panics, Shows, Waits};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread::sleep;

#[derive(Clone)]
pub(super) enum Step {
    /// A frame of this luma.
    Shows(u8),
    Gives(Coded),
    /// Nothing comes for so long, in milliseconds.
    Waits(u64),
    Ends,
    Panics,
}

/// Streams, one after the other; a stream whose script has ended waits. Without a script the
/// camera cannot be opened.
#[derive(Default)]
pub(super) struct Script {
    pub(super) streams: Mutex<VecDeque<Vec<Step>>>,
    pub(super) opened: Mutex<Vec<Instant>>,
}

impl Source for Arc<Script> {
    type Stream = VecDeque<Step>;

    fn name(&self) -> String {
        "cam".into()
    }

    fn open(&self) -> Result<VecDeque<Step>, String> {
        self.opened.lock().unwrap().push(Instant::now());
        let steps = self.streams.lock().unwrap().pop_front();
        steps
            .map(Into::into)
            .ok_or_else(|| "cam: it is gone".into())
    }
}

impl Stream for VecDeque<Step> {
    fn next(&mut self, patience: Duration) -> Result<Option<Coded>, String> {
        if let Some(Waits(ms)) = self.front_mut() {
            let waited = patience.min(Duration::from_millis(*ms));
            sleep(waited);
            *ms -= waited.as_millis() as u64;
            if *ms > 0 {
                return Ok(None);
            }
            self.pop_front();
        }
        match self.pop_front() {
            Some(Shows(color)) => Ok(Some(frame(color))),
            Some(Gives(coded)) => Ok(Some(coded)),
            Some(Ends) => Err("cam: it ended".into()),
            Some(Panics) => panic!("as a driver might"),
            Some(Waits(_)) => Ok(None),
            None => {
                sleep(patience);
                Ok(None)
            }
        }
    }
}

/// A frame of this luma: 16 is black, 235 white.
pub(super) fn frame(luma: u8) -> Coded {
    Coded::Yuyv {
        bytes: [luma, 128].repeat(16 * 16),
        stride: 32,
    }
}

pub(super) fn open(
    streams: impl IntoIterator<Item = Vec<Step>>,
    times: Times,
) -> (Live, Arc<Script>) {
    let script = Arc::new(Script::default());
    script.streams.lock().unwrap().extend(streams);
    let live = Live::open(script.clone(), PICTURE, times).unwrap();
    (live, script)
}

/// What a frame shows, or the reason why it shows nothing.
pub(super) fn told(frame: Frame) -> Result<u8, String> {
    frame
        .content
        .map(|content| content.image.get_pixel(0, 0).0[0])
}

pub(super) fn next(live: &mut Live) -> Result<u8, String> {
    told(live.next().unwrap())
}
