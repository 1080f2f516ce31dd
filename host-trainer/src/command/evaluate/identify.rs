//! `evaluate --identify`: a search among distractors.

use super::{Evaluate, percent};
use clap::Args;
use edge_runtime::landmarks::LandmarkTable;
use edge_runtime::network::Network;
use host_trainer::dataset::folder::images_of_people;
use host_trainer::evaluate::identification::{
    Figures, Person, Probes, Search, SyntheticTemplates, by_person, singles,
};
use host_trainer::evaluate::protocol::embed_images;
use host_trainer::evaluate::search::Rows;
use host_trainer::progress::bar;
use std::path::{Path, PathBuf};

/// Distractors embedded or drawn at a time.
const BLOCK: usize = 1 << 14;

/// Whom people are searched among; without either, the people of one image.
#[derive(Debug, Args)]
#[group(multiple = false, conflicts_with_all = ["pairs", "blufr", "breakdown"])]
pub(super) struct Distractors {
    /// Folder of images with a landmarks.csv in it or beside it; none of a person in --images.
    #[arg(long, value_name = "DIR")]
    distractors: Option<PathBuf>,
    /// So many templates of nobody, drawn around the embeddings at hand.
    #[arg(long, value_name = "N")]
    synthetic_distractors: Option<usize>,
}

pub(super) fn run(args: &Evaluate, distractors: &Distractors) -> anyhow::Result<()> {
    let network = args.network()?;
    let images = images_of_people(args.images())?;
    let paths: Vec<_> = images.iter().map(String::as_str).collect();
    let embedded = args.embed(&network, &paths)?;
    let people = by_person(&images, &embedded);
    let probes = Probes::new(&people)?;
    let (among, found) = match distractors {
        Distractors {
            distractors: Some(folder),
            ..
        } => (
            format!("images of {}", folder.display()),
            among_images(&network, probes, folder)?,
        ),
        Distractors {
            synthetic_distractors: Some(count),
            ..
        } => (
            "synthetic templates of nobody, which are no faces".to_string(),
            among_synthetic(probes, &everybody(&people), *count),
        ),
        _ => (
            "the people of one image".to_string(),
            among_block(probes, &singles(&people)),
        ),
    };
    let protocol = format!("search among {among}");
    let figures = Figures::new(protocol, found.found()?, &embedded);
    args.print(&figures, &embedded, || print(&figures))
}

fn everybody(people: &[Person<'_>]) -> Rows {
    Rows::new(people.iter().flatten().copied().flatten())
}

fn among_block(probes: Probes, distractors: &Rows) -> Search {
    let mut search = Search::new(probes, distractors.len() as u64);
    search.add(distractors);
    search
}

fn among_synthetic(probes: Probes, real: &Rows, count: usize) -> Search {
    let templates = SyntheticTemplates::around(real);
    let mut search = Search::new(probes, count as u64);
    let progress = bar(count as u64, "searching");
    for start in (0..count).step_by(BLOCK) {
        let block = start..(start + BLOCK).min(count);
        progress.inc(block.len() as u64);
        search.add(&templates.block(block));
    }
    progress.finish_and_clear();
    search
}

/// Images without a usable face cannot be enrolled: they are no distractors.
fn among_images(network: &Network, probes: Probes, folder: &Path) -> anyhow::Result<Search> {
    let landmarks = LandmarkTable::beside(folder, None)?;
    let images: Vec<_> = landmarks.iter().map(|(path, _)| path).collect();
    let mut search = Search::new(probes, images.len() as u64);
    let progress = bar(images.len() as u64, "searching");
    let mut unusable = 0;
    for block in images.chunks(BLOCK) {
        let embedded = embed_images(network, folder, &landmarks, block, &progress);
        unusable += embedded.unusable.len();
        search.add(&Rows::new(
            block.iter().filter_map(|path| embedded.get(path)),
        ));
    }
    progress.finish_and_clear();
    if unusable > 0 {
        eprintln!(
            "{unusable} images of {} have no usable face and are no distractors",
            folder.display()
        );
    }
    Ok(search)
}

fn print(figures: &Figures) {
    let found = &figures.found;
    println!(
        "{}: {} people, {} probes, {} distractors",
        figures.protocol, found.people, found.probes, found.distractors
    );
    for rate in &found.ranks {
        println!(
            "rank {}: {} ({} to {}; {} trials)",
            rate.rank,
            percent(rate.rate),
            percent(rate.rate_lower_95),
            percent(rate.rate_upper_95),
            found.trials
        );
    }
    for rates in &found.fnmr_at_fmr {
        println!("{rates}");
    }
    println!(
        "{:.3} ms to search for a probe among a million",
        found.search_ms_per_probe_and_million
    );
}
