//! A door to try: enrolling by looking, and what is told of every frame.

use crate::bundles::bundle_of;
use crate::command_line::call;
use crate::people::photograph;
use crate::scene::{HOLD, Scene, snapshot};
use edge_runtime::bundle;
use edge_runtime::camera::{Content, Face, Frame};
use edge_runtime::event::{LockState, Outcome};
use edge_runtime::trial::{Rules, Seen, Trial, TrialError};
use std::time::Duration;

/// A trial and its clock.
pub(crate) struct Tried {
    pub(crate) trial: Trial,
    now: Duration,
    shots: u64,
}

impl Tried {
    pub(crate) fn new(scene: &Scene) -> Self {
        let loaded = bundle::load(&scene.path("model.bundle")).unwrap();
        Self {
            trial: Trial::new(loaded, Rules::default().hold(HOLD)).unwrap(),
            now: Duration::ZERO,
            shots: 0,
        }
    }

    /// The next frame, a tenth of a second after the last; nobody's without a person.
    pub(crate) fn look(&mut self, person: Option<&str>, turn: f32) -> Seen {
        self.now += Duration::from_millis(100);
        self.shots += 1;
        let photo = photograph(person.unwrap_or("nobody"), self.shots);
        let mut landmarks = photo.landmarks;
        let [right_eye, left_eye, nose, ..] = &mut landmarks.0;
        nose.x += turn * (left_eye.x - right_eye.x);
        nose.y += turn * (left_eye.y - right_eye.y);
        let frame = Frame {
            name: format!("shot {}", self.shots),
            taken: self.trial.started() + self.now,
            content: Ok(Content {
                image: photo.image,
                face: person.map_or(Face::Nowhere, |_| Face::At(landmarks)),
            }),
        };
        self.trial.look(frame).unwrap()
    }

    fn enroll(&mut self, name: &str, person: &str) -> Seen {
        self.trial.enroll(name).unwrap();
        self.look(Some(person), 0.0);
        self.look(Some(person), 0.25);
        self.look(Some(person), -0.25)
    }
}

#[test]
fn whoever_looks_as_asked_is_enrolled_and_let_in_and_nobody_else() {
    let scene = Scene::new();
    let before = snapshot(&scene.path("."));
    let mut tried = Tried::new(&scene);
    let seen = tried.look(Some("ada"), 0.0);
    assert_eq!((seen.outcome, seen.score), (Outcome::NoMatch, None));
    assert!(
        seen.reason.contains("nobody is enrolled"),
        "{}",
        seen.reason
    );

    tried.trial.enroll("ada").unwrap();
    let wish = |seen: &Seen| {
        let prompt = seen.enrolling.clone().unwrap();
        (prompt.taken, prompt.wish)
    };
    // Only what is asked for is taken.
    let seen = tried.look(Some("ada"), 0.25);
    assert_eq!(wish(&seen), (0, "look into the camera".into()));
    let seen = tried.look(Some("ada"), 0.0);
    assert_eq!(wish(&seen).0, 1);
    assert!(wish(&seen).1.contains("your left"));
    let seen = tried.look(Some("ada"), -0.25);
    assert_eq!(wish(&seen).0, 1);
    // Too far turned to be enrolled from, which is told.
    let seen = tried.look(Some("ada"), 0.5);
    assert!(seen.reason.contains("turned away"), "{}", seen.reason);
    assert_eq!((wish(&seen).0, seen.outcome), (1, Outcome::PoorFace));
    let seen = tried.look(Some("ada"), 0.25);
    assert!(wish(&seen).1.contains("your right"));
    let seen = tried.look(Some("ada"), -0.25);
    assert!(
        seen.said.starts_with("enrolled ada from 3 views"),
        "{}",
        seen.said
    );
    assert_eq!(seen.people, ["ada"]);

    let first = tried.look(Some("ada"), 0.0);
    assert_eq!((first.agreeing, first.lock), (1, LockState::Locked));
    let second = tried.look(Some("ada"), 0.0);
    assert_eq!((second.agreeing, second.lock), (2, LockState::Released));
    assert_eq!(second.subject.as_deref(), Some("ada"));
    assert!(second.score.unwrap() >= second.threshold);
    assert_eq!(second.faces.len(), 1);
    let face = &second.faces[0];
    // The crop's corners are around the face, in pixels of the picture.
    let [nose, crop] = [face.landmarks[2], face.crop.unwrap()[0]];
    assert!(crop[0] < nose[0] && crop[1] < nose[1], "{face:?}");
    assert!(second.quality.unwrap().eye_mouth_px > 25.0 && second.flaws.is_empty());

    // The lock has a clock of its own.
    while tried.trial.is_released() {
        std::thread::sleep(Duration::from_millis(10));
    }
    for _ in 0..5 {
        let seen = tried.look(Some("grace"), 0.0);
        assert_eq!((seen.outcome, seen.subject), (Outcome::NoMatch, None));
        assert_eq!(seen.lock, LockState::Locked);
    }
    tried.trial.forget().unwrap();
    let seen = tried.look(Some("ada"), 0.0);
    assert!(seen.people.is_empty() && seen.outcome == Outcome::NoMatch);
    assert!(!tried.trial.keeps_people() && before == snapshot(&scene.path(".")));
}

