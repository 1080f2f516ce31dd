//! A wall clock that jumps while the door runs.

use crate::door::scene_with_frames;
use crate::scene::Scene;
use edge_runtime::decide::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

/// How often each clock was looked at.
static FORTH: AtomicU64 = AtomicU64::new(0);
static BACK_AND_FORTH: AtomicU64 = AtomicU64::new(0);
static BEFORE_1970: AtomicU64 = AtomicU64::new(0);

fn runs_ahead() -> SystemTime {
    let looked = FORTH.fetch_add(1, Ordering::Relaxed);
    SystemTime::now() + HOUR * (looked as u32)
}

fn jumps_back_and_forth() -> SystemTime {
    let looked = BACK_AND_FORTH.fetch_add(1, Ordering::Relaxed);
    SystemTime::now() - HOUR * (looked % 2) as u32
}

/// One that was never set, but for a moment.
fn is_not_set() -> SystemTime {
    match BEFORE_1970.fetch_add(1, Ordering::Relaxed) {
        1 => SystemTime::now(),
        looked => SystemTime::UNIX_EPOCH - HOUR * (looked as u32),
    }
}

fn scene(clock: fn() -> SystemTime) -> Scene {
    let mut scene = scene_with_frames(&["ada", "ben"], &["ada"; 24]);
    scene.clock = clock;
    scene
}

#[test]
fn a_clock_that_jumps_between_any_two_frames_opens_for_nobody() {
    let mut jumps = 0;
    for clock in [runs_ahead, jumps_back_and_forth] {
        let ran = scene(clock).run(None);
        ran.assert_stayed_locked();
        let frames = ran.frames();
        assert!(frames.iter().all(|frame| frame.agreeing == 1));
        jumps += frames
            .windows(2)
            .filter(|pair| pair[0].unix_s.abs_diff(pair[1].unix_s) > 3000)
            .count();
    }
    eprintln!("{jumps} jumps of the wall clock while the door ran");
    assert_eq!(jumps, 2 * 23);
}

#[test]
fn after_a_jump_as_many_frames_must_agree_again() {
    let ran = scene(is_not_set).run(None);
    let agreeing: Vec<_> = ran.frames().iter().map(|frame| frame.agreeing).collect();
    // Before 1970 all times are one, so only the first two steps are jumps.
    assert_eq!(agreeing[..4], [1, 1, 1, 2]);
    assert_eq!(ran.opened_for()[0], "ada");
    assert!(ran.frames()[2].unix_s == 0);
}

#[test]
fn whoever_has_a_schedule_stays_out_while_the_clock_is_not_set() {
    let scene = scene(|| SystemTime::UNIX_EPOCH);
    scene.add("[access]\ntime_zone = \"UTC\"\n[access.people.ada]\nvalid_from = \"2026-01-01\"\n");
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    let refused = ran
        .frames()
        .iter()
        .all(|frame| frame.refusal == Some(Refusal::NotYetValid));
    assert!(refused);
}
