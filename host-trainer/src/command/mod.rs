//! The commands, one file each.

mod add_detector;
mod combine;
mod detect;
mod evaluate;
mod experiment;
mod illustrate;
mod import;
mod measure_training;
mod quantize;
mod replay;
mod report;
mod synthesize;
mod train;
mod train_detector;

use clap::{Parser, Subcommand};

/// Trains, measures, quantizes and exports the face-embedding network.
#[derive(Debug, Parser)]
#[command(name = "host-trainer", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Train),
    Evaluate(evaluate::Evaluate),
    Experiment(experiment::Experiments),
    Synthesize(synthesize::Synthesize),
    Report(report::Report),
    MeasureTraining(measure_training::MeasureTraining),
    Illustrate(illustrate::Illustrate),
    Detect(detect::Detect),
    AddDetector(add_detector::AddDetector),
    Import(import::Import),
    Combine(combine::Combine),
    Replay(replay::Replay),
    Quantize(quantize::Quantize),
}

impl Cli {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match &self.command {
            Command::Train(train) => train.run(),
            Command::Evaluate(evaluate) => evaluate.run(),
            Command::Experiment(experiment) => experiment.run(),
            Command::Synthesize(synthesize) => synthesize.run(),
            Command::Report(report) => report.run(),
            Command::MeasureTraining(measure) => measure.run(),
            Command::Illustrate(illustrate) => illustrate.run(),
            Command::Detect(detect) => detect.run(),
            Command::AddDetector(add) => add.run(),
            Command::Import(import) => import.run(),
            Command::Combine(combine) => combine.run(),
            Command::Replay(replay) => replay.run(),
            Command::Quantize(quantize) => quantize.run(),
        }
    }
}
