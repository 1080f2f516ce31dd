//! `selftest` and `verify`: is the network well, and are two faces one person's.

use super::{FalseAcceptRate, Output, Result, Source};
use anyhow::anyhow;
use clap::Args;
use edge_runtime::bundle::{self, SelfTestReport};
use edge_runtime::config::Config;
use edge_runtime::enroll::template_of;
use edge_runtime::quality::Limits;
use serde::Serialize;
use shared::bundle::Precision;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// The rate of `verify` where no one names another.
const FALSE_ACCEPT_RATE: f64 = 0.001;

#[derive(Args)]
pub(super) struct Selftest {
    #[command(flatten)]
    source: Source,
}

/// One a precision.
#[derive(Serialize)]
struct Passed {
    precision: Precision,
    model: String,
    #[serde(flatten)]
    report: SelfTestReport,
}

impl Selftest {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let (path, _) = self.source.resolve()?;
        let bundle = bundle::read(&path)?;
        for precision in bundle.precisions() {
            let alone = bundle.select(precision).expect("it is one of the bundle's");
            let loaded = bundle::prove(&alone, &path);
            let loaded = loaded.map_err(|error| anyhow!("precision {precision}: {error}"))?;
            out.line(&Passed {
                precision,
                model: loaded.network.model().to_string(),
                report: loaded.self_test,
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.report;
        write!(
            f,
            "{}: {} self-test faces give what they gave when the bundle was made (lowest cosine {:.6}, largest difference {:.1e})",
            self.precision, report.faces, report.lowest_cosine, report.largest_difference
        )
    }
}

impl Source {
    /// The bundle, and the rate of the configuration if there is one.
    pub(super) fn resolve(self) -> Result<(PathBuf, Option<FalseAcceptRate>)> {
        match (self.bundle, self.config) {
            (Some(bundle), _) => Ok((bundle, None)),
            (None, config) => {
                let config = config.expect("clap requires one of the two");
                let config = Config::read(&config)?;
                Ok((config.bundle, Some(config.identify.false_accept_rate)))
            }
        }
    }
}

#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    source: Source,
    /// Landmarks of the photographs; otherwise the nearest landmarks.csv.
    #[arg(long, value_name = "CSV")]
    landmarks: Option<PathBuf>,
    /// How often two people may match [default: the configuration's, else 0.001].
    #[arg(long, value_name = "RATE")]
    false_accept_rate: Option<FalseAcceptRate>,
    /// One photograph.
    a: PathBuf,
    /// The other.
    b: PathBuf,
}

#[derive(Serialize)]
struct Compared {
    score: f32,
    threshold: f32,
    #[serde(rename = "match")]
    is_match: bool,
    false_match_rate: f64,
    impostor_pairs: u64,
}

impl Verify {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let (path, configured) = self.source.resolve()?;
        let standard = FalseAcceptRate::try_from(FALSE_ACCEPT_RATE).expect("it is a rate");
        let rate = self.false_accept_rate.or(configured).unwrap_or(standard);
        let loaded = bundle::load(&path)?;
        let point = loaded.manifest.operating_point(rate.get(), 1)?;
        let table = self.landmarks.as_deref();
        let template = |image| template_of(image, table, loaded.eyes(), &Limits::DOOR);
        let score = template(&self.a)?.score(&template(&self.b)?)?;
        let compared = Compared {
            score,
            threshold: point.threshold,
            is_match: score >= point.threshold,
            false_match_rate: point.fmr,
            impostor_pairs: point.impostor_pairs,
        };
        out.line(&compared)?;
        Ok(ExitCode::from(if compared.is_match { 0 } else { 1 }))
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: score {:.3}, threshold {:.3} (false-match rate {:.1e}, measured on {} pairs of an enrolled person's mean with one image, not of two single images)",
            if self.is_match { "match" } else { "no match" },
            self.score,
            self.threshold,
            self.false_match_rate,
            self.impostor_pairs
        )
    }
}
