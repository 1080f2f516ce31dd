//! `evaluate --pairs` and `--bin`: verification of a list of pairs.

use super::{Evaluate, percent, with_bar};
use host_trainer::evaluate::bin_file;
use host_trainer::evaluate::pairs::{self, Pairs};
use host_trainer::evaluate::protocol::{self, Embedded, Figures};
use std::path::Path;

pub(super) fn run(args: &Evaluate, list: &Path) -> anyhow::Result<()> {
    let network = args.network()?;
    let pairs = pairs::read(list)?;
    let embedded = args.embed(&network, &pairs.images())?;
    tell(args, &pairs, &embedded)
}

pub(super) fn run_bin(args: &Evaluate, set: &Path) -> anyhow::Result<()> {
    let network = args.network()?;
    let set = bin_file::read(set)?;
    let embedded = with_bar(2 * set.pairs.pairs.len(), |bar| set.embed(&network, bar));
    tell(args, &set.pairs, &embedded)
}

fn tell(args: &Evaluate, pairs: &Pairs, embedded: &Embedded) -> anyhow::Result<()> {
    let figures = protocol::figures(pairs, embedded)?;
    if figures.pairs_without_score > 0 {
        eprintln!(
            "{} of {} pairs have no score and count as judged wrongly: {} images without a usable face",
            figures.pairs_without_score, figures.pairs, figures.unusable_images
        );
    }
    args.print(&figures, embedded, || print(&figures))
}

fn print(figures: &Figures) {
    println!(
        "{}: {} genuine, {} impostor pairs",
        figures.protocol, figures.genuine, figures.impostor
    );
    let accuracy = percent(figures.accuracy);
    match figures.accuracy_se {
        Some(se) => println!(
            "accuracy {accuracy} +- {:.2} (each fold at the others' threshold)",
            100.0 * se
        ),
        None => println!("accuracy {accuracy} (at the best threshold, optimistic)"),
    }
    println!("EER {}", percent(figures.eer));
    for rates in &figures.fnmr_at_fmr {
        println!("{rates}");
    }
}
