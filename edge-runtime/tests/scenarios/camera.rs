//! A door with a live camera: a stand-in for `rpicam-vid` that is unplugged and comes back.

use crate::bundles::bundle_of;
use crate::people::photograph;
use crate::scene::{Ran, Scene};
use crate::toy_detector::{HEIGHT, WIDTH, detector_with, frame as bright};
use edge_runtime::bundle;
use edge_runtime::camera::{self, CameraError};
use edge_runtime::config::Config;
use edge_runtime::event::{Event, LockState, Outcome};
use image::codecs::jpeg::JpegEncoder;
use image::{GenericImage, Rgb, RgbImage};
use shared::align::{Landmarks, Point};
use shared::detector::{CellOrder, SelfTestFrame};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Pixels of the camera to one of the detector.
const SCALE: u32 = 4;
const SHOT: u64 = 900;
/// Where the photograph lies in the camera's frame.
const LEFT: u32 = 120;
const TOP: u32 = 30;

/// What the camera sees: a photograph of Ada, and a white mark in the detector's first cell, which
/// is what it finds her by.
fn ada() -> (RgbImage, Landmarks) {
    let photo = photograph("ada", SHOT);
    let mut frame = RgbImage::from_pixel(SCALE * WIDTH, SCALE * HEIGHT, Rgb([90; 3]));
    let mark = RgbImage::from_pixel(8 * SCALE, 8 * SCALE, Rgb([255; 3]));
    frame.copy_from(&photo.image, LEFT, TOP).unwrap();
    frame.copy_from(&mark, 0, 0).unwrap();
    let place = |p: Point| Point::new(p.x + LEFT as f32, p.y + TOP as f32);
    (frame, Landmarks(photo.landmarks.0.map(place)))
}

/// A door whose camera is this script, run in the scene's folder, with Ada before it.
fn scene_with_camera(script: &str) -> Scene {
    let mut scene = Scene::new();
    scene.enroll("ada");
    let (frame, landmarks) = ada();
    let mut jpeg = File::create(scene.path("frame.jpg")).unwrap();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
    frame.write_with_encoder(encoder).unwrap();
    // In the detector's pixels, and from the middle of its first cell.
    let seen = landmarks.0.map(|p| {
        let own = |at: f32| (at + 0.5) / SCALE as f32 - 0.5;
        Point::new(own(p.x), own(p.y))
    });
    let from_cell = seen.map(|p| Point::new(p.x - 4.0, p.y - 4.0));
    let (mut manifest, model) = detector_with(CellOrder::NumbersFirst, &Landmarks(from_cell));
    manifest.threshold = 0.95;
    manifest.self_test.push(SelfTestFrame {
        pixels: bright(WIDTH, HEIGHT, &[[0, 0, 8, 8, 255]]).into_raw(),
        score: 1.0,
        landmarks: Landmarks(seen),
    });
    let bundle = bundle_of(1).with_detector(manifest, model).unwrap();
    bundle::write(&scene.path("model.bundle"), &bundle).unwrap();
    let folder = scene.path("").display().to_string();
    let script = format!("cd '{folder}'; echo $$ >pid; echo $$ >>pids\n{script}");
    fs::write(scene.path("script"), script).unwrap();
    let (width, height) = (SCALE * WIDTH, SCALE * HEIGHT);
    scene.configure(
        "kind = \"folder\"\npath = \"frames\"\nframes_per_second = 0",
        &format!(
            "kind = \"rpicam\"\nprogram = \"/bin/sh\"\narguments = [\"{folder}/script\"]\n\
             width = {width}\nheight = {height}\nframes_per_second = 20"
        ),
    );
    scene
}

/// Runs until `enough`, which is asked at every event, and gives up after a minute.
fn run_until(scene: &Scene, mut enough: impl FnMut(&Event) -> bool) -> Ran {
    let (signal, stop) = mpsc::channel();
    let deadline = Instant::now() + Duration::from_secs(60);
    let ran = scene.run_until(None, &stop, |event| {
        if enough(event) || Instant::now() > deadline {
            let _ = signal.send(());
        }
        Ok(())
    });
    assert!(Instant::now() < deadline, "{:?}", ran.outcomes());
    ran
}

fn is_released(event: &Event) -> bool {
    matches!(event, Event::Released { .. })
}

/// The reason of a frame that could not be used.
fn fault(event: &Event) -> Option<&str> {
    match event {
        Event::Frame(frame) if frame.outcome == Outcome::BadFrame => Some(&frame.reason),
        _ => None,
    }
}

