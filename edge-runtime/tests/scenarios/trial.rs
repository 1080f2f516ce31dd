//! A door to try: enrolling by looking, what is told of every frame, and the page.

use crate::command_line::{PROGRAM, call};
use crate::people::photograph;
use crate::scene::{HOLD, Scene, snapshot};
use edge_runtime::bundle;
use edge_runtime::camera::{Content, Face, Frame};
use edge_runtime::event::{LockState, Outcome};
use edge_runtime::trial::page::{self, Camera, Latest};
use edge_runtime::trial::{Rules, Seen, Trial, TrialError};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A trial and its clock.
struct Tried {
    trial: Trial,
    now: Duration,
    shots: u64,
}

impl Tried {
    fn new(scene: &Scene) -> Self {
        let loaded = bundle::load(&scene.path("model.bundle")).unwrap();
        Self {
            trial: Trial::new(loaded, Rules::default().hold(HOLD)).unwrap(),
            now: Duration::ZERO,
            shots: 0,
        }
    }

    /// The next frame, a tenth of a second after the last; nobody's without a person.
    fn look(&mut self, person: Option<&str>, turn: f32) -> Seen {
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
    scene.enroll("grace");
    let mut tried = Tried::new(&scene);
    tried.trial = tried.trial.keep_in(scene.store(), false).unwrap();
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

fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image.clone())
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

/// An address of a page, and what it says.
struct Client {
    host: String,
    base: String,
}

impl Client {
    fn of(url: &str) -> Self {
        let (host, base) = url
            .strip_prefix("http://")
            .unwrap()
            .split_once('/')
            .unwrap();
        Self {
            host: host.into(),
            base: format!("/{base}"),
        }
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        self.ask_as(&self.host, method, &format!("{}{path}", self.base), body)
    }

    fn ask_as(&self, host: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let len = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // Whoever is refused for the size of its body may be hung up on before it was read.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        (status.unwrap_or(0), body.into())
    }

