//! `profile`: how long each layer of a bundle's networks takes.

use super::bench::precision;
use super::{Output, Result, Source};
use anyhow::Context;
use clap::Args;
use edge_runtime::bundle;
use edge_runtime::network::{self, Convolutions, LayerTime, Profiler};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Profile {
    #[command(flatten)]
    source: Source,
    /// Of a bundle of several precisions, this one [default: the first].
    #[arg(long, value_name = "NAME")]
    precision: Option<String>,
    /// How often the networks are run.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Leave all convolutions to tract, to compare with.
    #[arg(long)]
    tract: bool,
    /// Write the networks there as embedder.onnx and detector.onnx, for other runtimes.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

#[derive(Serialize)]
struct Profiled {
    network: &'static str,
    /// Of one run, which is half of an embedding with its mirror image; median, one thread.
    ms: f64,
    multiply_adds: u64,
    /// Memory that it took beside those before it, in MiB, without the program itself; null where
    /// the system does not tell.
    memory_mib: Option<f64>,
    /// What a core can do, measured beside.
    peak_multiply_adds_per_s: f64,
    layers: Vec<LayerTime>,
}

impl Profile {
    pub(super) fn run(self, out: &Output) -> Result<ExitCode> {
        let (path, _) = self.source.resolve()?;
        let mut bundle = bundle::read(&path)?;
        if let Some(named) = &self.precision {
            bundle = precision(&bundle, named, &path)?;
        }
        let manifest = bundle.manifest();
        let mut networks = vec![("embedder", bundle.model(), manifest.input.shape())];
        let detector = bundle.detector();
        networks.extend(detector.map(|(d, model)| ("detector", model, d.input.shape())));
        let convolutions = match self.tract {
            true => Convolutions::Tract,
            false => Convolutions::Direct,
        };
        // All are held, so that none takes what another left.
        let load = |(network, model, shape)| {
            if let Some(folder) = &self.models {
                let file = folder.join(network).with_extension("onnx");
                std::fs::write(&file, model).with_context(|| file.display().to_string())?;
            }
            let loaded = Profiler::load(model, shape, convolutions);
            let loaded = loaded.with_context(|| format!("{}: {network}", path.display()))?;
            Ok((network, loaded))
        };
        let loaded: Vec<_> = networks.into_iter().map(load).collect::<Result<_>>()?;
        for (network, profiler) in loaded {
            let found = profiler.run(self.runs as usize);
            let found = found.with_context(|| format!("{}: {network}", path.display()))?;
            out.line(&Profiled {
                network,
                ms: found.ms,
                memory_mib: found.memory_mib,
                multiply_adds: found.layers.iter().map(|l| l.multiply_adds).sum(),
                peak_multiply_adds_per_s: network::peak_multiply_adds_per_s(),
                layers: found.layers,
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Share of the peak, in percent.
fn share(multiply_adds: u64, ms: f64, peak: f64) -> String {
    match multiply_adds {
        0 => "-".into(),
        count => format!("{:.0} %", 100.0 * count as f64 / (1e-3 * ms * peak)),
    }
}

impl fmt::Display for Profiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = self.peak_multiply_adds_per_s;
        writeln!(f, "{:>9} {:>9} {:>7}  layer", "ms", "million", "of peak")?;
        for layer in &self.layers {
            let share = share(layer.multiply_adds, layer.ms, peak);
            writeln!(
                f,
                "{:>9.4} {:>9.3} {share:>7}  {} {} {:?}",
                layer.ms,
                layer.multiply_adds as f64 / 1e6,
                layer.operator,
                layer.name,
                layer.output
            )?;
        }
        write!(
            f,
            "{:>9.4} {:>9.3} {:>7}  {}, {} MiB, of {:.1} thousand million multiply-adds a second",
            self.ms,
            self.multiply_adds as f64 / 1e6,
            share(self.multiply_adds, self.ms, peak),
            self.network,
            self.memory_mib
                .map_or("-".into(), |mib| format!("{mib:.1}")),
            peak / 1e9
        )
    }
}
