//! What keeps the door locked for people whom it knows.

use crate::door::scene_with_frames;
use crate::scene::{Ran, Scene};
use edge_runtime::decide::{Action, Decision, Look, Observation, Refusal, Side};
use edge_runtime::event::{Event, Outcome};
use std::time::{Duration, SystemTime};

fn refusals(ran: &Ran) -> Vec<Option<Refusal>> {
    ran.frames().iter().map(|frame| frame.refusal).collect()
}

#[test]
fn whoever_is_not_valid_any_more_stays_out() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "ben", "ben"]);
    scene.add("[access]\ntime_zone = \"UTC\"\n[access.people.ada]\nvalid_until = \"2020-01-01\"\n");
    let ran = scene.run(None);
    assert_eq!(ran.opened_for(), ["ben"]);
    let expired = Some(Refusal::Expired);
    assert_eq!(refusals(&ran), [expired, expired, None, None]);
    assert!(ran.frames()[0].reason.contains("not valid any more"));
}

#[test]
fn strangers_lock_everybody_out() {
    let scene = scene_with_frames(&["ada"], &["eve", "fay", "guy", "hal", "ada", "ada"]);
    scene.add(
        "[decide.lockout]\nrefusals = 2\nwithin_ms = 60000\nlasts_ms = 60000\nat_most_ms = 60000\n",
    );
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert_eq!(refusals(&ran)[3..], [Some(Refusal::LockedOut); 3]);
}

#[test]
fn two_people_open_where_two_must() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "ada", "ben", "ben"]);
    scene.configure(
        "window_ms = 60000",
        "window_ms = 60000\ntwo_people_within_ms = 60000",
    );
    let ran = scene.run(None);
    assert_eq!(ran.opened_for(), ["ben"]);
    let with = |e: &Event| matches!(e, Event::Released { with: Some(w), .. } if w == "ada");
    assert!(ran.events.iter().any(with));
    assert_eq!(refusals(&ran)[1], Some(Refusal::NeedsSecondPerson));
}

#[test]
fn two_people_who_are_too_much_alike_stay_out() {
    let mut scene = scene_with_frames(&["ada"], &["ada", "ada"]);
    scene.enroll_as("ben", "ada");
    scene.configure("[decide]", "margin = 0.5\n[decide]");
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert!(ran.frames()[0].reason.contains("second-best"));
    // One who claims to be somebody is compared with that person only.
    assert_eq!(scene.run(Some("ada")).opened_for(), ["ada"]);
}

const CHALLENGE: &str = "[decide.challenge]\nwithin_ms = 60000\nturned = 0.2\nfrontal = 0.08\n";

/// A door that asks for a turn of the head, and Ada before it, who turns so.
fn scene_with_turns(turns: &[f32]) -> Scene {
    let mut scene = Scene::new();
    scene.enroll("ada");
    for turn in turns {
        scene.shoot_turned("frames", "ada", *turn);
    }
    scene.add(CHALLENGE);
    scene
}

/// Runs until chance has asked for a turn to each side: first what came of a turn to the left.
fn run_to_both_sides(scene: &Scene) -> [Ran; 2] {
    let (mut left, mut right) = (None, None);
    for _ in 0..64 {
        let ran = scene.run(None);
        match refusals(&ran)[1] {
            Some(Refusal::TurnLeft) => left = Some(ran),
            Some(Refusal::TurnRight) => right = Some(ran),
            refusal => panic!("nothing was asked for: {refusal:?}"),
        }
        if left.is_some() && right.is_some() {
            break;
        }
    }
    [left, right].map(|ran| ran.expect("64 times one side is no chance"))
}

#[test]
fn only_a_head_that_turns_as_asked_opens() {
    let scene = scene_with_turns(&[0.0, 0.0, 0.0, 0.3, 0.0, 0.0]);
    let [left, right] = run_to_both_sides(&scene);
    assert_eq!(left.outcomes(), [Outcome::Match; 6]);
    assert_eq!(refusals(&left)[3..], [Some(Refusal::LookAhead), None, None]);
    assert_eq!(left.opened_for(), ["ada"]);
    assert_eq!(refusals(&right)[3], Some(Refusal::TurnFailed));
    right.assert_stayed_locked();
}