#[test]
fn stays_locked_while_the_camera_is_unplugged_and_opens_when_it_is_back() {
    let scene = scene_with_camera(
        "[ -e unplugged ] && { echo 'ERROR: *** no cameras available ***' >&2; exit 255; }
         while :; do cat frame.jpg; sleep 0.05; done",
    );
    let unplugged = scene.path("unplugged");
    let mut faults = 0;
    let ran = run_until(&scene, |event| {
        match event {
            Event::Relocked { .. } if faults == 0 && !unplugged.exists() => {
                fs::write(&unplugged, "").unwrap();
                let pid = fs::read_to_string(scene.path("pid")).unwrap();
                let killed = Command::new("kill").args(["-9", pid.trim()]).status();
                assert!(killed.unwrap().success());
            }
            event if fault(event).is_some() => {
                faults += 1;
                if faults == 3 {
                    fs::remove_file(&unplugged).unwrap();
                }
            }
            _ => {}
        }
        faults >= 3 && is_released(event)
    });
    assert!(ran.ended.is_ok());
    let first = ran.events.iter().position(|e| fault(e).is_some()).unwrap();
    let last = ran.events.iter().rposition(|e| fault(e).is_some()).unwrap();
    assert!(ran.events[..first].iter().any(is_released));
    assert!(ran.events[last..].iter().any(is_released));
    let gone = &ran.events[first..=last];
    assert!(!gone.iter().any(is_released));
    // Whoever came in just before still has the time of the release; then it stays locked.
    let released = ran.events[..first].iter().rposition(is_released).unwrap();
    let relocked = |event: &Event| matches!(event, Event::Relocked { .. });
    let rest = &ran.events[released..=last];
    let relocked = rest.iter().position(relocked).unwrap();
    let locked = |event: &Event| match event {
        Event::Frame(frame) => frame.lock == LockState::Locked,
        _ => true,
    };
    assert!(rest[relocked..].iter().all(locked));
    let reasons: Vec<_> = gone.iter().filter_map(fault).collect();
    assert!(reasons[0].contains("signal: 9"), "{reasons:?}");
    let why = "sh: it ended, exit status: 255: ERROR: *** no cameras available ***";
    assert_eq!(reasons[1..3], [why; 2]);
    // Nothing of the camera is left behind.
    let pids = fs::read_to_string(scene.path("pids")).unwrap();
    assert!(pids.lines().count() >= 4);
    let is_alive = |pid: &str| Path::new("/proc").join(pid).exists();
    let deadline = Instant::now() + Duration::from_secs(20);
    while pids.lines().any(is_alive) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_door_whose_camera_is_missing_starts_and_says_why() {
    let scene = scene_with_camera("exit 1");
    scene.configure("program = \"/bin/sh\"", "program = \"./rpicam-vid\"");
    let ran = run_until(&scene, |event| fault(event).is_some());
    ran.assert_stayed_locked();
    let reason = &ran.frames()[0].reason;
    assert!(reason.contains("rpicam-vid: cannot be started"), "{reason}");
}

#[test]
fn a_live_camera_needs_a_detector_and_a_video_device_the_feature() {
    let scene = scene_with_camera("exit 1");
    let rpicam = scene.config().camera;
    let error = camera::open(&rpicam, false).err().unwrap();
    assert!(matches!(error, CameraError::NobodyFindsFaces), "{error}");
    let toml = fs::read_to_string(scene.path("door.toml")).unwrap();
    let table = toml.find("[camera]").unwrap()..toml.find("[identify]").unwrap();
    let v4l2 = "[camera]\nkind = \"v4l2\"\ndevice = \"video9\"\nformat = \"yuyv\"\nwidth = 640\n\
                height = 480\nframes_per_second = 15\n";
    fs::write(scene.path("door.toml"), toml.replace(&toml[table], v4l2)).unwrap();
    let camera = Config::read(&scene.path("door.toml")).unwrap().camera;
    let opened = camera::open(&camera, true);
    if cfg!(feature = "v4l2") {
        let reason = opened.ok().unwrap().next().unwrap().content.err().unwrap();
        let start = format!("{}: cannot be opened", scene.path("video9").display());
        assert!(reason.starts_with(&start), "{reason}");
    } else {
        let error = opened.err().unwrap().to_string();
        assert!(error.contains("--features v4l2"), "{error}");
    }
}

#[test]
fn a_list_shows_its_images_in_its_order() {
    let mut scene = Scene::new();
    scene.enroll("ada");
    let names: Vec<_> = ["eve", "ada", "eve"]
        .map(|person| {
            let path = scene.shoot("frames", person);
            path.file_name().unwrap().to_string_lossy().into_owned()
        })
        .into();
    let shown = [&names[1], &names[1], &names[2], &names[0]];
    let list = shown.map(|name| format!("{name}\n")).concat();
    fs::write(
        scene.path("frames/list.txt"),
        format!("# As seen.\n\n{list}"),
    )
    .unwrap();
    let named = shown.map(|name| format!("\"frames/{name}\",")).concat();
    let folder = "kind = \"folder\"\npath = \"frames\"";
    let marks = "landmarks = \"frames/landmarks.csv\"";
    let mut before = folder.to_owned();
    for files in [
        "files_in = \"frames/list.txt\"".into(),
        format!("files = [{named}]"),
    ] {
        let now = format!("kind = \"list\"\n{files}\n{marks}");
        scene.configure(&before, &now);
        before = now;
        let ran = scene.run(None);
        let frames: Vec<_> = ran.frames().iter().map(|frame| &frame.frame).collect();
        assert_eq!(frames, shown);
        assert_eq!(ran.opened_for(), ["ada"]);
    }
    let open = || {
        camera::open(&scene.config().camera, false)
            .err()
            .map(|e| e.to_string())
    };
    scene.configure(marks, "");
    assert!(open().unwrap().contains("name a landmarks.csv"));
    let bad = [("", "it names nothing"), ("#\n", "it names nothing")];
    scene.configure(
        &format!("files = [{named}]"),
        "files_in = \"frames/list.txt\"",
    );
    for (text, needle) in bad {
        fs::write(scene.path("frames/list.txt"), text).unwrap();
        assert!(open().unwrap().contains(needle));
    }
    fs::write(scene.path("frames/list.txt"), [0xFF]).unwrap();
    assert!(open().unwrap().contains("not UTF-8 text"));
    fs::remove_file(scene.path("frames/list.txt")).unwrap();
    assert!(open().unwrap().contains("list.txt: cannot be read"));
}
