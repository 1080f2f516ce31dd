//! A whole door in a temporary folder.

use crate::bundles::bundle_of;
use crate::people::{photograph, row};
use edge_runtime::bundle;
use edge_runtime::camera::{self, Frame};
use edge_runtime::claim::Claims;
use edge_runtime::config::Config;
use edge_runtime::door::simulated::SimulatedPin;
use edge_runtime::door::{Contacts, Keeper, Lock};
use edge_runtime::enroll::template_of;
use edge_runtime::event::{Event, FrameEvent, Outcome};
use edge_runtime::gallery::Gallery;
use edge_runtime::identify::Identify;
use edge_runtime::landmarks::HEADER;
use edge_runtime::pipeline::{Pipeline, RunError};
use edge_runtime::quality::Limits;
use edge_runtime::store::Store;
use edge_runtime::watchdog::Watchdog;
use embedded_hal::digital::{OutputPin, PinState};
use shared::enrollment::EnrollmentRecord;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

pub(crate) const HOLD: Duration = Duration::from_millis(150);

const DOOR_TOML: &str = r#"
bundle = "model.bundle"
store = "people"
[camera]
kind = "folder"
path = "frames"
frames_per_second = 0
[identify]
false_accept_rate = 0.001
[decide]
agreeing_frames = 2
of_last_frames = 3
window_ms = 60000
[door]
driver = "simulated"
active_level = "high"
hold_ms = 150
"#;

/// `door.toml`, a bundle, a folder of frames and one of photographs.
pub(crate) struct Scene {
    dir: TempDir,
    shots: u64,
    /// The door's wall clock.
    pub(crate) clock: fn() -> SystemTime,
}

type Frames = Box<dyn Iterator<Item = Frame> + Send>;

