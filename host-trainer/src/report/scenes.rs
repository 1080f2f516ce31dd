//! What happened at the door: the events of one scene.

use std::path::Path;

use serde::Deserialize;

/// One visit to the door.
#[derive(Debug)]
pub(super) struct Scene {
    /// The events file's stem without its `events-`.
    pub(super) name: String,
    /// In the order of the file, unknown events left out.
    pub(super) moments: Vec<Moment>,
}

/// One event that the report shows. The door's schema may grow, so nothing unknown is an error.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Moment {
    /// The door looked at a frame.
    Frame(Look),
    /// The lock was released.
    Released(Mark),
    /// The lock holds again.
    Relocked(Mark),
    /// The door's program ended.
    Stopped(Mark),
    /// An event of a later schema.
    #[serde(other)]
    Other,
}

/// What the door made of a frame.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Look {
    /// File name or path of the picture.
    pub(super) frame: Option<String>,
    pub(super) at_ms: Option<f64>,
    /// With whom the face was compared.
    pub(super) subject: Option<String>,
    pub(super) score: Option<f64>,
    pub(super) threshold: Option<f64>,
    /// Frames in a row that agree, and how many the door wants.
    pub(super) agreeing: Option<u64>,
    pub(super) needed: Option<u64>,
    pub(super) outcome: Option<String>,
    /// A sentence.
    pub(super) reason: Option<String>,
    pub(super) lock: Option<String>,
}

/// A change of state.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    pub(super) at_ms: Option<f64>,
    pub(super) reason: Option<String>,
}

impl Scene {
    pub(super) fn new(name: &str, moments: Vec<Moment>) -> Self {
        let known = |moment: &Moment| *moment != Moment::Other;
        Self {
            name: name.to_owned(),
            moments: moments.into_iter().filter(known).collect(),
        }
    }

    /// The frames of the scene.
    pub(super) fn looks(&self) -> impl Iterator<Item = &Look> {
        self.moments.iter().filter_map(|moment| match moment {
            Moment::Frame(look) => Some(look),
            _ => None,
        })
    }

    /// When the lock was released, each time.
    pub(super) fn releases(&self) -> impl Iterator<Item = &Mark> {
        self.moments.iter().filter_map(|moment| match moment {
            Moment::Released(mark) => Some(mark),
            _ => None,
        })
    }

    /// The first threshold that a face was held against.
    pub(super) fn threshold(&self) -> Option<f64> {
        self.looks().find_map(|look| look.threshold)
    }
}

impl Look {
    /// Whether the next frame tells the same, whatever its score.
    pub(super) fn tells_the_same(&self, next: &Self) -> bool {
        let told = |look: &Self| {
            (
                look.outcome.clone(),
                look.subject.clone(),
                look.lock.clone(),
            )
        };
        told(self) == told(next)
    }
}

/// The scene's name: `events-stranger.jsonl` is the scene `stranger`.
pub(super) fn name_of(events: &Path) -> String {
    let stem = events.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_prefix("events-").unwrap_or(&stem).to_owned()
}
