//! The program while it runs, at a simulated door in the scene's folder.

use crate::command_line::PROGRAM;
use crate::scene::Scene;
use serde_json::Value;
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) child: Child,
    simulated: PathBuf,
}

/// The door of the scene is one in its folder `simulated`, with an exit button and more settings.
pub(crate) fn simulate(scene: &Scene, settings: &str) {
    scene.configure(
        "hold_ms = 150",
        &format!("folder = \"simulated\"\nexit_button.active_level = \"low\"\n{settings}"),
    );
}

impl Running {
    pub(crate) fn start(scene: &Scene, stdout: Stdio, environment: &[(&str, &str)]) -> Self {
        let child = Command::new(PROGRAM)
            .args(["run", "--json", "--config"])
            .arg(scene.path("door.toml"))
            .envs(environment.iter().copied())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn();
        Self {
            child: child.unwrap(),
            simulated: scene.path("simulated"),
        }
    }

    /// With nobody who reads its events: after about a dozen the loop hangs.
    pub(crate) fn start_unread(scene: &Scene) -> (Self, PipeReader) {
        let (reader, mut writer) = io::pipe().unwrap();
        // A pipe holds 16 pages of 4 KiB.
        writer.write_all(&[b'\n'; 15 * 4096]).unwrap();
        (Self::start(scene, writer.into(), &[]), reader)
    }

    /// The relay's levels until now.
    pub(crate) fn levels(&self) -> Vec<String> {
        let relay = fs::read_to_string(self.simulated.join("relay")).unwrap_or_default();
        let levels = relay.lines().filter_map(|line| line.split_once(' '));
        levels.map(|(_, level)| level.to_owned()).collect()
    }

    /// Waits until those were the relay's levels; returns when they were set.
    pub(crate) fn wait_for(&self, levels: &[&str]) -> Vec<u64> {
        let asked = Instant::now();
        while self.levels() != levels {
            assert!(asked.elapsed() < PATIENCE, "{:?}", self.levels());
            thread::sleep(Duration::from_millis(5));
        }
        let relay = fs::read_to_string(self.simulated.join("relay")).unwrap();
        let times = relay.lines().map(|line| line.split_once(' ').unwrap().0);
        times.map(|ms| ms.parse().unwrap()).collect()
    }

    /// Sets a contact.
    pub(crate) fn set(&self, contact: &str, level: &str) {
        fs::write(self.simulated.join(contact), level).unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(kill.unwrap().success());
    }

    /// The events as they come.
    pub(crate) fn events(&mut self) -> Events {
        let stdout = BufReader::new(self.child.stdout.take().unwrap());
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(serde_json::from_str(&line).unwrap())));
        });
        Events(events)
    }
}

impl Drop for Running {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Events(Receiver<Value>);

impl Events {
    /// The next one, frames aside.
    pub(crate) fn next(&self) -> Value {
        loop {
            let event = self.0.recv_timeout(PATIENCE).unwrap();
            if event["event"] != "frame" {
                return event;
            }
        }
    }
}
