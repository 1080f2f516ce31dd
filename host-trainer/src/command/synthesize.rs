//! `synthesize`: drawn people as a data set on disk, in the layout of photographs.

use anyhow::Context;
use clap::Args;
use edge_runtime::landmarks::HEADER;
use host_trainer::dataset::synthetic::{Identity, render};
use host_trainer::dataset::synthetic_name;
use rayon::prelude::*;
use shared::align::Landmarks;
use std::path::PathBuf;

/// Draw synthetic people: `images/<person>/<number>.png` and `landmarks.csv`.
#[derive(Debug, Args)]
pub(crate) struct Synthesize {
    /// Of the population; a person is the same in every command with this seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Index of the first person.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    first_person: u64,
    /// How many people.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    people: u64,
    /// How many pictures of each.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pictures: u64,
    /// Where to.
    #[arg(long)]
    out: PathBuf,
}

impl Synthesize {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let people = self.first_person..self.first_person + self.people;
        let rows: Result<Vec<Vec<Row>>, _> = people
            .into_par_iter()
            .map(|index| self.person(index))
            .collect();
        let path = self.out.join("landmarks.csv");
        let mut csv = csv::Writer::from_path(&path).with_context(|| path.display().to_string())?;
        csv.write_record(HEADER)?;
        for (name, landmarks) in rows?.into_iter().flatten() {
            let numbers = landmarks
                .0
                .iter()
                .flat_map(|p| [p.x, p.y])
                .map(|x| format!("{x:.2}"));
            csv.write_record([name, "1".into()].into_iter().chain(numbers))?;
        }
        csv.flush()?;
        println!(
            "{} pictures in {}",
            self.people * self.pictures,
            self.out.display()
        );
        Ok(())
    }

    fn person(&self, index: u64) -> anyhow::Result<Vec<Row>> {
        let (identity, name) = (Identity::new(self.seed, index), synthetic_name(index));
        let dir = self.out.join("images").join(&name);
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        (0..self.pictures)
            .map(|number| {
                let picture = render(&identity, number);
                let file = format!("{number:04}.png");
                let path = dir.join(&file);
                picture
                    .frame
                    .save(&path)
                    .with_context(|| path.display().to_string())?;
                Ok((format!("{name}/{file}"), picture.landmarks))
            })
            .collect()
    }
}

type Row = (String, Landmarks);
