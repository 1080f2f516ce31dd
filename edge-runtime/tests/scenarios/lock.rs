//! The lock: it locks in time, and on every way out.

use crate::door::scene_with_frames;
use crate::scene::HOLD;
use edge_runtime::event::{Event, LockState};
use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin, PinState};
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
    assert!(later.iter().all(|lock| *lock == LockState::Locked));
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
    assert_eq!(ran.frames().len(), 2);
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
