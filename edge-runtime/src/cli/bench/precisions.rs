//! The precisions of a bundle beside each other.

use super::Result;
use edge_runtime::bundle;
use edge_runtime::precisions::{self, fastest};
use serde::{Deserialize, Serialize};
use shared::bundle::{Bundle, Precision};
use std::fmt;
use std::path::Path;
use std::process::Command;

/// Frames of a program that is started to see how much memory it takes.
const FRAMES: u32 = 10;

/// All of them; see [`precisions::time`] of their times.
#[derive(Serialize)]
pub(super) struct Compared {
    precisions: Vec<Row>,
    /// As `select` takes it; null if none runs here.
    fastest: Option<Precision>,
}

#[derive(Serialize)]
struct Row {
    precision: Precision,
    /// Null if it does not run here.
    embed_ms: Option<f64>,
    /// Of its network's file.
    model_kib: f64,
    /// Of a program that runs it alone.
    #[serde(flatten)]
    alone: Alone,
    /// Why it does not run here.
    fault: Option<String>,
}

/// What a program that was started for it said of itself.
#[derive(Default, Serialize, Deserialize)]
struct Alone {
    start_ms: Option<f64>,
    resident_mib: Option<f64>,
    peak_mib: Option<f64>,
}

/// The bundle of the precision that is called so.
pub(in crate::cli) fn named(bundle: &Bundle, name: &str, path: &Path) -> Result<Bundle> {
    let mut precisions = bundle.precisions();
    let found = precisions.find(|precision| precision.name() == name);
    let alone = found.and_then(|precision| bundle.select(precision));
    alone.ok_or_else(|| {
        let names: Vec<_> = bundle.precisions().map(Precision::name).collect();
        let names = names.join(", ");
        anyhow::anyhow!("{}: no precision {name}; it has {names}", path.display())
    })
}

impl Compared {
    pub(super) fn of(bundle: &Bundle, rounds: u32) -> Result<Self> {
        let timed = precisions::time(bundle, rounds).into_iter();
        let rows = timed.map(|(precision, timed)| Row::of(bundle, precision, timed));
        let precisions = rows.collect::<Result<Vec<_>>>()?;
        let times: Vec<_> = precisions.iter().map(|row: &Row| row.embed_ms).collect();
        Ok(Self {
            fastest: fastest(&times).map(|number| precisions[number].precision),
            precisions,
        })
    }
}

impl Row {
    fn of(bundle: &Bundle, precision: Precision, timed: Result<f64, String>) -> Result<Self> {
        let alone = bundle.select(precision).expect("it is one of the bundle's");
        Ok(Self {
            precision,
            embed_ms: timed.as_ref().ok().copied(),
            model_kib: alone.model().len() as f64 / 1024.0,
            alone: match timed {
                Ok(_) => Alone::of(&alone)?,
                Err(_) => Alone::default(),
            },
            fault: timed.err(),
        })
    }
}

impl Alone {
    /// Memory that one network took does not go back to the system for the next, so each has a
    /// program of its own.
    fn of(bundle: &Bundle) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        bundle::write(file.path(), bundle)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "--json", "--people", "1", "--frames"]);
        command.arg(FRAMES.to_string()).arg("--bundle");
        let output = command.arg(file.path()).output()?;
        anyhow::ensure!(
            output.status.success(),
            "a program that was started to measure memory ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.1}"));
        write!(
            f,
            "\nprecision     embed, ms  model, KiB  start, ms  memory, MiB  at most"
        )?;
        for row in &self.precisions {
            write!(
                f,
                "\n{:<13} {:>9} {:>11.0} {:>10} {:>12} {:>8}",
                row.precision,
                row.embed_ms.map_or("-".into(), |ms| format!("{ms:.3}")),
                row.model_kib,
                cell(row.alone.start_ms),
                cell(row.alone.resident_mib),
                cell(row.alone.peak_mib)
            )?;
            if let Some(fault) = &row.fault {
                write!(f, "  {fault}")?;
            }
        }
        match self.fastest {
            Some(fastest) => write!(f, "\nfastest here, to 5 %: {fastest}"),
            None => write!(f, "\nnone runs here"),
        }
    }
}
