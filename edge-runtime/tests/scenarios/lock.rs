//! The lock: it locks in time, and on every way out.

use crate::door::scene_with_frames;
use crate::scene::{HOLD, Scene};
use edge_runtime::camera::{self, Frame};
use edge_runtime::event::{Event, LockState, Outcome};
use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin, PinState};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn relocks_in_time_while_frames_go_on() {
    let frames = [["ada"; 2].as_slice(), &["eve"; 12]].concat();
    let scene = scene_with_frames(&["ada"], &frames);
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    let ran = scene.run(None);
    let relocked = |e: &Event| matches!(e, Event::Relocked { .. });
    let relocked = ran.events.iter().position(relocked).unwrap();
    let later: Vec<_> = ran.events[relocked..]
        .iter()
        .filter_map(|event| match event {
            Event::Frame(frame) => Some(frame.lock),
            _ => None,
        })
        .collect();
    assert!(later.len() > 2, "{}", later.len());
    // The first may have been decided upon before, and told after.
    let mut later = later.into_iter().skip(1);
    assert!(later.all(|lock| lock == LockState::Locked));
}

#[test]
fn relocks_in_time_though_nobody_reads_the_events() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "eve"]);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        if matches!(event, Event::Released { .. }) {
            thread::sleep(HOLD * 20);
        }
        Ok(())
    });
    let held = ran.levels[2].0 - ran.levels[1].0;
    assert!(held >= HOLD && held < HOLD * 10, "{held:?}");
    assert_eq!(ran.opened_for(), ["ada"]);
}

#[test]
fn a_frame_that_is_looked_at_during_the_signal_does_not_open() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada"]);
    let (signal, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        // People change between the look at the second frame and the decision.
        match event {
            Event::Frame(_) => drop(scene.store().remove("ada").unwrap()),
            Event::PeopleChanged { .. } => signal.send(()).unwrap(),
            _ => {}
        }
        Ok(())
    });
    assert_eq!(ran.frames().len(), 1);
    ran.assert_stayed_locked();
}

#[test]
fn a_request_to_stop_locks_at_once() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "ada"]);
    scene.configure("hold_ms = 150", "hold_ms = 60000");
    let (signal, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        if matches!(event, Event::Released { .. }) {
            signal.send(()).unwrap();
        }
        Ok(())
    });
    assert_eq!(ran.frames().len(), 2);
    assert_eq!(ran.levels.last().unwrap().1, PinState::Low);
    assert!(ran.levels.last().unwrap().0 < Duration::from_secs(30));
    let last = ran.events.iter().rev().take(2).collect::<Vec<_>>();
    assert!(matches!(
        last[..],
        [Event::Stopped { .. }, Event::Relocked { .. }]
    ));
    assert!(ran.ended.is_ok());
}

#[test]
fn locks_when_events_cannot_be_written() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "ada"]);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| match event {
        Event::Released { .. } => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    let error = ran.ended.as_ref().unwrap_err().to_string();
    assert!(error.contains("events cannot be written"), "{error}");
    assert_eq!(ran.frames().len(), 1);
    assert_eq!(ran.levels.last().unwrap().1, PinState::Low);
}

#[test]
fn locks_when_a_stage_panics() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "ada"]);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| match event {
        Event::Released { .. } => panic!("as a stage might"),
        _ => Ok(()),
    });
    let error = ran.ended.as_ref().unwrap_err().to_string();
    assert!(error.contains("as a stage might"), "{error}");
    assert_eq!(ran.levels.last().unwrap().1, PinState::Low);
    assert!(matches!(ran.events.last(), Some(Event::Stopped { .. })));
}

/// Locks once, and after its first release never again.
#[derive(Default)]
struct StuckPin {
    released: bool,
}

impl ErrorType for StuckPin {
    type Error = ErrorKind;
}

impl OutputPin for StuckPin {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        (!self.released).then_some(()).ok_or(ErrorKind::Other)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.released = true;
        Ok(())
    }
}

#[test]
fn a_lock_that_did_not_lock_is_told_before_anything_else() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "ada"]);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_with(StuckPin::default(), None, &stop, |event| match event {
        Event::Released { .. } => panic!("as a stage might"),
        _ => Ok(()),
    });
    let error = ran.ended.unwrap_err().to_string();
    assert!(
        error.starts_with("the lock's pin could not be set to low"),
        "{error}"
    );
    assert!(
        error.ends_with("as a stage might; start it again and report this"),
        "{error}"
    );
    assert!(
        !ran.events
            .iter()
            .any(|e| matches!(e, Event::Relocked { .. }))
    );
    let Some(Event::Stopped { reason, .. }) = ran.events.last() else {
        panic!("no last word");
    };
    assert_eq!(*reason, error);
}

