//! Capture and detection, each on a thread of its own: while one face is compared, the next frame
//! is searched for a face, and the one after it is read.

use super::millis;
use super::sight::Sight;
use crate::camera::{Face, Frame};
use crate::detect::{Detector, NotOneFace};
use crate::event::Outcome;
use crate::face::{self, FaceError};
use crate::quality::Limits;
use shared::align::{AlignTemplate, AlignedFace, Landmarks};
use std::io;
use std::panic;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A frame that was searched for a face.
pub(super) struct Searched {
    /// What the camera calls it.
    pub(super) name: String,
    /// When it was taken, since the start, to the millisecond: as events tell it, so that they are
    /// all that a decision needs.
    pub(super) at: Duration,
    /// The face to compare and where it was, or why there is none.
    pub(super) face: Result<(AlignedFace, Landmarks), Sight>,
}

/// The two threads. They end when the frames do, or when nobody takes faces any more.
pub(super) struct Ahead {
    faces: Receiver<Searched>,
    detection: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts both; frames come no faster than one in `interval`, and none is taken before the one
    /// before it is being searched, so that what is decided upon is never old.
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
        let capture = thread::Builder::new().name("capture".into());
        let capture = capture.spawn(move || take(frames, interval, started, &to_search))?;
        let detection = thread::Builder::new().name("detection".into());
        let detection = detection.spawn(move || {
            for (at, frame) in taken.iter() {
                if to_compare.send(search.face_in(frame, at)).is_err() {
                    return;
                }
            }
            // A camera that panicked has not just come to its end.
            if let Err(panic) = capture.join() {
                panic::resume_unwind(panic);
            }
        })?;
        Ok(Self {
            faces,
            detection: Some(detection),
        })
    }

    /// The next face, if it is there in time; `Disconnected` when the frames have ended.
    ///
    /// # Errors
    /// What a thread that panicked said.
    pub(super) fn next(
        &mut self,
        within: Duration,
    ) -> Result<Result<Searched, RecvTimeoutError>, String> {
        let next = self.faces.recv_timeout(within);
        if matches!(next, Err(RecvTimeoutError::Disconnected))
            && let Some(Err(panic)) = self.detection.take().map(JoinHandle::join)
        {
            return Err(crate::said(&*panic));
        }
        Ok(next)
    }
}

fn take(
    frames: impl Iterator<Item = Frame>,
    interval: Duration,
    started: Instant,
    to: &SyncSender<(Duration, Frame)>,
) {
    let mut due = started.elapsed();
    for frame in frames {
        let at = Duration::from_millis(millis(started.elapsed()));
        if to.send((at, frame)).is_err() {
            return;
        }
        due = due.saturating_add(interval);
        thread::sleep(due.saturating_sub(started.elapsed()));
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
    fn face_in(&self, frame: Frame, at: Duration) -> Searched {
        Searched {
            face: self.detect_and_align(&frame),
            name: frame.name,
            at,
        }
    }

    fn detect_and_align(&self, frame: &Frame) -> Result<(AlignedFace, Landmarks), Sight> {
        let content = frame.content.as_ref();
        let content = content.map_err(|reason| Sight::plain(Outcome::BadFrame, reason))?;
        let landmarks = match (&content.face, &self.detector) {
            (Face::At(landmarks), _) => Ok(*landmarks),
            (Face::Unknown, Some(detector)) => detector.only_face(&content.image),
            (Face::Nowhere, _) | (Face::Unknown, None) => Err(NotOneFace::None),
        };
        let landmarks = landmarks.map_err(|error| match error {
            NotOneFace::None => Sight::plain(Outcome::NoFace, "no face in the frame"),
            NotOneFace::Several(_) => Sight::plain(Outcome::PoorFace, error.to_string()),
            NotOneFace::Network(_) => Sight::plain(Outcome::BadFrame, error.to_string()),
        })?;
        match face::good(&content.image, &landmarks, self.template, &Limits::DOOR) {
            Ok(face) => Ok((face, landmarks)),
            Err(error @ FaceError::Poor(_)) => Err(Sight::poor(&error, &landmarks)),
            Err(error) => Err(Sight::plain(Outcome::BadFrame, error.to_string())),
        }
    }
}
