//! What keeps the door locked for people whom it knows.

use crate::door::scene_with_frames;
use crate::scene::{Ran, Scene};
use edge_runtime::decide::Refusal;
use edge_runtime::event::{Event, Outcome};
use shared::digest::Digest;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

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
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada"]);
    scene.configure("[decide]", "margin = 1.0\n[decide]");
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert!(ran.frames()[0].reason.contains("second-best"));
    // One who claims to be somebody is compared with that person only.
    assert_eq!(scene.run(Some("ada")).opened_for(), ["ada"]);
}

#[test]
fn only_a_head_that_turns_as_asked_opens() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    for turn in [0.0, 0.0, 0.0, 0.3, 0.0, 0.0] {
        scene.shoot_turned("frames", "ada", turn);
    }
    scene.add("[decide.challenge]\nwithin_ms = 60000\nturned = 0.2\nfrontal = 0.08\n");
    for _ in 0..6 {
        let ran = scene.run(None);
        assert_eq!(ran.outcomes(), [Outcome::Match; 6]);
        let said = refusals(&ran);
        if said[1] == Some(Refusal::TurnLeft) {
            assert_eq!(said[3..], [Some(Refusal::LookAhead), None, None]);
            assert_eq!(ran.opened_for(), ["ada"]);
        } else {
            assert_eq!(said[1], Some(Refusal::TurnRight));
            assert_eq!(said[3], Some(Refusal::TurnFailed));
            ran.assert_stayed_locked();
        }
    }
}

/// Runs with claims on a socket, to which `bytes` are written at the first frame.
fn run_with_claim(scene: &Scene, bytes: &[u8]) -> Ran {
    let (_running, stop) = mpsc::channel();
    let mut written = false;
    scene.run_until(None, &stop, |event| {
        if matches!(event, Event::Frame(_)) && !written {
            written = true;
            let mut socket = UnixStream::connect(scene.path("claims.sock"))?;
            socket.write_all(bytes)?;
        }
        Ok(())
    })
}

#[test]
fn a_claim_opens_for_the_person_whose_number_it_is() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada"; 30]);
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    scene.configure("hold_ms = 150", "hold_ms = 60000");
    let digest = |number: &str| Digest::of(format!("sea-salt{number}").as_bytes());
    scene.add(&format!(
        "[claims]\nsource = {{ kind = \"socket\", path = \"claims.sock\" }}\nlasts_ms = 600000\n\
         required = true\nsalt = \"sea-salt\"\n\
         [access.people]\nada.claim_sha256 = \"{}\"\nben.claim_sha256 = \"{}\"\n",
        digest("1234"),
        digest("5678")
    ));
    // A socket that a killed run left is replaced.
    for _ in 0..2 {
        let ran = run_with_claim(&scene, b"\xFF\x00garbage\n1234\n");
        assert_eq!(ran.frames()[0].outcome, Outcome::NoClaim);
        assert_eq!(ran.opened_for(), ["ada"]);
        // The claim served once.
        assert_eq!(ran.outcomes().last(), Some(&Outcome::NoClaim));
    }
    for number in ["5678", "0000"] {
        let ran = run_with_claim(&scene, format!("{number}\n").as_bytes());
        ran.assert_stayed_locked();
        assert_eq!(ran.outcomes().last(), Some(&Outcome::NoMatch));
    }
    fs::remove_file(scene.path("claims.sock")).unwrap();
}

#[test]
fn events_do_not_tell_whether_a_claimed_person_exists() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "eve"]);
    let told = |claim| {
        let ran = scene.run(Some(claim));
        let mut frames: Vec<_> = ran.frames().into_iter().cloned().collect();
        frames.iter_mut().for_each(|frame| frame.at_ms = 0);
        serde_json::to_string(&frames).unwrap()
    };
    assert_eq!(told("ben"), told("zoe"));
}
