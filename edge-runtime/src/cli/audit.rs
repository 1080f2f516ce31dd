//! `audit`: what happened at the door, and whether the log says so as it was written.

use super::{Output, Result};
use clap::Args;
use edge_runtime::config::Config;
use edge_runtime::store::{Logged, Store, Verified};
use jiff::Timestamp;
use serde::Serialize;
use shared::audit::What;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Audit {
    /// The door's configuration.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// Print no entries, say only whether the log is whole.
    #[arg(long)]
    verify: bool,
    /// A digest that was printed earlier: the log must still contain that entry.
    #[arg(long, value_name = "DIGEST")]
    contains: Option<String>,
    /// Begin a new log in place of one that is damaged.
    #[arg(long, conflicts_with_all = ["verify", "contains"])]
    restart: bool,
}

#[derive(Serialize)]
struct Line {
    number: u64,
    at: String,
    what: What,
    subject: Option<String>,
    detail: String,
    digest: String,
}

#[derive(Serialize)]
struct Whole {
    whole: bool,
    first: u64,
    entries: u64,
    head: String,
}

impl Audit {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let store = Store::open(&config.store)?;
        if self.restart {
            store.restart_log()?;
        }
        let mut lines = Vec::new();
        let mut contained = self.contains.is_none();
        let verified = store.verify_log(|logged| {
            contained |= self.contains == Some(logged.digest.to_string());
            if !self.verify {
                lines.push(Line::from(logged));
            }
        });
        // What can be read is printed even if something after it is damaged.
        lines.iter().try_for_each(|line| out.line(line))?;
        let verified = verified?;
        if !contained && self.contains != Some(verified.head.to_string()) {
            anyhow::bail!(
                "the log does not contain that entry: it was let go as one of the oldest, or an older copy of the store was put in place; the oldest entry is number {}",
                verified.first
            );
        }
        out.line(&Whole::from(verified))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl From<Logged> for Line {
    fn from(logged: Logged) -> Self {
        let entry = logged.entry;
        let at = i64::try_from(entry.at_ms).map(Timestamp::from_millisecond);
        Self {
            number: entry.number,
            at: match at {
                Ok(Ok(at)) => format!("{at:.3}"),
                _ => format!("{} ms", entry.at_ms),
            },
            what: entry.event.what,
            subject: entry.event.subject,
            detail: entry.event.detail,
            digest: logged.digest.to_string(),
        }
    }
}

impl From<Verified> for Whole {
    fn from(verified: Verified) -> Self {
        Self {
            whole: true,
            first: verified.first,
            entries: verified.entries,
            head: verified.head.to_string(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = format!("{:?}", self.what).to_lowercase();
        write!(f, "{:>6}  {}  {what}", self.number, self.at)?;
        if let Some(subject) = &self.subject {
            write!(f, " {subject}")?;
        }
        match self.detail.as_str() {
            "" => Ok(()),
            detail => write!(f, ": {detail}"),
        }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the log is whole: {} entries from number {}; the newest has the digest {}",
            self.entries, self.first, self.head
        )
    }
}
