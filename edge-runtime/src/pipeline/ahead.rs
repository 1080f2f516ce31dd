//! Capture and detection, each on a thread of its own: while one face is compared, the next frame
//! is searched for a face, and the one after it is read.

use super::busy::Busy;
use super::ended::RunError;
use super::watch::TICK;
use crate::camera::Frame;
use crate::detect::Detector;
use crate::find::{self, Unseen};
use crate::millis::millis;
use crate::quality::Limits;
use shared::align::{AlignTemplate, AlignedFace, Landmarks};
use std::io;
use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the camera is waited for when the door ends: a driver may hang.
const CLOSING: Duration = Duration::from_secs(4);
/// Whoever asks for faces does so more often, unless the whole program was stopped; then no thread
/// has been at its frame for all that time.
const STOPPED: Duration = Duration::from_secs(5);

/// A frame that was searched for a face.
pub(super) struct Searched {
    /// What the camera calls it.
    pub(super) name: String,
    /// When it was taken, since the start, to the millisecond: as events tell it, so that they are
    /// all that a decision needs.
    pub(super) at: Duration,
    /// The face to compare and where it was, or why there is none.
    pub(super) face: Result<(AlignedFace, Landmarks), Unseen>,
}

/// The two threads. They end when the frames do, or when nobody takes faces any more.
pub(super) struct Ahead {
    faces: Option<Receiver<Searched>>,
    detection: Option<JoinHandle<()>>,
    /// How long each has been at one frame.
    busy: [(&'static str, Arc<Busy>); 2],
    asked: Instant,
    /// The camera is closed when the other ends of these are gone.
    capturing: Option<(Sender<()>, Receiver<()>)>,
}

impl Ahead {
    /// Starts both; frames come no faster than one in `interval`. There is no queue: at most two
    /// frames wait, so it is their age that must be looked at, not their number.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(super) fn start(
        frames: impl Iterator<Item = Frame> + Send + 'static,
        search: Search,
        interval: Duration,
        started: Instant,
    ) -> io::Result<Self> {
        let (to_search, taken) = sync_channel(0);
        let (to_compare, faces) = sync_channel(0);
        let (running, stop) = mpsc::channel();
        let (open, closed) = mpsc::channel();
        let busy = [
            ("the camera", Arc::default()),
            ("detection", Arc::default()),
        ];
        let [(_, capturing), (_, detecting)] = busy.clone();
        let capture = thread::Builder::new().name("capture".into());
        let capture = capture.spawn(move || {
            let _open = open;
            let to = Capture {
                to: to_search,
                stop,
                busy: capturing,
            };
            to.take(frames, interval);
        })?;
        let detection = thread::Builder::new().name("detection".into());
        let detection = detection.spawn(move || {
            for frame in taken.iter() {
                let searched = detecting.at(|| search.face_in(frame, started));
                if to_compare.send(searched).is_err() {
                    return;
                }
            }
            // A camera that panicked has not just come to its end.
            if let Err(panic) = capture.join() {
                panic::resume_unwind(panic);
            }
        })?;
        Ok(Self {
            faces: Some(faces),
            detection: Some(detection),
            busy,
            asked: Instant::now(),
            capturing: Some((running, closed)),
        })
    }

    /// The next face, if it is there in time; `Disconnected` when the frames have ended.
    ///
    /// # Errors
    /// [`RunError::Panic`] of a thread, or [`RunError::Hangs`].
    pub(super) fn next(
        &mut self,
        within: Duration,
    ) -> Result<Result<Searched, RecvTimeoutError>, RunError> {
        let ended = Err(RecvTimeoutError::Disconnected);
        let next = self.faces.as_ref().map(|faces| faces.recv_timeout(within));
        let next = next.unwrap_or(ended);
        if matches!(next, Err(RecvTimeoutError::Disconnected))
            && let Some(Err(panic)) = self.detection.take().map(JoinHandle::join)
        {
            return Err(RunError::Panic(crate::said(&*panic)));
        }
        if self.asked.elapsed() > STOPPED {
            self.busy.iter().for_each(|(_, busy)| busy.restart());
        }
        self.asked = Instant::now();
        match self.busy.iter().find(|(_, busy)| busy.hangs()) {
            Some((stage, _)) if next.is_err() => Err(RunError::Hangs(stage)),
            _ => Ok(next),
        }
    }
}

impl Ahead {
    /// Waits until the camera is closed, for a program behind it must not outlive the door; `tick`
    /// is called meanwhile.
    pub(super) fn close(mut self, tick: impl Fn()) {
        self.faces = None;
        let Some((running, closed)) = self.capturing.take() else {
            return;
        };
        drop(running);
        let asked = Instant::now();
        while asked.elapsed() < CLOSING
            && closed.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout)
        {
            tick();
        }
    }
}

/// Where frames go.
struct Capture {
    to: SyncSender<Frame>,
    /// Disconnected when there are to be no more.
    stop: Receiver<()>,
    busy: Arc<Busy>,
}

impl Capture {
    fn take(self, mut frames: impl Iterator<Item = Frame>, interval: Duration) {
        let mut due = Instant::now();
        while let Some(frame) = self.busy.at(|| frames.next()) {
            if self.to.send(frame).is_err() {
                return;
            }
            // What was missed in a pause is not made up for.
            let now = Instant::now();
            let next = due.checked_add(interval).map(|next| next.max(now));
            let wait = next.map_or(Duration::MAX, |next| next - now);
            due = next.unwrap_or(due);
            if self.stop.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }
}

/// Finds the face of a frame that is to be compared.
pub(super) struct Search {
    /// Where the camera does not say where faces are.
    pub(super) detector: Option<Detector>,
    /// What the network takes.
    pub(super) template: AlignTemplate,
}

impl Search {
    fn face_in(&self, frame: Frame, started: Instant) -> Searched {
        let at = frame.taken.saturating_duration_since(started);
        Searched {
            face: self.detect_and_align(&frame),
            name: frame.name,
            at: Duration::from_millis(millis(at)),
        }
    }

    fn detect_and_align(&self, frame: &Frame) -> Result<(AlignedFace, Landmarks), Unseen> {
        let content = frame.content.as_ref().map_err(Unseen::bad)?;
        let landmarks = find::landmarks(content, self.detector.as_ref())?;
        let face = find::good_face(&content.image, &landmarks, self.template, &Limits::DOOR)?;
        Ok((face, landmarks))
    }
}
