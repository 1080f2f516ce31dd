//! `evaluate --pairs`: verification of a list of pairs.

use super::{Evaluate, percent};
use host_trainer::evaluate::pairs;
use host_trainer::evaluate::protocol::{self, Figures};
use std::path::Path;

pub(super) fn run(args: &Evaluate, list: &Path) -> anyhow::Result<()> {
    let network = args.network()?;
    let pairs = pairs::read(list)?;
    let embedded = args.embed(&network, &pairs.images())?;
    let figures = protocol::figures(&pairs, &embedded)?;
    if figures.pairs_without_score > 0 {
        eprintln!(
            "{} of {} pairs have no score and count as judged wrongly: {} images without a usable face",
            figures.pairs_without_score, figures.pairs, figures.unusable_images
        );
    }
    args.print(&figures, &embedded, || print(&figures))
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
