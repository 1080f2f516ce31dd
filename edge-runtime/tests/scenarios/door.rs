//! For whom the door opens, and for whom it does not.

use crate::bundles::bundle_of;
use crate::scene::{HOLD, Scene};
use edge_runtime::bundle;
use edge_runtime::event::{Event, LockState, Outcome};
use edge_runtime::identify::Identifier;
use embedded_hal::digital::PinState;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::time::Duration;

/// The folder's frames: one photograph each.
pub(crate) fn scene_with_frames(enrolled: &[&str], frames: &[&str]) -> Scene {
    let mut scene = Scene::new();
    enrolled.iter().for_each(|person| scene.enroll(person));
    frames
        .iter()
        .for_each(|person| drop(scene.shoot("frames", person)));
    scene
}

#[test]
fn opens_for_the_enrolled_person_and_relocks() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada"]);
    for claim in [None, Some("ada")] {
        let ran = scene.run(claim);
        assert_eq!(ran.opened_for(), ["ada"]);
        assert_eq!(ran.outcomes(), [Outcome::Match; 2]);
        let agreeing: Vec<_> = ran.frames().iter().map(|f| (f.agreeing, f.lock)).collect();
        assert_eq!(agreeing, [(1, LockState::Locked), (2, LockState::Released)]);

        let (times, levels): (Vec<_>, Vec<_>) = ran.levels.iter().copied().unzip();
        assert_eq!(levels[..3], [PinState::Low, PinState::High, PinState::Low]);
        assert!(levels[3..].iter().all(|level| *level == PinState::Low));
        let held = times[2] - times[1];
        assert!(
            held >= HOLD && held < HOLD + Duration::from_secs(2),
            "{held:?}"
        );
        let last = ran.events.iter().rev().take(2).collect::<Vec<_>>();
        assert!(matches!(
            last[..],
            [Event::Stopped { .. }, Event::Relocked { .. }]
        ));
        assert!(ran.ended.is_ok());
    }
}

#[test]
fn stays_locked_for_a_stranger() {
    let strangers = ["eve", "fay", "guy", "hal", "ivy", "jon", "kim", "lea"];
    let scene = scene_with_frames(&["ada", "ben"], &strangers);
    for claim in [None, Some("ada")] {
        let ran = scene.run(claim);
        ran.assert_stayed_locked();
        assert_eq!(ran.outcomes(), [Outcome::NoMatch; 8]);
        assert_eq!(ran.frames()[0].score.is_some(), claim.is_none());
        assert!(
            ran.frames()
                .iter()
                .all(|f| f.score.is_none_or(|score| score < f.threshold) && f.subject.is_none())
        );
    }
}

#[test]
fn stays_locked_for_one_person_who_claims_to_be_another() {
    let scene = scene_with_frames(&["ada", "ben"], &["ben", "ben", "ben"]);
    scene.run(Some("ada")).assert_stayed_locked();
    assert_eq!(scene.run(None).opened_for(), ["ben"]);
}

#[test]
fn stays_locked_when_nobody_of_the_claimed_name_is_enrolled() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada"]);
    scene.run(Some("zoe")).assert_stayed_locked();
}

#[test]
fn stays_locked_when_nobody_is_enrolled() {
    let ran = scene_with_frames(&[], &["ada", "ada"]).run(None);
    ran.assert_stayed_locked();
    assert!(ran.frames()[0].reason.contains("nobody is enrolled"));
}

#[test]
fn stays_locked_while_too_few_frames_agree() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "eve", "fay", "ada", "ben", "ada"]);
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert_eq!(
        ran.outcomes()
            .iter()
            .filter(|o| **o == Outcome::Match)
            .count(),
        4
    );
}

#[test]
fn stays_locked_when_every_frame_is_broken() {
    let mut scene = scene_with_frames(&["ada"], &[]);
    for kept in [0, 9, 100, 1000] {
        let path = scene.shoot("frames", "ada");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..kept]).unwrap();
    }
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert_eq!(ran.outcomes(), [Outcome::BadFrame; 4]);
    assert!(
        ran.frames()
            .iter()
            .all(|frame| frame.reason.contains(".png"))
    );
}

#[test]
fn a_frame_without_a_face_is_no_obstacle() {
    let mut scene = scene_with_frames(&["ada"], &["ada"]);
    scene.configure("of_last_frames = 3", "of_last_frames = 4");
    let empty = image::RgbImage::new(50, 50);
    empty.save(scene.path("frames/004a.png")).unwrap();
    fs::write(scene.path("frames/004b.png"), "no image").unwrap();
    scene.shoot("frames", "ada");
    let ran = scene.run(None);
    let seen = [
        Outcome::Match,
        Outcome::NoFace,
        Outcome::BadFrame,
        Outcome::Match,
    ];
    assert_eq!(ran.outcomes(), seen);
    assert_eq!(ran.opened_for(), ["ada"]);
}

