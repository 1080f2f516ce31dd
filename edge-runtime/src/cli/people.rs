//! `enroll`, `list` and `remove`: who the door knows.

use super::{Output, Result};
use clap::Args;
use edge_runtime::bundle;
use edge_runtime::config::Config;
use edge_runtime::enroll::enroll;
use edge_runtime::store::{Erased, Listed, Person, Store};
use serde::Serialize;
use shared::bundle::{Manifest, NoOperatingPoint, Precision};
use shared::enrollment::EnrollmentRecord;
use shared::roster::Roster;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(super) struct Enroll {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// The person's name: letters, digits, '-', '_' and '.'.
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// Landmarks of the photographs; otherwise the nearest landmarks.csv.
    #[arg(long, value_name = "CSV")]
    landmarks: Option<PathBuf>,
    /// Enroll anew a person who is enrolled.
    #[arg(long)]
    replace: bool,
    /// Photographs of the person, all of which must be usable.
    #[arg(required = true)]
    images: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Enrolled {
    enrolled: String,
    templates: usize,
    replaced: bool,
    /// What would make it better.
    advice: Vec<String>,
}

impl Enroll {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let store = Store::open(&config.store)?;
        let loaded = bundle::load(&config.bundle)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let table = self.landmarks.as_deref();
        let people = store.load(&loaded.manifest)?.roster;
        let rate = config.identify.false_accept_rate.get();
        let point = loaded.manifest.operating_point(rate, 1)?;
        let new = std::slice::from_ref(&self.subject);
        has_threshold_with(new, &people, &config, &loaded.manifest)?;
        let beside = (&people, &point);
        let made = enroll(
            &self.subject,
            &self.images,
            table,
            loaded.eyes(),
            beside,
            now,
        )?;
        let crops = made.crops.as_ref().filter(|_| config.store.keep_crops);
        let record = &made.record;
        let replaced = store.add_person(Person { record, crops }, self.replace)?;
        out.line(&Enrolled {
            templates: record.template_count(),
            enrolled: self.subject,
            replaced,
            advice: made.advice.iter().map(ToString::to_string).collect(),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// That the door has a threshold for everybody and those who are `new`: one that runs and has none
/// ends, and then nobody gets in.
///
/// # Errors
/// [`NoOperatingPoint`].
pub(super) fn has_threshold_with(
    new: &[String],
    people: &Roster,
    config: &Config,
    manifest: &Manifest,
) -> Result<(), NoOperatingPoint> {
    let new = new.iter().filter(|name| !people.contains(name)).count();
    let searched = if config.claims_only() {
        1
    } else {
        people.len() + new
    };
    let rate = config.identify.false_accept_rate.get();
    manifest.operating_point(rate, searched).map(drop)
}

impl fmt::Display for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anew = if self.replaced { " anew" } else { "" };
        let (subject, templates) = (&self.enrolled, self.templates);
        write!(f, "enrolled {subject}{anew} from {templates} photographs")?;
        self.advice
            .iter()
            .try_for_each(|advice| write!(f, "\n  {advice}"))
    }
}

#[derive(Args)]
pub(super) struct List {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
}

/// One record. If it is not usable, `reason` says why, and `subject` is whom to enroll anew or to
/// remove; it is null where nobody can tell whose it is.
#[derive(Serialize)]
struct Line {
    subject: Option<String>,
    templates: Option<usize>,
    enrolled_at: Option<u64>,
    usable: bool,
    /// Under which other precision of the network the person is enrolled.
    other_precision: Option<Precision>,
    reason: Option<String>,
}

impl List {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let store = Store::open(&config.store)?;
        let bundle = bundle::read(&config.bundle)?;
        for listed in store.list(bundle.manifest())? {
            out.line(&Line::of(listed, bundle.manifest()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Line {
    fn of(listed: Listed, manifest: &Manifest) -> Self {
        let record = listed.record.as_ref().ok();
        let other = record.and_then(|r| manifest.accepts(r.model));
        Self {
            templates: record.map(EnrollmentRecord::template_count),
            enrolled_at: record.map(|r| r.enrolled_at),
            usable: record.is_some(),
            other_precision: other.map(|other| other.precision),
            reason: listed.record.as_ref().err().map(ToString::to_string),
            subject: listed.subject,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.as_deref().unwrap_or("?");
        match &self.reason {
            Some(reason) => write!(f, "{subject}  not usable: {reason}"),
            None => {
                write!(f, "{subject}  {} templates", self.templates.unwrap_or(0))?;
                let other = self.other_precision;
                other.map_or(Ok(()), |other| write!(f, " of precision {other}"))
            }
        }
    }
}

#[derive(Args)]
pub(super) struct Remove {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// The person's name.
    subject: String,
}

#[derive(Serialize)]
struct Removed {
    removed: String,
    /// Files of the store that were searched, in vain, for any part of the record.
    searched_files: usize,
    searched_bytes: u64,
}

impl Remove {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let Erased { files, bytes } = Store::open(&config.store)?.remove(&self.subject)?;
        out.line(&Removed {
            removed: self.subject,
            searched_files: files,
            searched_bytes: bytes,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "removed {}; no copy left in {} bytes of {} files",
            self.removed, self.searched_bytes, self.searched_files
        )
    }
}
