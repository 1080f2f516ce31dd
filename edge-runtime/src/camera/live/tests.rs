//! Every fault of a camera.

mod script;

use super::*;
use crate::camera::settings::Rotation;
use crate::jpeg::tests::{encoded, picture};
use script::Step::{Ends, Gives, Panics, Shows, Waits};
use script::{Script, frame, next, open, told};
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

/// Until the reading thread has come so far.
fn wait(live: &Live, found: impl Fn(&shared::State) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let found = live
        .shared
        .wait(deadline, |state| found(state).then_some(()));
    found.expect("the thread comes so far");
}

fn is_newest(state: &shared::State, coded: &Coded) -> bool {
    state
        .newest
        .as_ref()
        .is_some_and(|(_, newest)| newest == coded)
}

#[test]
fn the_newest_frame_is_given_once() {
    // The first one warms the camera.
    let steps = vec![Shows(16), Waits(60), Shows(16), Waits(60), Shows(235)];
    let (mut live, _) = open([steps], TIMES);
    wait(&live, |state| is_newest(state, &frame(235)));
    assert_eq!(next(&mut live), Ok(255));
    wait(&live, |state| state.newest.is_none());
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
        age: Duration::from_secs(1),
        ..TIMES
    };
    let steps = vec![Shows(16), Waits(60), Shows(100), Waits(2500), Shows(235)];
    let (mut live, _) = open([steps], times);
    wait(&live, |state| is_newest(state, &frame(100)));
    sleep(times.age + Duration::from_millis(10));
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
        (Panics, "cam: the driver failed: as a driver might"),
    ] {
        let lost = vec![Shows(16), Waits(60), last];
        let (mut live, _) = open([lost, vec![Waits(60), Shows(235)]], TIMES);
        assert_eq!(next(&mut live), Err(reason.into()));
        assert_eq!(next(&mut live), Ok(255));
    }
}

#[test]
fn no_frame_from_before_a_loss_is_given_after_it() {
    let before = vec![Shows(16), Waits(60), Shows(16), Waits(60), Ends];
    let (mut live, _) = open([before, vec![Waits(200), Shows(235)]], TIMES);
    wait(&live, |state| state.lost.is_some());
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
    while script.opened.lock().unwrap().len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_garbled_frame_is_told_once_and_the_stream_goes_on() {
    let garbled = || Gives(Coded::Garbled("a garbled frame".into()));
    let cut = encoded(&picture(16, 16))[..300].to_vec();
    let good = || vec![Waits(500), Shows(235)];
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
    let wrong: Vec<_> = (0..300).flat_map(|_| small()).collect();
    let (mut live, script) = open([wrong, vec![Shows(16), Waits(20), Shows(235)]], times);
    let mut reasons = Vec::new();
    while let Err(reason) = next(&mut live) {
        reasons.push(reason);
        assert!(reasons.len() <= 10, "{reasons:?}");
    }
    assert!(reasons[0].contains("8x8, expected 16x16"), "{reasons:?}");
    let given_up = |reason: &String| reason.ends_with("no frame could be used for 100ms");
    assert!(reasons.iter().any(given_up), "{reasons:?}");
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
