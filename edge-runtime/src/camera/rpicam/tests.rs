//! A stand-in for `rpicam-vid`: a script that writes real JPEGs, and goes wrong in every way.

use super::*;
use crate::camera::live::{Live, Times};
use crate::camera::settings::{Picture, Rotation};
use crate::jpeg::tests::{encoded, picture};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with `a.jpg` and `b.jpg`, 64x64, and `small.jpg`.
struct Fake(TempDir);

impl Fake {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, side) in [("a.jpg", 64), ("b.jpg", 64), ("small.jpg", 48)] {
            let mut image = picture(side, side);
            if name == "b.jpg" {
                image::imageops::invert(&mut image);
            }
            fs::write(dir.path().join(name), encoded(&image)).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// A camera whose program is this script, run in the folder.
    fn camera(&self, script: &str) -> Rpicam {
        let script = format!("cd '{}'\n{script}", self.0.path().display());
        fs::write(self.path("script"), script).unwrap();
        Rpicam {
            // Not the script itself: the kernel runs no file that somebody, as a child of another
            // test may, has open for writing.
            program: "/bin/sh".into(),
            arguments: vec![self.path("script").display().to_string()],
            picture: Picture {
                width_px: 64,
                height_px: 64,
                frames_per_second: 12.5,
                rotation: Rotation::None,
            },
        }
    }

    fn stream(&self, script: &str) -> Recording {
        self.camera(script).open().unwrap()
    }
}

fn jpeg(bytes: Vec<u8>) -> Result<Option<Coded>, String> {
    Ok(Some(Coded::Jpeg(bytes)))
}

fn is_alive(pid: &Path) -> bool {
    let pid = fs::read_to_string(pid).unwrap();
    Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn frames_come_out_as_the_program_writes_them() {
    let fake = Fake::new();
    let mut stream = fake.stream("echo \"$@\" >arguments; cat a.jpg b.jpg a.jpg");
    for name in ["a.jpg", "b.jpg", "a.jpg"] {
        assert_eq!(stream.next(PATIENCE), jpeg(fake.read(name)));
    }
    assert_eq!(
        fs::read_to_string(fake.path("arguments")).unwrap(),
        "-t 0 -n --codec mjpeg --width 64 --height 64 --framerate 12.5 --flush -o -\n"
    );
}

#[test]
fn a_program_that_ends_tells_its_last_line() {
    let fake = Fake::new();
    let ends = |script: &str| {
        let mut stream = fake.stream(script);
        stream.next(PATIENCE).unwrap_err()
    };
    assert_eq!(
        ends("echo first >&2; echo 'ERROR: *** no cameras available ***' >&2; exit 255"),
        "sh: it ended, exit status: 255: ERROR: *** no cameras available ***"
    );
    assert!(ends("kill -9 $$").ends_with("signal: 9 (SIGKILL): it said nothing"));
    let much = "yes abcdefg | head -c 300000 >&2; echo >&2; echo last >&2; exit 1";
    assert_eq!(ends(much), "sh: it ended, exit status: 1: last");
    let closed = ends("exec >&-; sleep 60");
    assert!(closed.contains("closed its output"), "{closed}");
}

#[test]
fn a_program_that_says_nothing_is_waited_for_no_longer_than_asked() {
    let fake = Fake::new();
    let mut stream = fake.stream("cat a.jpg; sleep 60");
    assert_eq!(stream.next(PATIENCE), jpeg(fake.read("a.jpg")));
    assert_eq!(stream.next(Duration::ZERO), Ok(None));
    assert_eq!(stream.next(Duration::from_millis(100)), Ok(None));
}

#[test]
fn garbage_and_a_cut_frame_are_told_and_the_stream_goes_on() {
    let fake = Fake::new();
    let script = "cat a.jpg; echo garbage; cat b.jpg; head -c 900 a.jpg; cat b.jpg; sleep 60";
    let mut stream = fake.stream(script);
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(match stream.next(PATIENCE).unwrap().unwrap() {
            Coded::Jpeg(bytes) if bytes == fake.read("a.jpg") => "a",
            Coded::Jpeg(bytes) if bytes == fake.read("b.jpg") => "b",
            Coded::Garbled(_) => "garbled",
            _ => "something else",
        });
    }
    assert_eq!(told, ["a", "garbled", "b", "garbled", "b"]);
}

