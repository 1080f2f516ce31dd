//! A camera by a script, with every fault.

use super::*;
use crate::camera::settings::Rotation;
use crate::jpeg::tests::{encoded, picture};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread::sleep;

const PICTURE: Picture = Picture {
    width_px: 16,
    height_px: 16,
    frames_per_second: 30.0,
    rotation: Rotation::None,
};

/// Long enough that a busy machine makes nothing late that is not.
const TIMES: Times = Times {
    first: Duration::from_secs(20),
    stall: Duration::from_secs(20),
    age: Duration::from_secs(20),
    pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(8),
};

#[derive(Clone)]
enum Step {
    /// A frame of this color.
    Shows(u8),
    Gives(Coded),
    /// Nothing comes for so long, in milliseconds.
    Waits(u64),
    Ends,
    Panics,
}
use Step::{Ends, Gives, Panics, Shows, Waits};

/// Streams, one after the other; a stream whose script has ended waits. Without a script the
/// camera cannot be opened.
#[derive(Default)]
struct Script {
    streams: Mutex<VecDeque<Vec<Step>>>,
    opened: Mutex<Vec<Instant>>,
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

/// Two white pixels' luma, or two black ones'.
fn frame(luma: u8) -> Coded {
    Coded::Yuyv {
        bytes: [luma, 128].repeat(16 * 16),
        stride: 32,
    }
}

fn open(streams: impl IntoIterator<Item = Vec<Step>>, times: Times) -> (Live, Arc<Script>) {
    let script = Arc::new(Script::default());
    script.streams.lock().unwrap().extend(streams);
    let live = Live::open(script.clone(), PICTURE, times).unwrap();
    (live, script)
}

/// What a frame shows, or the reason why it shows nothing.
fn told(frame: Frame) -> Result<u8, String> {
    frame
        .content
        .map(|content| content.image.get_pixel(0, 0).0[0])
}

fn next(live: &mut Live) -> Result<u8, String> {
    told(live.next().unwrap())
}

#[test]
fn the_newest_frame_is_given_once() {
    // The first one warms the camera.
    let (mut live, _) = open([vec![Shows(16), Waits(60), Shows(235)]], TIMES);
    assert_eq!(next(&mut live), Ok(255));
    let steps = vec![
        Shows(16),
        Waits(60),
        Shows(16),
        Waits(60),
        Shows(235),
        Waits(300),
        Shows(16),
    ];
    let (mut live, _) = open([steps], TIMES);
    sleep(Duration::from_millis(200));
    assert_eq!(next(&mut live), Ok(255));
    assert_eq!(next(&mut live), Ok(0));
}

#[test]
fn frames_that_waited_in_buffers_are_passed_over() {
    let waited = vec![
        Shows(16),
        Waits(60),
        Shows(16),
        Shows(16),
        Shows(235),
        Waits(60_000),
    ];
    let (mut live, _) = open([waited], TIMES);
    assert_eq!(next(&mut live), Ok(255));
}

#[test]
fn an_old_frame_is_never_given() {
    let times = Times {
        age: Duration::from_millis(100),
        ..TIMES
    };
    let steps = vec![
        Shows(16),
        Waits(60),
        Shows(16),
        Waits(600),
        Shows(235),
        Waits(60_000),
    ];
    let (mut live, _) = open([steps], times);
    sleep(Duration::from_millis(300));
    let frame = live.next().unwrap();
    assert!(frame.taken.elapsed() <= times.age);
    assert_eq!(told(frame), Ok(255));
}

#[test]
fn a_camera_that_is_missing_at_the_start_is_a_fault_that_is_retried() {
    let (mut live, script) = open([], TIMES);
    assert_eq!(next(&mut live), Err("cam: it is gone".into()));
    script
        .streams
        .lock()
        .unwrap()
        .push_back(vec![Shows(235), Waits(20), Shows(235)]);
    while let Err(reason) = next(&mut live) {
        assert_eq!(reason, "cam: it is gone");
    }
}

#[test]
fn each_loss_is_one_frame_and_the_stream_comes_back() {
    for (last, reason) in [
        (Ends, "cam: it ended"),
        (Panics, "cam: the driver failed: as a driver"),
    ] {
        let good = || vec![Shows(16), Waits(30), Shows(235), Waits(30)];
        let lost = [good(), vec![last]].concat();
        let (mut live, _) = open([lost, good()], TIMES);
        assert_eq!(next(&mut live), Ok(255));
        let error = next(&mut live).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
        assert!(next(&mut live).is_ok());
    }
}

#[test]
fn no_frame_from_before_a_loss_is_given_after_it() {
    let before = vec![Shows(16), Waits(60), Shows(16), Ends];
    let (mut live, _) = open([before, vec![Waits(200), Shows(235)]], TIMES);
    sleep(Duration::from_millis(150));
    assert_eq!(next(&mut live), Err("cam: it ended".into()));
    assert_eq!(next(&mut live), Ok(255));
}

#[test]
fn a_stall_is_told_in_time_and_the_camera_opened_anew() {
    let times = Times {
        stall: Duration::from_millis(200),
        ..TIMES
    };
    let (mut live, script) = open([vec![Shows(16)], vec![Waits(60_000)]], times);
    let start = Instant::now();
    for _ in 0..3 {
        let asked = Instant::now();
        let error = next(&mut live).unwrap_err();
        assert!(error.contains("no frame for 200ms"), "{error}");
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
    // The second stream has the time of a first frame, which is not over.
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(script.opened.lock().unwrap().len(), 2);
}

#[test]
fn a_garbled_frame_is_told_once_and_the_stream_goes_on() {
    let garbled = || Gives(Coded::Garbled("a garbled frame".into()));
    let cut = encoded(&picture(16, 16))[..300].to_vec();
    let good = || vec![Waits(40), Shows(235), Waits(40)];
    let first = || vec![Shows(16), Waits(40)];
    for bad in [
        vec![garbled()],
        vec![Gives(Coded::Jpeg(cut))],
        // Many in a row are told once.
        vec![garbled(), Waits(40), garbled(), Waits(40), garbled()],
    ] {
        let (mut live, script) = open([[first(), bad, good()].concat()], TIMES);
        let error = next(&mut live).unwrap_err();
        assert!(error.starts_with("cam: a garbled frame"), "{error}");
        assert_eq!(next(&mut live), Ok(255));
        assert_eq!(script.opened.lock().unwrap().len(), 1);
    }
}

#[test]
fn a_camera_that_gives_nothing_but_another_format_is_opened_anew() {
    let times = Times {
        stall: Duration::from_millis(100),
        ..TIMES
    };
    let small = || vec![Gives(Coded::Jpeg(encoded(&picture(8, 8)))), Waits(20)];
    let wrong: Vec<_> = (0..20).flat_map(|_| small()).collect();
    let (mut live, script) = open([wrong, vec![Shows(16), Waits(20), Shows(235)]], times);
    let mut reasons = Vec::new();
    while let Err(reason) = next(&mut live) {
        reasons.push(reason);
    }
    assert!(reasons.len() <= 4, "{reasons:?}");
    assert!(reasons[0].contains("8x8, expected 16x16"), "{reasons:?}");
    let last = reasons.last().unwrap();
    assert!(
        last.ends_with("no frame could be used for 100ms"),
        "{reasons:?}"
    );
    assert_eq!(script.opened.lock().unwrap().len(), 2);
}

#[test]
fn attempts_become_rarer_until_a_stream_lasts() {
    let pauses = |script: &Script| -> Vec<_> {
        let opened = script.opened.lock().unwrap();
        opened.windows(2).map(|two| two[1] - two[0]).collect()
    };
    let times = Times {
        pause: Duration::from_millis(30),
        longest_pause: Duration::from_millis(480),
        ..TIMES
    };
    // One frame each, and gone at once.
    let flapping = || vec![Shows(16), Ends];
    let lasting: Vec<_> = (0..20)
        .flat_map(|_| [Shows(16), Waits(40)])
        .chain([Ends])
        .collect();
    let streams = (0..6).map(|_| flapping()).chain([lasting]);
    let (mut live, script) = open(streams, times);
    while script.opened.lock().unwrap().len() < 9 {
        live.next();
    }
    let pauses = pauses(&script);
    for (pause, at_least_ms) in pauses
        .iter()
        .zip([30, 60, 120, 240, 480, 480, 800 + 30, 60])
    {
        assert!(*pause >= Duration::from_millis(at_least_ms), "{pauses:?}");
    }
    // Not as long as before the one that lasted.
    assert!(pauses[7] < Duration::from_millis(480), "{pauses:?}");
}

#[test]
fn a_door_that_was_held_up_does_not_trust_what_waited() {
    struct Slow;
    impl Source for Slow {
        type Stream = Slow;
        fn name(&self) -> String {
            "cam".into()
        }
        fn open(&self) -> Result<Slow, String> {
            Ok(Slow)
        }
    }
    impl Stream for Slow {
        fn next(&mut self, patience: Duration) -> Result<Option<Coded>, String> {
            if patience.is_zero() {
                return Ok(None);
            }
            // As if the whole program had been stopped.
            sleep(Duration::from_millis(400));
            Ok(Some(frame(235)))
        }
    }
    let times = Times {
        age: Duration::from_millis(100),
        ..TIMES
    };
    let mut live = Live::open(Slow, PICTURE, times).unwrap();
    let error = next(&mut live).unwrap_err();
    assert!(
        error.starts_with("cam: the door was held up for"),
        "{error}"
    );
}

#[test]
fn the_thread_ends_with_the_camera() {
    let (live, script) = open([vec![Shows(16)]], TIMES);
    drop(live);
    // Only the thread had it beside this test.
    let deadline = Instant::now() + Duration::from_secs(10);
    while Arc::strong_count(&script) > 1 {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5));
    }
}
