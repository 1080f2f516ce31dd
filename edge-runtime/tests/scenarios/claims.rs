//! Who people say to be: on a socket, on standard input, over a serial line.

use crate::command_line::PROGRAM;
use crate::door::scene_with_frames;
use crate::real_faces::tell;
use crate::scene::{Ran, Scene};
use edge_runtime::event::{Event, Outcome};
use shared::digest::Digest;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

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
    scene.configure("hold_ms = 150", "hold_ms = 2000");
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
fn a_number_on_standard_input_is_a_claim() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    (0..30).for_each(|_| drop(scene.shoot("frames", "ada")));
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    let digest = Digest::of(b"sea-salt1234");
    scene.add(&format!(
        "[claims]\nsource = {{ kind = \"stdin\" }}\nlasts_ms = 600000\nrequired = true\n\
         salt = \"sea-salt\"\n[access.people]\nada.claim_sha256 = \"{digest}\"\n"
    ));
    for (number, opens) in [("1234", true), ("4321", false)] {
        let mut door = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(scene.path("door.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = door.stdin.take().unwrap();
        writeln!(stdin, "{number}").unwrap();
        drop(stdin);
        let said = door.wait_with_output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.contains("RELEASED for ada"), opens, "{said}");
        assert!(said.contains("standard input: no claims can be read: it ended"));
    }
}

/// A reader of cards: a terminal that is found at a path, and writes a number whenever it is asked.
struct CardReader(Child);

const CARD_READER: &str = "\
import os, pty, sys
path, number = sys.argv[1:]
keyboard, line = pty.openpty()
if os.path.lexists(path): os.unlink(path)
os.symlink(os.ttyname(line), path)
print('ready', flush=True)
for _ in sys.stdin: os.write(keyboard, number.encode() + b'\\n')
";

impl CardReader {
    /// None where there is no Python to play it.
    fn plug_in(path: &Path, number: &str) -> Option<Self> {
        let mut reader = Command::new("python3");
        let reader = reader.args(["-c", CARD_READER]).arg(path).arg(number);
        let reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut reader = reader.ok()?;
        let mut ready = String::new();
        let mut stdout = BufReader::new(reader.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        (ready == "ready\n").then_some(Self(reader))
    }

    fn card(&self) {
        writeln!(self.0.stdin.as_ref().unwrap()).unwrap();
    }
}

impl Drop for CardReader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_card_reader_that_is_unplugged_is_told_and_taken_up_again() {
    let scene = scene_with_frames(&["ada"], &["ada"; 120]);
    scene.configure("frames_per_second = 0", "frames_per_second = 20");
    let path = scene.path("reader");
    let Some(first) = CardReader::plug_in(&path, "1234") else {
        return tell("skipped: python3 is not installed, which plays a reader of cards");
    };
    let digest = Digest::of(b"sea-salt1234");
    scene.add(&format!(
        "[claims]\nsource = {{ kind = \"serial\", path = \"reader\", baud = 9600 }}\n\
         lasts_ms = 600000\nrequired = true\nsalt = \"sea-salt\"\n\
         [access.people]\nada.claim_sha256 = \"{digest}\"\n"
    ));
    let (mut first, mut second) = (Some(first), None);
    let (_running, stop) = mpsc::channel();
    let ran = scene.run_until(None, &stop, |event| {
        match event {
            Event::ClaimsLost { .. } => second = CardReader::plug_in(&path, "1234"),
            // What comes before the door has opened the line is lost.
            Event::Frame(_) if second.is_some() => second.iter().for_each(CardReader::card),
            Event::Frame(_) => drop(first.take()),
            _ => {}
        }
        Ok(())
    });
    assert_eq!(ran.frames()[0].outcome, Outcome::NoClaim);
    let news = ran.events.iter().filter_map(|event| match event {
        Event::ClaimsLost { reason } => Some(reason.as_str()),
        Event::ClaimsFound => Some("found"),
        Event::Released { subject, .. } => Some(subject),
        _ => None,
    });
    let news: Vec<_> = news.collect();
    assert!(
        news[0].contains("reader: no claims can be read"),
        "{news:?}"
    );
    assert_eq!(news[1..3], ["found", "ada"]);
}
