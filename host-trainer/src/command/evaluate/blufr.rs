//! `evaluate --blufr`: the BLUFR protocol.

use super::{Evaluate, percent};
use host_trainer::evaluate::blufr::{self, Figures, Identified, OverTrials};
use host_trainer::progress::bar;
use std::path::Path;

pub(super) fn run(args: &Evaluate, protocol: &Path) -> anyhow::Result<()> {
    let network = args.network()?;
    let protocol = blufr::read(protocol)?;
    let images: Vec<_> = protocol.images().iter().map(String::as_str).collect();
    let embedded = args.embed(&network, &images)?;
    let progress = bar(protocol.trials().len() as u64, "trials");
    let figures = blufr::figures(&protocol, &embedded, &progress)?;
    progress.finish_and_clear();
    args.print(&figures, &embedded, || print(&figures))
}

fn print(figures: &Figures) {
    println!("{}, {} images", figures.protocol, figures.images);
    for verification in &figures.verification {
        println!(
            "VR {} at FAR {}",
            over_trials(&verification.vr),
            verification.far
        );
        for (i, rates) in verification.trials.iter().enumerate() {
            println!("  trial {}, {rates}", i + 1);
        }
    }
    let identification = &figures.identification;
    println!(
        "DIR {} at FAR {}, rank {}",
        over_trials(&identification.dir),
        identification.far,
        identification.rank
    );
    for (i, found) in identification.trials.iter().enumerate() {
        println!("  trial {}: {}", i + 1, one_trial(found));
    }
    println!("scored in {:.1} s", figures.scoring_s);
}

fn over_trials(rate: &OverTrials) -> String {
    let [fused, mean, std] = [rate.mean_minus_std, rate.mean, rate.std].map(percent);
    format!("{fused} (mean {mean} minus standard deviation {std} over the trials)")
}

fn one_trial(found: &Identified) -> String {
    format!(
        "threshold {:.4}, FAR {} measured (at most {}; {} impostor probes), DIR {} ({} to {}; {} genuine probes)",
        found.threshold,
        percent(found.far_measured),
        percent(found.far_upper_95),
        found.impostor_probes,
        percent(found.dir),
        percent(found.dir_lower_95),
        percent(found.dir_upper_95),
        found.genuine_probes
    )
}
