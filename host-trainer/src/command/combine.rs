//! `combine`: one bundle of several precisions of a network.

use super::train::cache;
use anyhow::{Context, ensure};
use clap::Args;
use host_trainer::combine::combine;
use host_trainer::config::Recipe;
use host_trainer::dataset::{folder_set, held_out_people, prepare};
use host_trainer::evaluate::ENROLLED_PAIRS;
use host_trainer::evaluate::confidence::CAVEAT;
use host_trainer::measure::{HeldOut, reported};
use host_trainer::operating_point::error_rates;
use shared::bundle::{Bundle, HIGHEST_FNMR_LOSS, Manifest};
use std::path::{Path, PathBuf};

/// Put bundles of one network in several precisions together, and measure on the same people the
/// thresholds of each and whether people who are enrolled under one stay so under another.
#[derive(Debug, Args)]
pub(crate) struct Combine {
    /// The bundles, each of another precision; of precisions that are as fast as each other a door
    /// gets the earlier.
    #[arg(long = "bundle", value_name = "FILE", required = true)]
    bundles: Vec<PathBuf>,
    /// Where the people are.
    #[command(flatten)]
    people: People,
    /// Where the bundle goes.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct People {
    /// Folders of photographs, images/<person>/<file> and landmarks.csv, of people whom the network
    /// was not trained on.
    #[arg(long, num_args = 1..)]
    data: Vec<PathBuf>,
    /// The people whom the training held out; DIR holds the folders which its recipe names, if it
    /// names some.
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    held_out: Option<Option<PathBuf>>,
}

impl Combine {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let read = |path: &PathBuf| Ok((path.clone(), edge_runtime::bundle::read(path)?));
        let bundles: anyhow::Result<Vec<_>> = self.bundles.iter().map(read).collect();
        let bundles = bundles?;
        let bundle = match &self.people.held_out {
            Some(data) => of_training(&bundles, data.as_deref())?,
            None => {
                let template = bundles[0].1.manifest().input.template;
                let set = folder_set(&self.people.data, template, &cache()?)?;
                for (path, bundle) in &bundles {
                    let recorded = &bundle.manifest().provenance;
                    // An import was measured on these people; a training learned from them.
                    let trained = toml::from_str::<Recipe>(&recorded.recipe_toml).is_ok();
                    ensure!(
                        !trained || recorded.data_digest != set.digest(),
                        "{}: these are the photographs that it was trained on, so its thresholds would be too low: use --held-out",
                        path.display()
                    );
                }
                combine(&bundles, &HeldOut::all(&set))?
            }
        };
        edge_runtime::bundle::write(&self.out, &bundle)?;
        println!("thresholds of {ENROLLED_PAIRS} ({CAVEAT}):");
        for precision in bundle.precisions() {
            let alone = bundle
                .select(precision)
                .context("it is one of the bundle's")?;
            say(alone.manifest());
        }
        println!("bundle {}", self.out.display());
        Ok(())
    }
}

fn of_training(bundles: &[(PathBuf, Bundle)], data: Option<&Path>) -> anyhow::Result<Bundle> {
    let (path, first) = &bundles[0];
    let manifest = first.manifest();
    let recorded = &manifest.provenance;
    let recipe: Recipe = toml::from_str(&recorded.recipe_toml).with_context(|| {
        format!(
            "{}: no recipe of a training is recorded in it; name photographs with --data",
            path.display()
        )
    })?;
    let template = manifest.input.template;
    let set = prepare(&recipe.data, data, template, recipe.seed, &cache()?)?;
    ensure!(
        set.digest() == recorded.data_digest,
        "these are not the photographs of the training of {}: another number of them, or others; their digest is {}, \
         expected {}",
        path.display(),
        set.digest(),
        recorded.data_digest
    );
    let people = held_out_people(&set, recipe.data.held_out(), recipe.seed)?;
    Ok(combine(bundles, &HeldOut::new(&set, &people))?)
}

fn say(manifest: &Manifest) {
    println!("{}:", manifest.precision);
    for point in &manifest.operating_points {
        println!("  {}", error_rates(&reported(point)));
    }
    for other in &manifest.comparable {
        let loss = other.fnmr_loss(&manifest.operating_points);
        let loss = loss.map_or("was not measured on the same pairs".into(), |loss| {
            format!("rises by {loss:.5} at most")
        });
        let stay = match manifest.accepts(other.model) {
            Some(_) => "people stay enrolled",
            None => "people must be enrolled anew",
        };
        println!(
            "  enrolled under {}: FNMR {loss}, {HIGHEST_FNMR_LOSS} is allowed; cosine {:.6} mean, {:.6} 1st percentile: \
             {stay}",
            other.precision, other.cosine_mean, other.cosine_p1
        );
    }
}
