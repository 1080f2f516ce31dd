//! Visits to the demo's door: whose frames the camera sees, and what the door must make of them.

use super::people::{People, Person};
use crate::deploy::Door;
use crate::deploy::door_config::{self, Camera};
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One visit before it happens.
pub(super) struct Visit<'a> {
    name: &'static str,
    visitor: &'a Person,
    claim: Option<&'a str>,
    expected: Option<String>,
}

/// One visit after it happened.
pub(super) struct Played {
    /// What the visit is called in the report.
    pub(super) name: &'static str,
    /// What the door said, a JSON object a line.
    pub(super) events_file: PathBuf,
    /// The same, read.
    pub(super) events: Vec<Event>,
    /// Who must be let in, if anyone.
    expected: Option<String>,
}

/// What a judgment needs of the door's events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// What happened.
    pub(super) event: String,
    /// Who was recognized, or for whom the lock was released.
    pub(super) subject: Option<String>,
    /// What a score must reach.
    pub(super) threshold: Option<f64>,
}

/// Where the frames of all visits lie, a folder each.
pub(super) fn frames_root(out: &Path) -> PathBuf {
    out.join("visits")
}

impl<'a> Visit<'a> {
    /// Whoever is enrolled gets in, with or without saying who they are; others do not, whatever
    /// they say.
    ///
    /// # Errors
    /// If nobody is enrolled.
    pub(super) fn all(people: &'a People) -> Result<Vec<Self>> {
        let [ada, ben, cleo] = people.enrolled() else {
            bail!("the demo's visits are written for three enrolled people");
        };
        let visit = |name, visitor: &'a Person, claim: Option<&'a Person>, opens: bool| Visit {
            name,
            visitor,
            claim: claim.map(|person| person.id.as_str()),
            expected: opens.then(|| visitor.id.clone()),
        };
        Ok(vec![
            visit("enrolled", ada, None, true),
            visit("stranger", people.stranger(), None, false),
            visit("right-claim", ben, Some(ben), true),
            visit("wrong-claim", cleo, Some(ben), false),
        ])
    }

    /// Shows the visitor's frames to the door and keeps what it said.
    ///
    /// # Errors
    /// If a file cannot be written or the door's program fails.
    pub(super) fn play(self, door: &Door, people: &People, out: &Path) -> Result<Played> {
        let config = self.prepare(door, people, &frames_root(out).join(self.name))?;
        let mut run = Command::new(door.runtime());
        run.args(["run", "--json", "--config"]).arg(config);
        if let Some(claim) = self.claim {
            run.args(["--claim", claim]);
        }
        let text = workspace::output(&mut run)?;
        let events_file = out.join("door").join(format!("events-{}.jsonl", self.name));
        fs::write(&events_file, &text).with_context(|| events_file.display().to_string())?;
        let events = read_events(&text).with_context(|| events_file.display().to_string())?;
        Ok(Played {
            name: self.name,
            events_file,
            events,
            expected: self.expected,
        })
    }

    /// Lays the camera's folder out and writes the door's configuration with that camera.
    fn prepare(&self, door: &Door, people: &People, folder: &Path) -> Result<PathBuf> {
        let frames = folder.join("images");
        fs::create_dir_all(&frames).with_context(|| frames.display().to_string())?;
        for picture in self.visitor.visit() {
            let name = picture.file_name().context("a picture has a name")?;
            fs::copy(picture, frames.join(name)).with_context(|| picture.display().to_string())?;
        }
        let landmarks = folder.join("landmarks.csv");
        fs::write(&landmarks, people.landmarks(self.visitor.visit())?)?;
        let camera = Camera {
            frames: &frames,
            landmarks: &landmarks,
        };
        let path = door
            .config()
            .with_file_name(format!("visit-{}.toml", self.name));
        let config = door_config::with_camera(&door.config(), &camera)?;
        fs::write(&path, config.to_string()).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

fn read_events(text: &str) -> Result<Vec<Event>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read = |line| serde_json::from_str(line).with_context(|| format!("event {line}"));
    lines.map(read).collect()
}

impl Played {
    /// Whom the door let in, in order.
    pub(super) fn let_in(&self) -> Vec<&str> {
        let released = self.events.iter().filter(|event| event.event == "released");
        released
            .map(|event| event.subject.as_deref().unwrap_or("somebody"))
            .collect()
    }

    /// Whether the lock held again after its last release.
    pub(super) fn relocked(&self) -> bool {
        let lock = self.events.iter().rev().map(|event| event.event.as_str());
        let mut lock = lock.filter(|event| ["released", "relocked"].contains(event));
        lock.next() != Some("released")
    }

    /// Whether the door did what it must.
    ///
    /// # Errors
    /// What it did instead, and where its events are.
    pub(super) fn judge(&self) -> Result<()> {
        let (let_in, file) = (self.let_in(), self.events_file.display());
        let wrong = let_in
            .iter()
            .find(|subject| Some(**subject) != self.expected.as_deref());
        if let Some(wrong) = wrong {
            bail!("visit {}: the door let {wrong} in; see {file}", self.name);
        }
        if let (Some(expected), true) = (&self.expected, let_in.is_empty()) {
            bail!(
                "visit {}: the door did not let {expected} in; see {file}",
                self.name
            );
        }
        if !self.relocked() {
            bail!(
                "visit {}: the lock did not close again; see {file}",
                self.name
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(expected: Option<&str>, events: &[(&str, &str)]) -> Played {
        let line = |(event, subject): &(&str, &str)| {
            let subject = (!subject.is_empty()).then_some(*subject);
            format!(
                "{}\n",
                serde_json::json!({"event": event, "subject": subject, "at_ms": 1})
            )
        };
        let text: String = events.iter().map(line).collect();
        Played {
            name: "test",
            events_file: "events-test.jsonl".into(),
            events: read_events(&text).unwrap(),
            expected: expected.map(str::to_owned),
        }
    }

    #[test]
    fn only_the_right_person_may_be_let_in() {
        const SEEN: (&str, &str) = ("frame", "ada");
        const OPEN: (&str, &str) = ("released", "ada");
        const SHUT: (&str, &str) = ("relocked", "");
        for (expected, events, complaint) in [
            (Some("ada"), &[SEEN, SEEN, OPEN, SHUT][..], None),
            (Some("ada"), &[SEEN, OPEN, SHUT, SEEN, OPEN, SHUT], None),
            (Some("ada"), &[SEEN, SEEN], Some("did not let ada in")),
            (Some("ada"), &[], Some("did not let ada in")),
            (Some("ada"), &[SEEN, OPEN], Some("did not close again")),
            (Some("ben"), &[SEEN, OPEN, SHUT], Some("let ada in")),
            (None, &[("frame", ""), ("frame", "")], None),
            (None, &[SEEN, OPEN, SHUT], Some("let ada in")),
            (None, &[("released", ""), SHUT], Some("let somebody in")),
        ] {
            let judged = played(expected, events)
                .judge()
                .map_err(|error| error.to_string());
            match complaint {
                None => assert_eq!(judged, Ok(())),
                Some(words) => assert!(judged.unwrap_err().contains(words), "{events:?}"),
            }
        }
    }

    #[test]
    fn broken_event_line_is_shown() {
        let error = read_events("{\"event\":\"frame\"}\nnot json\n").unwrap_err();
        assert!(error.to_string().contains("not json"));
    }
}
