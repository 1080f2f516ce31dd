//! `select`: of a bundle of several precisions, the one that a door is to run.

use super::{Output, Result};
use clap::Args;
use edge_runtime::bundle;
use edge_runtime::config::Config;
use edge_runtime::precisions::{self, Candidate, choose};
use edge_runtime::store::Store;
use serde::Serialize;
use shared::bundle::{Bundle, Precision};
use shared::roster::Roster;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Select {
    /// The door's configuration: its bundle, and the rates that it asks for.
    #[arg(long, value_name = "DOOR.TOML")]
    config: PathBuf,
    /// Where the bundle of that precision alone goes; it may be the bundle's own place.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many people the door will know, if more than are enrolled: its false-accept rate is
    /// divided by their number, unless every look is at a claim.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    people: u32,
    /// How many faces each precision embeds.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
}

/// What was chosen, and of what.
#[derive(Serialize)]
pub(super) struct Selected {
    selected: Precision,
    precisions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    precision: Precision,
    /// Of one face, see [`precisions::time`]; null if it was not timed.
    embed_ms: Option<f64>,
    false_match_rate: Option<f64>,
    false_non_match_rate: Option<f64>,
    /// People of the store who must be enrolled anew under it.
    enroll_anew: usize,
    /// Chosen, or why not.
    verdict: String,
}

/// What a precision must do.
pub(super) struct Demands<'a> {
    /// Of the door.
    pub(super) config: &'a Config,
    /// Its file, for messages.
    pub(super) path: &'a Path,
    /// How many people the door will know, if more than are enrolled.
    pub(super) people: u32,
    /// How many faces each precision embeds.
    pub(super) rounds: u32,
}

impl Select {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let bundle = bundle::read(&config.bundle)?;
        let demands = Demands {
            config: &config,
            path: &self.config,
            people: self.people,
            rounds: self.rounds,
        };
        let (chosen, selected) = demands.choose(&bundle)?;
        bundle::write(&self.out, &chosen)?;
        out.line(&selected)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Demands<'_> {
    /// The fastest precision here that keeps the rates that are asked for, alone in a bundle.
    pub(super) fn choose(&self, bundle: &Bundle) -> Result<(Bundle, Selected)> {
        let asked = &self.config.identify;
        let highest = asked.highest_false_non_match_rate.map(|rate| rate.get());
        let alone = bundle.precisions().count() == 1;
        // A bundle of one precision is taken as it is, and the door says at its start what is
        // wrong with it; but a rate that is asked for is kept.
        if alone && highest.is_none() {
            let precision = bundle.manifest().precision;
            let selected = Selected {
                selected: precision,
                precisions: vec![Line::untried(precision, "the only one")],
            };
            return Ok((bundle.clone(), selected));
        }
        let (candidates, anew): (Vec<_>, Vec<_>) = self.candidates(bundle)?.into_iter().unzip();
        let chosen = choose(&candidates, highest);
        let lines: Vec<Line> = candidates
            .iter()
            .enumerate()
            .map(|(i, candidate)| Line {
                enroll_anew: anew[i],
                ..Line::of(candidate, highest, chosen == Some(i))
            })
            .collect();
        let Some(chosen) = chosen else {
            let lines: Vec<String> = lines.iter().map(|line| format!("\n  {line}")).collect();
            anyhow::bail!(
                "{}: none of its precisions does what {} asks for:{}",
                self.config.bundle.display(),
                self.path.display(),
                lines.concat()
            );
        };
        let precision = candidates[chosen].precision;
        let bundle = bundle.select(precision).expect("it is one of the bundle's");
        let selected = Selected {
            selected: precision,
            precisions: lines,
        };
        Ok((bundle, selected))
    }

    /// Each precision, and how many people of the store it does not take as they are.
    fn candidates(&self, bundle: &Bundle) -> Result<Vec<(Candidate, usize)>> {
        let config = self.config;
        // Before the first start there is none, and it is the door's to make.
        let store = config.store.exists().then(|| Store::open(&config.store));
        let store = store.transpose()?;
        let candidate = |(precision, embed_ms)| {
            let alone = bundle.select(precision).expect("it is one of the bundle's");
            let manifest = alone.manifest();
            let people = store
                .as_ref()
                .map(|store| store.load(manifest))
                .transpose()?;
            let roster = people.as_ref().map(|people| &people.roster);
            let anew = people.as_ref().map_or(0, |people| people.unusable.len());
            let enrolled = roster.map_or(0, Roster::len) + anew;
            let searched = match config.claims_only() {
                true => 1,
                false => enrolled.max(self.people as usize),
            };
            let others = roster.into_iter().flat_map(Roster::others);
            let others = others.map(|(model, _)| model);
            let rate = config.identify.false_accept_rate.get();
            let point = manifest.operating_point_across(rate, searched, others);
            let candidate = Candidate {
                precision,
                embed_ms,
                point,
            };
            Ok((candidate, anew))
        };
        let timed = precisions::time(bundle, self.rounds).into_iter();
        timed.map(candidate).collect()
    }
}

impl Line {
    fn untried(precision: Precision, verdict: &str) -> Self {
        Self {
            precision,
            embed_ms: None,
            false_match_rate: None,
            false_non_match_rate: None,
            enroll_anew: 0,
            verdict: verdict.into(),
        }
    }

    fn of(candidate: &Candidate, highest: Option<f64>, chosen: bool) -> Self {
        let objection = candidate.objection(highest);
        let point = candidate.point.as_ref().ok();
        Self {
            precision: candidate.precision,
            embed_ms: candidate.embed_ms.as_ref().ok().copied(),
            false_match_rate: point.map(|point| point.fmr),
            false_non_match_rate: point.map(|point| point.fnmr),
            enroll_anew: 0,
            verdict: match (objection, chosen) {
                (Some(objection), _) => objection,
                (None, true) => "chosen".into(),
                (None, false) => "not faster".into(),
            },
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<13}", self.precision)?;
        if let Some(ms) = self.embed_ms {
            write!(f, " {ms:>8.2} ms")?;
        }
        if let (Some(fmr), Some(fnmr)) = (self.false_match_rate, self.false_non_match_rate) {
            write!(f, ", FNMR {:.2} % at FMR {fmr:.1e}", 100.0 * fnmr)?;
        }
        write!(f, ": {}", self.verdict)?;
        match self.enroll_anew {
            0 => Ok(()),
            people => write!(f, "; {people} people must be enrolled anew under it"),
        }
    }
}

impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "precision {}", self.selected)?;
        self.precisions
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}
