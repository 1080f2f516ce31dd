//! The page of a trial: what it answers, and to whom.

use crate::people::photograph;
use crate::scene::Scene;
use crate::trial::Tried;
use edge_runtime::trial::Seen;
use edge_runtime::trial::page::{self, Camera, Latest};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;
use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image.clone())
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

/// An address of a page, and what it says.
pub(crate) struct Client {
    host: String,
    base: String,
}

impl Client {
    pub(crate) fn of(url: &str) -> Self {
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
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
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