#[test]
fn a_flood_of_garbage_does_not_hold_the_reader() {
    let fake = Fake::new();
    let mut stream = fake.stream("cat /dev/zero");
    let tick = Duration::from_millis(50);
    assert!(matches!(stream.next(tick), Ok(Some(Coded::Garbled(_)))));
    assert_eq!(stream.next(tick), Ok(None));
}

#[test]
fn the_program_and_what_it_started_end_with_the_stream() {
    let fake = Fake::new();
    let script = "sleep 60 & echo $! >child; echo $$ >own; cat a.jpg; wait";
    let mut stream = fake.stream(script);
    assert!(stream.next(PATIENCE).unwrap().is_some());
    let (own, child) = (fake.path("own"), fake.path("child"));
    assert!(is_alive(&own) && is_alive(&child));
    drop(stream);
    assert!(!is_alive(&own));
    // What is not our own child is reaped by the system, or stays in its table as a dead entry.
    let pid = fs::read_to_string(child).unwrap();
    let stat = || fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let ended = || stat().is_ok_and(|stat| stat.contains(") Z ")) || stat().is_err();
    let deadline = Instant::now() + PATIENCE;
    while !ended() {
        assert!(Instant::now() < deadline, "{:?}", stat());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_that_is_not_there_says_how_to_get_it() {
    let mut camera = Fake::new().camera("");
    camera.program = "/nonexistent/rpicam-vid".into();
    let error = camera.open().err().unwrap();
    assert!(
        error.starts_with("rpicam-vid: cannot be started: No such file"),
        "{error}"
    );
    assert!(error.contains("install rpicam-apps"), "{error}");
}

/// Each start of the program goes wrong in another way.
#[test]
fn the_camera_comes_back_from_every_fault() {
    let fake = Fake::new();
    let script = "
        echo >>starts; starts=$(wc -l <starts)
        good() { for i in 1 2 3; do cat a.jpg; sleep 0.02; done; }
        case $starts in
        1) echo 'no camera' >&2; exit 1;;
        2) good; exec sleep 60;;
        3) good; echo garbage; sleep 0.5; good; exit 3;;
        4) while :; do cat small.jpg; sleep 0.02; done;;
        5) good; head -c 700 a.jpg; kill -9 $$;;
        6) while :; do echo garbage; sleep 0.02; done;;
        *) while :; do cat b.jpg; sleep 0.02; done;;
        esac";
    let times = Times {
        first: Duration::from_secs(20),
        stall: Duration::from_millis(1500),
        age: Duration::from_secs(20),
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
    };
    let camera = fake.camera(script);
    let live = Live::open(camera.clone(), camera.picture, times).unwrap();
    let last = image::load_from_memory(&fake.read("b.jpg"))
        .unwrap()
        .into_rgb8();
    let mut reasons: Vec<String> = Vec::new();
    let mut back = false;
    for frame in live.take(500) {
        match frame.content {
            Ok(content) if content.image == last => back = true,
            Ok(_) => {}
            Err(reason) => reasons.push(reason),
        }
        if back {
            break;
        }
    }
    assert!(back, "{reasons:?}");
    let mut told = reasons.iter();
    for needle in [
        "exit status: 1: no camera",
        "the stream stalled, no frame for 1.5s",
        "a garbled frame",
        "exit status: 3",
        "another size: 48x48, expected 64x64",
        "another size: 48x48, expected 64x64",
        "signal: 9",
        "a garbled frame",
        "stalled",
    ] {
        assert!(
            told.any(|reason| reason.contains(needle)),
            "{needle}: {reasons:?}"
        );
    }
    // Each is told once or twice, not at every frame.
    assert!(reasons.len() < 25, "{reasons:?}");
}