/// What a run of the door did.
pub(crate) struct Ran {
    pub(crate) events: Vec<Event>,
    pub(crate) levels: Vec<(Duration, PinState)>,
    pub(crate) ended: Result<(), RunError>,
    pub(crate) unusable: Vec<String>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().unwrap(),
            shots: 0,
            clock: SystemTime::now,
        };
        fs::write(scene.path("door.toml"), DOOR_TOML).unwrap();
        for folder in ["frames", "photos"] {
            fs::create_dir(scene.path(folder)).unwrap();
            scene.empty(folder);
        }
        bundle::write(&scene.path("model.bundle"), &bundle_of(1)).unwrap();
        scene
    }

    /// Leaves an empty table of landmarks in a folder, and nothing else.
    pub(crate) fn empty(&self, folder: &str) {
        let folder = self.path(folder);
        for entry in fs::read_dir(&folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(folder.join("landmarks.csv"), HEADER.join(",") + "\n").unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn config(&self) -> Config {
        Config::read(&self.path("door.toml")).unwrap()
    }

    /// Changes one line of `door.toml`.
    pub(crate) fn configure(&self, old: &str, new: &str) {
        let toml = fs::read_to_string(self.path("door.toml")).unwrap();
        assert!(toml.contains(old));
        fs::write(self.path("door.toml"), toml.replace(old, new)).unwrap();
    }

    /// Adds lines to the end of `door.toml`.
    pub(crate) fn add(&self, lines: &str) {
        let toml = fs::read_to_string(self.path("door.toml")).unwrap();
        fs::write(self.path("door.toml"), toml + lines).unwrap();
    }

    /// A new photograph of a person in a folder of the scene; its path.
    pub(crate) fn shoot(&mut self, folder: &str, person: &str) -> PathBuf {
        self.shoot_turned(folder, person, 0.0)
    }

    /// The same with the nose moved to the person's left by so many eye distances.
    pub(crate) fn shoot_turned(&mut self, folder: &str, person: &str, turn: f32) -> PathBuf {
        self.shots += 1;
        let name = format!("{:03}.png", self.shots);
        let mut photo = photograph(person, self.shots);
        let [right_eye, left_eye, nose, ..] = &mut photo.landmarks.0;
        nose.x += turn * (left_eye.x - right_eye.x);
        nose.y += turn * (left_eye.y - right_eye.y);
        let path = self.path(folder).join(&name);
        photo.image.save(&path).unwrap();
        let table = self.path(folder).join("landmarks.csv");
        let mut table = OpenOptions::new().append(true).open(table).unwrap();
        table
            .write_all(row(&name, &photo.landmarks).as_bytes())
            .unwrap();
        path
    }

    /// Enrolls a person from three photographs.
    pub(crate) fn enroll(&mut self, person: &str) {
        self.enroll_as(person, person);
    }

    /// The same under another name.
    pub(crate) fn enroll_as(&mut self, subject: &str, person: &str) {
        let images: Vec<_> = (0..3).map(|_| self.shoot("photos", person)).collect();
        let config = self.config();
        let loaded = bundle::load(&config.bundle).unwrap();
        let network = &loaded.network;
        let templates = images
            .iter()
            .map(|image| template_of(image, None, loaded.eyes(), &Limits::ENROLLMENT));
        let templates = templates.map(|t| t.unwrap().embedding).collect();
        let record = EnrollmentRecord::new(subject, network.model(), templates, 0).unwrap();
        self.store().add(&record, false).unwrap();
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.config().store).unwrap()
    }

    /// Runs the door over the frames.
    pub(crate) fn run(&self, claim: Option<&str>) -> Ran {
        let (_running, stop) = mpsc::channel();
        self.run_until(claim, &stop, |_| Ok(()))
    }

    /// Runs the door until `stop`, with something to do at every event.
    pub(crate) fn run_until(
        &self,
        claim: Option<&str>,
        stop: &mpsc::Receiver<()>,
        at_event: impl FnMut(&Event) -> std::io::Result<()>,
    ) -> Ran {
        let (pin, recording) = SimulatedPin::new();
        let mut ran = self.run_with(pin, claim, stop, at_event);
        ran.levels = recording.levels();
        ran
    }

    /// Runs the door with a pin, whose levels are not known.
    pub(crate) fn run_with(
        &self,
        pin: impl OutputPin + Send + 'static,
        claim: Option<&str>,
        stop: &mpsc::Receiver<()>,
        at_event: impl FnMut(&Event) -> std::io::Result<()>,
    ) -> Ran {
        let door = self.config().door;
        let lock = Lock::new(pin, &door).unwrap();
        let keeper = Keeper::start(lock, Contacts::default(), &door).unwrap();
        self.run_kept(keeper, claim, stop, at_event)
    }

    /// Runs the door over frames of one's own.
    pub(crate) fn run_over(
        &self,
        frames: impl Iterator<Item = Frame> + Send + 'static,
        at_event: impl FnMut(&Event) -> std::io::Result<()>,
    ) -> Ran {
        let (pin, recording) = SimulatedPin::new();
        let door = self.config().door;
        let lock = Lock::new(pin, &door).unwrap();
        let keeper = Keeper::start(lock, Contacts::default(), &door).unwrap();
        let (_running, stop) = mpsc::channel();
        let mut ran = self.run_frames(keeper, None, &stop, Some(Box::new(frames)), at_event);
        ran.levels = recording.levels();
        ran
    }

    /// Runs a door that is kept already.
    pub(crate) fn run_kept(
        &self,
        keeper: Keeper,
        claim: Option<&str>,
        stop: &mpsc::Receiver<()>,
        at_event: impl FnMut(&Event) -> std::io::Result<()>,
    ) -> Ran {
        self.run_frames(keeper, claim, stop, None, at_event)
    }

    /// The same over frames of one's own, if there are any.
    fn run_frames(
        &self,
        keeper: Keeper,
        claim: Option<&str>,
        stop: &mpsc::Receiver<()>,
        frames: Option<Frames>,
        mut at_event: impl FnMut(&Event) -> std::io::Result<()>,
    ) -> Ran {
        let config = self.config();
        let loaded = bundle::load(&config.bundle).unwrap();
        let claims = match (claim, &config.claims) {
            (Some(subject), _) => Claims::fixed(subject.into()),
            (None, Some(claims)) => Claims::listen(claims, &config.access).unwrap(),
            (None, None) => Claims::none(),
        };
        let asked = Identify {
            claims_only: claims.only(),
            ..config.identify
        };
        let gallery = Gallery::open(&config.store, loaded.manifest, asked).unwrap();
        let unusable = gallery.unusable().iter().map(ToString::to_string).collect();
        let can_be_found = loaded.detector.is_some();
        let camera = frames.unwrap_or_else(|| camera::open(&config.camera, can_be_found).unwrap());
        let pipeline = Pipeline {
            detector: loaded.detector,
            network: loaded.network,
            gallery,
            claims,
            policy: config.decide,
            access: config.access,
            keeper,
            watchdog: Watchdog::default(),
            interval: config.camera.interval(),
            clock: self.clock,
        };
        let mut events = Vec::new();
        let ended = pipeline.run(camera, stop, &mut |event| {
            events.push(event.clone());
            at_event(event)
        });
        Ran {
            events,
            levels: Vec::new(),
            ended,
            unusable,
        }
    }
}

impl Ran {
    /// For whom the lock was released, in order.
    pub(crate) fn opened_for(&self) -> Vec<&str> {
        let events = self.events.iter();
        let subjects = events.filter_map(|event| match event {
            Event::Released { subject, .. } => Some(subject.as_str()),
            _ => None,
        });
        subjects.collect()
    }

    pub(crate) fn frames(&self) -> Vec<&FrameEvent> {
        let events = self.events.iter();
        let frames = events.filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        });
        frames.collect()
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.frames().iter().map(|frame| frame.outcome).collect()
    }

    /// That the pin was never at the releasing level, and that the run ended well.
    pub(crate) fn assert_stayed_locked(&self) {
        assert!(self.levels.iter().all(|(_, level)| *level == PinState::Low));
        assert!(!self.levels.is_empty() && self.opened_for().is_empty());
        assert!(self.ended.is_ok());
        assert!(matches!(self.events.last(), Some(Event::Stopped { .. })));
    }
}

/// Every file below a folder with its content, to see that nothing changed.
pub(crate) fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}
