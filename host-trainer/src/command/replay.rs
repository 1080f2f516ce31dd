//! `replay`: photographs shown to a door.

use anyhow::Context;
use clap::Args;
use edge_runtime::bundle;
use edge_runtime::identify::FalseAcceptRate;
use edge_runtime::landmarks::LandmarkTable;
use host_trainer::dataset::folder::images_of_people;
use host_trainer::evaluate::confidence::CAVEAT;
use host_trainer::progress::bar;
use host_trainer::replay::{Door, Figures, Finder, Plan, Ran, Settings, replay, see};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Show a folder of photographs to a door: enroll people, let the others of their photographs and
/// strangers come, and count whom the door lets in.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The bundle.
    #[arg(long)]
    bundle: PathBuf,
    /// Folder of photographs, with a folder for each person.
    #[arg(long)]
    images: PathBuf,
    /// Their landmarks; without it the bundle's detector looks for the faces, as at the door.
    #[arg(long, value_name = "CSV")]
    landmarks: Option<PathBuf>,
    /// Photographs that a person is enrolled from.
    #[arg(long, default_value_t = 3, value_parser = positive)]
    enroll: usize,
    /// Photographs that a person must have to be enrolled.
    #[arg(long, default_value_t = 5)]
    least: usize,
    /// People who come and are not enrolled.
    #[arg(long, default_value_t = 5000, value_parser = positive)]
    strangers: usize,
    /// How often one look of a stranger may match somebody; without it as in door.example.toml,
    /// from which the margin and the rule of agreement are taken, too.
    #[arg(long, value_name = "RATE")]
    false_accept_rate: Option<FalseAcceptRate>,
    /// Of the draw of strangers, and of whom they claim to be.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| format!("{text:?}, expected 1 or more"))
}

impl Replay {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let loaded = bundle::load(&self.bundle)?;
        let table = self.landmarks.as_deref().map(LandmarkTable::read);
        let table = table.transpose()?;
        let finder = match (&table, &loaded.detector) {
            (Some(table), _) => Finder::Table(table),
            (None, detector) => Finder::Detector(detector.as_ref().with_context(|| {
                format!(
                    "{} has no detector: give --landmarks, or add one with `cargo xtask add-detector`",
                    self.bundle.display()
                )
            })?),
        };
        let images = images_of_people(&self.images)?;
        let progress = bar(images.len() as u64, "looking");
        let look = |name: &String| {
            let seen = see(&self.images, name, finder, &loaded.network);
            progress.inc(1);
            seen
        };
        let seen: Vec<_> = images.par_iter().map(look).collect();
        progress.finish_and_clear();
        let mut settings = Settings::example();
        if let Some(rate) = self.false_accept_rate {
            settings.identify.false_accept_rate = rate;
        }
        let plan = Plan {
            enroll: self.enroll,
            least: self.least,
            strangers: self.strangers,
            seed: self.seed,
        };
        let figures = replay(&loaded.manifest, &images, &seen, &plan, &settings)?;
        if self.json {
            println!("{}", serde_json::to_string(&figures)?);
        } else {
            print(&figures);
        }
        Ok(())
    }
}

fn print(figures: &Figures) {
    println!("{}", figures.protocol);
    println!(
        "{} of {} people enrolled{}",
        figures.enrolled,
        figures.people,
        listed(&figures.not_enrolled)
    );
    println!(
        "{} photographs cannot be compared{}",
        figures.unseen.values().sum::<usize>(),
        listed(&figures.unseen)
    );
    println!(
        "{} strangers; each photograph is shown for {} frames",
        figures.strangers, figures.frames
    );
    print_door("1:1, with claims", &figures.verification);
    print_door("1:N, without", &figures.identification);
    println!("({CAVEAT})");
}

fn listed(reasons: &BTreeMap<String, usize>) -> String {
    let reasons = reasons.iter().map(|(why, count)| format!("{count}: {why}"));
    let reasons = reasons.collect::<Vec<_>>().join("; ");
    match reasons.is_empty() {
        true => reasons,
        false => format!(" ({reasons})"),
    }
}

fn print_door(mode: &str, door: &Door) {
    if let Some(refused) = &door.refused {
        println!("{mode}: the door does not start: {refused}");
    }
    match &door.ran {
        Some(ran) => print_ran(mode, ran),
        None => println!("{mode}: no rate below 1 can be promised"),
    }
}

fn print_ran(mode: &str, ran: &Ran) {
    println!(
        "{mode}: false-accept rate {:.2e} over {} people, {:.2e} a comparison ({} impostor pairs), threshold {:.4}",
        ran.false_accept_rate, ran.gallery, ran.fmr, ran.impostor_pairs, ran.threshold
    );
    let (genuine, impostor) = (&ran.genuine, &ran.impostor);
    println!(
        "  FRR {} ({} to {}) of {} visits: {} without a face, {} with a poor one, {} unusable, {} not recognized, {} too \
         near somebody else, {} let in as somebody else",
        percent(genuine.frr),
        percent(genuine.frr_lower_95),
        percent(genuine.frr_upper_95),
        genuine.visits,
        genuine.no_face,
        genuine.poor_face,
        genuine.bad_frame,
        genuine.not_recognized,
        genuine.too_near_another,
        genuine.wrong_person
    );
    println!(
        "  FAR {} (at most {}): {} of {} visits, {} of them with no face to compare",
        percent(impostor.far),
        percent(impostor.far_upper_95),
        impostor.let_in,
        impostor.visits,
        impostor.not_compared
    );
}

fn percent(share: f64) -> String {
    format!("{:.3} %", 100.0 * share)
}
