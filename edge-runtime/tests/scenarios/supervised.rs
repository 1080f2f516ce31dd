//! What systemd is told: a datagram socket in its place.

use crate::door::scene_with_frames;
use crate::running::Running;
use crate::scene::Scene;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

/// What the door of a scene tells from its start to its end.
fn told(scene: &Scene) -> Vec<String> {
    let path = scene.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "400000"),
    ];
    let mut door = Running::start(scene, Stdio::null(), &environment);
    let mut told = Vec::new();
    let mut ended = false;
    loop {
        let mut bytes = [0; 4096];
        match socket.recv(&mut bytes) {
            Ok(len) => {
                let text = std::str::from_utf8(&bytes[..len]).unwrap();
                told.extend(text.lines().map(str::to_owned));
            }
            Err(_) if ended => break,
            Err(_) => ended = door.child.try_wait().unwrap().is_some(),
        }
    }
    fs::remove_file(path).unwrap();
    assert_eq!(door.child.wait().unwrap().code(), Some(0));
    told
}

#[test]
fn systemd_is_fed_while_good_frames_come_and_starved_by_broken_ones() {
    let scene = scene_with_frames(&["ada"], &["eve"; 30]);
    scene.configure("frames_per_second = 0", "frames_per_second = 10");
    let told_of_good = told(&scene);
    let fed = |told: &[String]| told.iter().filter(|line| *line == "WATCHDOG=1").count();
    assert_eq!(told_of_good[..2], ["READY=1", "STATUS=looking"]);
    // 3 s in which every 100 ms brings a frame and a look at it, on a machine that is not too busy.
    let times = fed(&told_of_good);
    assert!((3..=31).contains(&times), "{times}");
    // A last feeding may cross the farewell.
    let words: Vec<_> = told_of_good
        .iter()
        .filter(|line| *line != "WATCHDOG=1")
        .collect();
    assert_eq!(words[2..], ["STOPPING=1", "STATUS=the frames ended"]);

    for frame in fs::read_dir(scene.path("frames")).unwrap() {
        let path = frame.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "png") {
            fs::write(path, "x").unwrap();
        }
    }
    let told_of_broken = told(&scene);
    assert_eq!(told_of_broken[0], "READY=1");
    assert!(told_of_broken.contains(&"STOPPING=1".into()));
    assert_eq!(fed(&told_of_broken), 0);
}