#[test]
fn a_record_of_another_model_is_never_compared() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada"]);
    bundle::write(&scene.path("model.bundle"), &bundle_of(2)).unwrap();
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert!(ran.frames().iter().all(|frame| frame.score.is_none()));
    assert_eq!(ran.unusable.len(), 1);
    assert!(ran.unusable[0].starts_with("ada: ") && ran.unusable[0].contains("enroll again"));
    // It was set aside, not lost.
    bundle::write(&scene.path("model.bundle"), &bundle_of(1)).unwrap();
    assert_eq!(scene.run(None).opened_for(), ["ada"]);
}

#[test]
fn a_damaged_record_locks_out_that_person_only() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "ben", "ben"]);
    scene.change_sealed("people", |rows| rows[0].1[60] ^= 1);
    let ran = scene.run(None);
    let unusable = &ran.unusable[0];
    assert!(
        unusable.contains("the seal of the record is broken"),
        "{unusable}"
    );
    // The log tells whose it is.
    let (out, opened) = ran.unusable[0].split_once(':').unwrap();
    let other = ["ada", "ben"].into_iter().find(|name| *name != out);
    assert_eq!(
        (ran.opened_for(), opened.is_empty()),
        (vec![other.unwrap()], false)
    );
    scene.store().remove(out).unwrap();
    assert!(scene.run(None).unusable.is_empty());
}

#[test]
fn records_that_were_exchanged_open_for_nobody() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "ben", "ben"]);
    scene.change_sealed("people", |rows| {
        let first = rows[0].1.clone();
        rows[0].1 = std::mem::replace(&mut rows[1].1, first);
    });
    let ran = scene.run(None);
    ran.assert_stayed_locked();
    assert_eq!(ran.unusable.len(), 2);
}

#[test]
fn a_removed_person_no_longer_opens() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada"]);
    assert_eq!(scene.run(None).opened_for(), ["ada"]);
    scene.store().remove("ada").unwrap();
    scene.run(None).assert_stayed_locked();
    let error = scene.store().remove("ada").unwrap_err().to_string();
    assert!(error.contains("nobody of that name"), "{error}");
}

#[test]
fn a_person_removed_while_the_door_runs_no_longer_opens() {
    let scene = scene_with_frames(&["ada", "ben"], &["ada", "ada", "ben", "ben"]);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        if matches!(event, Event::Frame(f) if f.agreeing == 1 && f.subject.as_deref() == Some("ada")) {
            scene.store().remove("ada").unwrap();
        }
        Ok(())
    });
    assert_eq!(ran.opened_for(), ["ben"]);
    use Outcome::{Match, NoMatch};
    assert_eq!(ran.outcomes(), [Match, NoMatch, Match, Match]);
    let changed = |e: &&Event| {
        matches!(
            e,
            Event::PeopleChanged {
                people: 1,
                threshold: 0.7
            }
        )
    };
    assert_eq!(ran.events.iter().filter(changed).count(), 1);
}

#[test]
fn a_person_enrolled_while_the_door_runs_opens() {
    let scene = scene_with_frames(&["ada", "ben"], &["ben", "ben", "ben"]);
    let listed = scene.store().list(bundle_of(1).manifest()).unwrap();
    let record = listed[1].record.as_ref().unwrap();
    scene.store().remove("ben").unwrap();
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        if matches!(event, Event::Frame(f) if f.outcome == Outcome::NoMatch) {
            scene.store().add(record, true).unwrap();
        }
        Ok(())
    });
    assert_eq!(ran.opened_for(), ["ben"]);
}

#[test]
fn a_door_whose_people_cannot_be_read_stops() {
    let scene = scene_with_frames(&["ada"], &["ada", "ada", "ada"]);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        if matches!(event, Event::Frame(_)) {
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(scene.path("people"), open).unwrap();
        }
        Ok(())
    });
    assert!(ran.opened_for().is_empty());
    let error = ran.ended.unwrap_err().to_string();
    assert!(error.contains("run chmod 700"), "{error}");
}

#[test]
fn the_threshold_grows_with_the_gallery() {
    let mut scene = scene_with_frames(&["ada"], &["ada"]);
    let threshold = |scene: &Scene| scene.run(None).frames()[0].threshold;
    assert_eq!(threshold(&scene), 0.7);
    scene.enroll("ben");
    assert_eq!(threshold(&scene), 0.75);
    // In 1:1 there is one comparison, however many are enrolled.
    assert_eq!(scene.run(Some("ada")).frames()[0].threshold, 0.7);
}

#[test]
fn a_door_without_a_measured_threshold_does_not_start() {
    let scene = scene_with_frames(&["ada"], &["ada"]);
    scene.configure("false_accept_rate = 0.001", "false_accept_rate = 0.00001");
    let config = scene.config();
    let loaded = bundle::load(&config.bundle).unwrap();
    let roster = scene.store().load(&loaded.manifest).unwrap().roster;
    let made = Identifier::new(roster, &loaded.manifest, &config.identify);
    let error = made.err().unwrap().to_string();
    assert!(error.contains("strictest is 1.0e-4"), "{error}");
}