/// The scene's frames, as its camera gives them.
fn frames_of(scene: &Scene) -> Box<dyn Iterator<Item = Frame> + Send> {
    camera::open(&scene.config().camera, false).unwrap()
}

#[test]
fn a_camera_that_panics_ends_the_door_and_says_so() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "eve"]);
    scene.configure("hold_ms = 150", "hold_ms = 60000");
    let frames = frames_of(&scene).enumerate().map(|(i, frame)| {
        assert!(i < 2, "as a camera might");
        frame
    });
    let ran = scene.run_over(frames, |_| Ok(()));
    let error = ran.ended.as_ref().unwrap_err().to_string();
    assert!(error.contains("as a camera might"), "{error}");
    assert_eq!(ran.opened_for(), ["ada"]);
    assert_eq!(ran.levels.last().unwrap().1, PinState::Low);
}

/// The frames of a scene, and how many of them were taken.
fn counted(
    scene: &Scene,
) -> (
    impl Iterator<Item = Frame> + Send + 'static,
    Arc<AtomicUsize>,
) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let frames = frames_of(scene).inspect(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    (frames, taken)
}

/// While the first is being told, the second is searched, and the third read.
fn wait_for_third(taken: &AtomicUsize) {
    let started = Instant::now();
    while taken.load(Ordering::SeqCst) < 3 {
        assert!(started.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_door_that_fails_locks_before_it_waits_for_its_camera() {
    let scene = scene_with_frames(&["ada"], &["ada"; 3]);
    scene.configure("hold_ms = 150", "hold_ms = 60000");
    let (hangs, stuck) = mpsc::channel::<()>();
    let mut frames = frames_of(&scene);
    // The third does not come while somebody has the other end.
    let frames = (0..).map_while(move |number| {
        if number == 2 {
            let _ = stuck.recv();
        }
        frames.next()
    });
    let failed = std::cell::Cell::new(None);
    let started = Instant::now();
    let ran = scene.run_over(frames, |event| match event {
        Event::Released { .. } => {
            failed.set(Some(started.elapsed()));
            Err(io::ErrorKind::StorageFull.into())
        }
        _ => Ok(()),
    });
    let ended = started.elapsed();
    drop(hangs);
    assert!(ran.ended.is_err());
    let [_, (released, PinState::High), (locked, PinState::Low), ..] = ran.levels[..] else {
        panic!("{:?}", ran.levels);
    };
    // The camera was waited for, and not by the lock.
    assert!(ended - failed.get().unwrap() >= Duration::from_secs(3));
    assert!(
        locked - released < Duration::from_secs(2),
        "{released:?} {locked:?}"
    );
}

#[test]
fn frames_that_waited_while_the_door_stood_still_are_not_decided_upon() {
    let scene = scene_with_frames(&["ada"], &["ada"; 6]);
    let (frames, taken) = counted(&scene);
    let mut told = false;
    let ran = scene.run_over(frames, |event| {
        if matches!(event, Event::Frame(_)) && !std::mem::replace(&mut told, true) {
            wait_for_third(&taken);
            thread::sleep(Duration::from_millis(2500));
        }
        Ok(())
    });
    // Two of them wait: one that was searched, and one that was read.
    let outcomes = ran.outcomes();
    assert_eq!(
        outcomes[..3],
        [Outcome::Match, Outcome::BadFrame, Outcome::BadFrame]
    );
    let old = &ran.frames()[1];
    assert!(
        old.latency_ms > 2000 && old.reason.contains("too old"),
        "{}",
        old.reason
    );
    // Those that come afterwards are new.
    assert_eq!(outcomes[3..], [Outcome::Match; 3]);
}

#[test]
fn frames_are_read_and_searched_while_one_is_compared() {
    let scene = scene_with_frames(&["ada"], &["eve"; 4]);
    let (frames, taken) = counted(&scene);
    let mut told = false;
    let ran = scene.run_over(frames, |event| {
        if matches!(event, Event::Frame(_)) && !std::mem::replace(&mut told, true) {
            wait_for_third(&taken);
        }
        Ok(())
    });
    assert_eq!(ran.frames().len(), 4);
    assert!(ran.ended.is_ok());
}