    fn json(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let (status, text) = self.ask(method, path, body);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn the_page_looks_through_the_browsers_camera() {
    let scene = Scene::new();
    let trial = Arc::new(Mutex::new(Tried::new(&scene).trial));
    let frames = Arc::new(AtomicU64::new(0));
    let counted = frames.clone();
    let tell = move |seen: Result<&Seen, _>| {
        counted.fetch_max(seen.map_or(0, |seen| seen.number), Ordering::AcqRel);
    };
    let url = page::start(
        ([127, 0, 0, 1], 0).into(),
        trial.clone(),
        Camera::Browser(Box::new(tell)),
    );
    let page = Client::of(&url.unwrap());
    let state = page.json("GET", "state", b"");
    assert_eq!(state["browser_camera"], true);
    assert_eq!(state["keeps_people"], false);
    let (status, html) = page.ask("GET", "", b"");
    assert_eq!(status, 200);
    for part in ["page.js", "page.css"] {
        assert!(html.contains(part));
        assert_eq!(page.ask("GET", part, b"").0, 200);
    }
    // Whatever the page names is in it, and what it draws is what is told.
    let script = include_str!("../../src/trial/page/page.js");
    let named = script
        .split("at(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    for id in named {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    let picture = photograph("ada", 1).image;
    let seen = page.json("POST", "look", &encoded(&picture, ImageFormat::Jpeg));
    assert_eq!(seen["false_match_rate"], 1e-3);
    assert_eq!(seen["outcome"], "no_face");
    assert_eq!((&seen["width"], &seen["number"]), (&220.into(), &1.into()));
    for field in [
        "reason",
        "score",
        "threshold",
        "agreeing",
        "needed",
        "people",
        "said",
        "lock",
    ] {
        assert!(!seen[field].is_null() || field == "score", "{field}");
        assert!(script.contains(&format!("seen.{field}")), "{field}");
    }
    let seen = page.json("POST", "look", b"no picture");
    assert_eq!(seen["outcome"], "bad_frame");
    assert!(
        seen["reason"]
            .as_str()
            .unwrap()
            .contains("neither JPEG nor PNG")
    );
    let wide = encoded(&RgbImage::new(2001, 4), ImageFormat::Png);
    let seen = page.json("POST", "look", &wide);
    assert!(
        seen["reason"]
            .as_str()
            .unwrap()
            .contains("larger than 2000 pixels")
    );
    assert_eq!(frames.load(Ordering::Acquire), 3);

    assert_eq!(page.ask("POST", "enroll", b"ada").0, 204);
    let seen = page.json("POST", "look", &encoded(&picture, ImageFormat::Png));
    assert_eq!(seen["enrolling"]["subject"], "ada");
    assert_eq!(page.ask("POST", "cancel", b"").0, 204);
    let (status, why) = page.ask("POST", "enroll", b"a/b");
    assert!(status == 422 && why.contains("letters"), "{why}");
    assert_eq!(page.ask("POST", "forget", b"").0, 204);
}

#[test]
fn nobody_else_reaches_the_page() {
    let scene = Scene::new();
    let trial = Arc::new(Mutex::new(Tried::new(&scene).trial));
    let camera = || Camera::Browser(Box::new(|_| {}));
    let start = || page::start(([127, 0, 0, 1], 0).into(), trial.clone(), camera()).unwrap();
    let (url, other) = (start(), start());
    let (page, other) = (Client::of(&url), Client::of(&other));
    assert_ne!(page.base, other.base);
    let state = format!("{}state", page.base);
    assert_eq!(page.ask_as(&page.host, "GET", &state, b"").0, 200);
    let port = page.host.split_once(':').unwrap().1;
    assert_eq!(
        page.ask_as(&format!("localhost:{port}"), "GET", &state, b"")
            .0,
        200
    );
    // A name that is made to point here; and who does not know the secret, or knows another's.
    for host in ["evil.example", &format!("evil.example:{port}"), ""] {
        assert_eq!(page.ask_as(host, "GET", &state, b"").0, 403, "{host}");
    }
    for path in ["/", "/state", &format!("{}state", other.base)] {
        assert_eq!(page.ask_as(&page.host, "GET", path, b"").0, 404, "{path}");
    }
    for (method, path, status) in [
        ("GET", "next?after=0", 404),
        ("GET", "look", 404),
        ("POST", "state", 404),
        ("PUT", "enroll", 404),
    ] {
        assert_eq!(page.ask(method, path, b"").0, status, "{method} {path}");
    }
    // Whoever is a stranger is told so before the body comes.
    let mut stranger = TcpStream::connect(&page.host).unwrap();
    let head = format!(
        "POST /look HTTP/1.1\r\nHost: {}\r\nContent-Length: 99\r\n\r\n",
        page.host
    );
    stranger.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    // Too large: told, or hung up on while it is sent.
    let (status, _) = page.ask("POST", "look", &vec![0; 5 << 20]);
    assert!([0, 413].contains(&status), "{status}");
    // A body that stops short is waited for briefly and holds up nobody.
    let mut slow = TcpStream::connect(&page.host).unwrap();
    let host = &page.host;
    let head = format!(
        "POST {}look HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nab",
        page.base
    );
    slow.write_all(head.as_bytes()).unwrap();
    assert_eq!(page.ask("GET", "state", b"").0, 200);
    let began = Instant::now();
    slow.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    assert_eq!(slow.read(&mut [0; 9]).unwrap_or(0), 0);
    assert!(began.elapsed() < Duration::from_secs(20));
    let chunked = format!(
        "POST {}look HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n",
        page.base
    );
    let mut stream = TcpStream::connect(&page.host).unwrap();
    stream.write_all(chunked.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn the_page_shows_the_programs_own_camera() {
    let scene = Scene::new();
    let mut tried = Tried::new(&scene);
    let seen = [1, 2].map(|_| tried.look(Some("ada"), 0.0));
    let latest = Arc::new(Latest::default());
    let trial = Arc::new(Mutex::new(tried.trial));
    let url = page::start(
        ([127, 0, 0, 1], 0).into(),
        trial,
        Camera::Own(latest.clone()),
    );
    let page = Client::of(&url.unwrap());
    assert_eq!(page.json("GET", "state", b"")["browser_camera"], false);
    assert_eq!(page.ask("POST", "look", b"").0, 404);
    let before = Instant::now();
    assert_eq!(page.ask("GET", "next?after=0", b"").0, 204);
    assert!(before.elapsed() > Duration::from_millis(900));
    let [first, second] = seen;
    let picture = photograph("ada", 1).image;
    latest.show(picture.clone(), first);
    let next = page.json("GET", "next?after=0", b"");
    assert_eq!(next["seen"]["number"], 1);
    let image = next["image"].as_str().unwrap();
    assert!(
        image.starts_with("data:image/jpeg;base64,/9j/"),
        "{}",
        &image[..40]
    );
    // One that waits gets the frame as it comes.
    let late = latest.clone();
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        late.show(picture, second);
    });
    assert_eq!(page.json("GET", "next?after=1", b"")["seen"]["number"], 2);
    later.join().unwrap();
}

#[test]
fn photographs_take_a_cameras_place() {
    let mut scene = Scene::new();
    for (folder, person, shots) in [("ada", "ada", 6), ("grace", "grace", 2)] {
        fs::create_dir_all(scene.path("show").join(folder)).unwrap();
        let folder = format!("show/{folder}");
        scene.empty(&folder);
        (0..shots).for_each(|_| drop(scene.shoot(&folder, person)));
    }
    fs::write(scene.path("show/ada/000.jpg"), b"no picture").unwrap();
    let tried = call(
        &scene,
        "try --bundle model.bundle --images show --no-page --pace 0",
    );
    assert_eq!(tried.status, 0, "{}", tried.errors);
    let text = tried.lines.join("\n");
    assert!(
        text.contains("not enrolled from") && text.contains("000.jpg"),
        "{text}"
    );
    assert!(text.contains("enrolled ada from 3 photographs"), "{text}");
    assert!(text.contains("OPEN    ada: score"), "{text}");
    // The three others, and the one that is no picture.
    assert!(
        text.ends_with("let in: 3 of 4 photographs of the person enrolled, 0 of 2 of others"),
        "{text}"
    );
    let json = call(
        &scene,
        "try --bundle model.bundle --images show --no-page --pace 0 --json",
    )
    .json();
    assert!(
        json.iter()
            .any(|seen| seen["lock"] == "released" && seen["subject"] == "ada")
    );
    let strangers = json.iter().filter(|seen| seen["outcome"] == "no_match");
    assert!(strangers.clone().count() >= 2);
    assert!(strangers.into_iter().all(|seen| seen["lock"] == "locked"));
    // A folder of photographs is one person's.
    let own = call(
        &scene,
        "try --bundle model.bundle --images show/grace --no-page",
    );
    assert!(
        own.lines.join("\n").contains("enrolled me from 2"),
        "{own:?}"
    );
    for (arguments, needle) in [
        ("--images nowhere", "nowhere: cannot be listed"),
        ("--images people", "people: "),
        (
            "--images show --listen 192.168.0.1:80",
            "expected an address of this machine",
        ),
    ] {
        let arguments = format!("try --bundle model.bundle --no-page {arguments}");
        let said = call(&scene, arguments.trim_end());
        assert_eq!(said.status, 2, "{arguments}");
        assert!(said.errors.contains(needle), "{arguments}: {}", said.errors);
    }
    let said = call(&scene, "try --bundle model.bundle");
    assert!(said.errors.contains("no detector"), "{}", said.errors);
    fs::create_dir(scene.path("bad")).unwrap();
    for name in ["1.jpg", "2.jpg"] {
        fs::write(scene.path("bad").join(name), b"no picture").unwrap();
    }
    let said = call(&scene, "try --bundle model.bundle --no-page --images bad");
    assert!(
        said.errors.contains("nobody can be enrolled from bad"),
        "{}",
        said.errors
    );
}

/// A trial that runs in the scene's folder, and its page.
struct RunningTrial {
    child: Child,
    page: Client,
}

impl RunningTrial {
    fn start(scene: &Scene, arguments: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .current_dir(scene.path("."))
            .args(["try", "--pace", "0.1"])
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.map(Result::unwrap).find_map(|line| {
            let url = line.strip_prefix("open ")?;
            Some(url.to_owned())
        });
        let page = Client::of(&url.unwrap());
        Self { child, page }
    }
}

impl Drop for RunningTrial {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn photographs_wait_for_the_page() {
    let mut scene = Scene::new();
    fs::create_dir(scene.path("show")).unwrap();
    scene.empty("show");
    (0..5).for_each(|_| drop(scene.shoot("show", "ada")));
    let running = RunningTrial::start(&scene, "--bundle model.bundle --images show");
    std::thread::sleep(Duration::from_millis(500));
    let mut number = 0;
    let first = loop {
        let (status, text) = running.page.ask("GET", "next?after=0", b"");
        number += 1;
        match status {
            200 => break serde_json::from_str::<Value>(&text).unwrap(),
            _ => assert!(number < 20, "{status}"),
        }
    };
    assert_eq!(first["seen"]["people"], Value::from(vec!["me"]));
}

#[test]
fn a_trial_of_a_door_keeps_people_in_its_store() {
    let mut scene = Scene::new();
    scene.enroll("grace");
    scene.shoot("frames", "grace");
    let said = call(
        &scene,
        "try --config door.toml --door-camera --no-page --json",
    );
    assert_eq!(said.status, 0, "{}", said.errors);
    let seen = &said.json()[0];
    assert_eq!(
        (&seen["subject"], &seen["outcome"]),
        (&"grace".into(), &"match".into())
    );
    let said = call(
        &scene,
        "try --config door.toml --door-camera --no-page --enroll grace",
    );
    assert!(
        said.errors.contains("knows somebody of that name"),
        "{}",
        said.errors
    );
    let said = call(
        &scene,
        "try --config door.toml --door-camera --no-page --enroll ada --json",
    );
    assert_eq!(said.json()[0]["enrolling"]["subject"], "ada");
    let said = call(&scene, "try --config door.toml --no-page");
    assert!(
        said.errors.contains("without a page there is no camera"),
        "{}",
        said.errors
    );
    let said = call(&scene, "try --config door.toml --images frames");
    assert_eq!(said.status, 2);
}