#[test]
fn an_enrollment_is_of_one_person_and_lets_nobody_in() {
    let scene = Scene::new();
    let mut tried = Tried::new(&scene);
    let seen = tried.enroll("ada", "ada");
    assert_eq!(seen.people, ["ada"]);
    // While it goes on, even whom the door knows stays outside.
    tried.trial.enroll("grace").unwrap();
    for _ in 0..4 {
        let seen = tried.look(Some("ada"), 0.25);
        assert_eq!((seen.lock, seen.subject), (LockState::Locked, None));
    }
    // Whoever was away for long begins anew, whoever was away briefly does not.
    tried.look(Some("grace"), 0.0);
    tried.look(None, 0.0);
    let seen = tried.look(Some("grace"), 0.25);
    assert_eq!(seen.enrolling.unwrap().taken, 2);
    tried.now += Duration::from_secs(3);
    let seen = tried.look(None, 0.0);
    assert_eq!(seen.enrolling.unwrap().taken, 0);
    tried.trial.cancel();
    assert!(tried.look(None, 0.0).enrolling.is_none());
    // Views that are nearer to somebody else are refused, and the door knows whom it knew.
    tried.trial.enroll("grace").unwrap();
    tried.look(Some("grace"), 0.0);
    tried.look(Some("ada"), 0.25);
    let seen = tried.look(Some("grace"), -0.25);
    assert!(
        seen.said
            .contains("nobody was enrolled: the look to the left: nearer to ada"),
        "{}",
        seen.said
    );
    assert_eq!(seen.people, ["ada"]);
    assert!(tried.trial.enroll("../x").is_err());
}

#[test]
fn a_door_that_is_set_up_keeps_whom_it_enrolls() {
    let mut scene = Scene::new();
    scene.configure(
        "store = \"people\"",
        "store = { folder = \"people\", keep_crops = true }",
    );
    scene.enroll("grace");
    let mut tried = Tried::new(&scene);
    tried.trial = tried.trial.keep_in(scene.store(), true).unwrap();
    let seen = tried.enroll("ada", "ada");
    assert_eq!(seen.people, ["grace", "ada"]);
    assert!(tried.trial.keeps_people());
    // Nobody who is there is replaced or forgotten by the way.
    assert!(matches!(
        tried.trial.enroll("grace"),
        Err(TrialError::Known)
    ));
    assert!(matches!(tried.trial.forget(), Err(TrialError::Kept)));
    let listed = call(&scene, "list --config door.toml").lines;
    assert!(
        listed
            .iter()
            .any(|line| line.starts_with("ada  3 templates")),
        "{listed:?}"
    );
    // With the crops, a new network needs no new looks.
    bundle::write(&scene.path("model.bundle"), &bundle_of(2)).unwrap();
    let said = call(&scene, "reenroll --json --config door.toml").json();
    assert_eq!(said[0]["reenrolled"], serde_json::json!(["ada"]));
}

#[test]
fn a_trial_recognizes_people_as_the_door_does_and_asks_for_no_more() {
    let scene = Scene::new();
    scene.configure(
        "agreeing_frames = 2",
        "agreeing_frames = 3\ntwo_people_within_ms = 500",
    );
    let loaded = bundle::load(&scene.path("model.bundle")).unwrap();
    let rules = Rules::of(&scene.config()).unwrap();
    let mut tried = Tried {
        trial: Trial::new(loaded, rules).unwrap(),
        now: Duration::ZERO,
        shots: 0,
    };
    tried.enroll("ada", "ada");
    let locks = [0; 3].map(|_| tried.look(Some("ada"), 0.0).lock);
    assert_eq!(
        locks,
        [LockState::Locked, LockState::Locked, LockState::Released]
    );
    // The door of claims searches for nobody.
    let digest = "0".repeat(64);
    scene.add(&format!(
        "[claims]\nsource = {{ kind = \"stdin\" }}\nlasts_ms = 600000\nrequired = true\n\
         salt = \"sea-salt\"\n[access.people]\nada.claim_sha256 = \"{digest}\"\n"
    ));
    assert!(matches!(
        Rules::of(&scene.config()),
        Err(TrialError::ClaimsOnly)
    ));
}

#[test]
fn more_people_than_there_is_a_threshold_for_are_refused() {
    let scene = Scene::new();
    let mut tried = Tried::new(&scene);
    // The strictest is for a rate of one in 10,000: of 0.001, ten people.
    for person in 0..10 {
        let name = format!("p{person}");
        assert_eq!(tried.enroll(&name, &name).people.len(), person + 1);
    }
    let seen = tried.enroll("late", "late");
    assert!(seen.said.contains("nobody was enrolled"), "{}", seen.said);
    assert_eq!(seen.people.len(), 10);
}