#[test]
fn a_head_that_turns_too_far_to_be_compared_turns_but_agrees_with_nobody() {
    let scene = scene_with_turns(&[0.0, 0.0, 0.3, 0.9, 0.0, 0.0]);
    let [left, right] = run_to_both_sides(&scene);
    use Outcome::{Match, PoorFace};
    assert_eq!(
        left.outcomes(),
        [Match, Match, Match, PoorFace, Match, Match]
    );
    let agreeing: Vec<_> = left.frames().iter().map(|frame| frame.agreeing).collect();
    assert_eq!(agreeing, [1, 0, 1, 0, 2, 1]);
    assert_eq!(left.opened_for(), ["ada"]);
    right.assert_stayed_locked();

    // Somebody's head beside a photograph of hers.
    let [left, right] = run_to_both_sides(&scene_with_turns(&[0.0, 0.0, 0.9, 0.0, 0.0]));
    let said = [Some(Refusal::LookAhead), Some(Refusal::TurnLeft)];
    assert_eq!(refusals(&left)[2..4], said);
    left.assert_stayed_locked();
    assert_eq!(refusals(&right)[2], Some(Refusal::TurnFailed));
    right.assert_stayed_locked();
}

#[test]
fn a_still_photograph_stays_out_where_the_head_must_turn() {
    let scene = scene_with_turns(&[0.0; 12]);
    let [left, right] = run_to_both_sides(&scene);
    for ran in [left, right] {
        assert_eq!(ran.outcomes(), [Outcome::Match; 12]);
        ran.assert_stayed_locked();
    }
}

#[test]
fn the_events_of_a_run_are_all_that_its_decisions_need() {
    let mut scene = scene_with_turns(&[0.0, 0.0, 0.3, 0.9, 0.0, 0.0]);
    scene.enroll("ben");
    for (person, turn) in [
        ("eve", 0.0),
        ("eve", 0.0),
        ("ben", 0.0),
        ("ben", 0.0),
        ("ben", -0.3),
        ("ben", 0.0),
    ] {
        scene.shoot_turned("frames", person, turn);
    }
    let policy = "within_ms = 60000\nlasts_ms = 1\nat_most_ms = 1\nrefusals = 1\n";
    scene.add(&format!("[decide.lockout]\n{policy}"));
    // Slow enough for a lockout to end, and for the lock to lock, before the next person comes.
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    let ran = scene.run(None);
    let config = scene.config();
    let mut decision = Decision::new(config.decide, config.access);
    let mut opened_for = Vec::new();
    let frames = ran.frames();
    for (i, frame) in frames.iter().enumerate() {
        // A challenge that begins with a turned head asks to look ahead first, and for the side then.
        let asked = frames[i..].iter().find_map(|frame| match frame.refusal {
            Some(Refusal::TurnLeft) => Some(Side::Left),
            Some(Refusal::TurnRight) => Some(Side::Right),
            _ => None,
        });
        let action = decision.step(&Look {
            at: Duration::from_millis(frame.at_ms),
            unix_s: frame.unix_s,
            seen: match (&frame.subject, frame.outcome) {
                (Some(subject), _) => Observation::Match(subject.clone()),
                (None, Outcome::NoMatch) => Observation::Stranger,
                (None, _) => Observation::Nobody,
            },
            turn: frame.turn,
            side: asked.unwrap_or(Side::Right),
        });
        match action {
            Action::Wait { agreeing, refusal } => {
                assert_eq!((agreeing, refusal), (frame.agreeing, frame.refusal));
            }
            Action::Release { subject, .. } => opened_for.push(subject),
        }
    }
    assert_eq!(opened_for, ran.opened_for());
    assert!(refusals(&ran).iter().flatten().count() > 4);
}

#[test]
fn events_do_not_tell_whether_a_claimed_person_exists() {
    let mut scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "eve"]);
    // The two runs are at one time.
    scene.clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let told = |claim| {
        let ran = scene.run(Some(claim));
        let mut frames: Vec<_> = ran.frames().into_iter().cloned().collect();
        for frame in &mut frames {
            (frame.at_ms, frame.latency_ms, frame.unix_s) = (0, 0, 0);
        }
        serde_json::to_string(&frames).unwrap()
    };
    assert_eq!(told("ben"), told("zoe"));
}
