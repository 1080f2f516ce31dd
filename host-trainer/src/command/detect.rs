//! `detect`: landmarks for a folder of photographs, and how far they are from known ones.

use super::train::write_json;
use anyhow::{Context, bail};
use clap::Args;
use edge_runtime::detect::Detector;
use edge_runtime::landmarks::{HEADER, LandmarkTable};
use edge_runtime::photo;
use host_trainer::dataset::folder::images_of_people;
use host_trainer::detector::{DetectorFigures, DetectorFile, compare, largest};
use host_trainer::progress::bar;
use rayon::prelude::*;
use shared::align::Landmarks;
use std::path::{Path, PathBuf};

/// Find the faces in a folder of photographs, `<person>/<file>`, and write their landmarks.
#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Bundle whose detector to use.
    #[arg(long, required_unless_present = "detector")]
    bundle: Option<PathBuf>,
    /// A detector that is in no bundle yet, in its place.
    #[arg(long, conflicts_with = "bundle")]
    detector: Option<PathBuf>,
    /// The folder.
    #[arg(long)]
    images: PathBuf,
    /// Where to write the landmarks: a row for each image with a face, the largest one.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Known landmarks to compare with.
    #[arg(long)]
    compare: Option<PathBuf>,
    /// The images show no face: count those in which one is found.
    #[arg(long, conflicts_with = "compare")]
    faceless: bool,
    /// Write the comparison as JSON.
    #[arg(long, requires = "compare")]
    json: Option<PathBuf>,
}

impl Detect {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let detector = self.detector()?;
        let known = self
            .compare
            .as_deref()
            .map(LandmarkTable::read)
            .transpose()?;
        let names = images_of_people(&self.images)?;
        if names.is_empty() {
            bail!("{}: no images in folders of people", self.images.display());
        }
        let progress = bar(names.len() as u64, "detecting");
        let find = |name: &String| {
            let image = photo::read(&self.images.join(name))?;
            let found = detector.detect(&image)?;
            progress.inc(1);
            anyhow::Ok(found)
        };
        let found: Result<Vec<_>, _> = names.par_iter().map(find).collect();
        let found = found?;
        progress.finish_and_clear();
        if let Some(out) = &self.out {
            let first = names.iter().zip(&found).filter_map(|(name, found)| {
                let best = largest(found)?;
                Some((name.as_str(), best.score, best.landmarks))
            });
            write(out, first)?;
        }
        let with_face = found.iter().filter(|f| !f.is_empty()).count();
        println!("{with_face} of {} images show a face", names.len());
        if self.faceless {
            println!(
                "{:.2} false faces in 1,000 images",
                1000.0 * with_face as f64 / names.len() as f64
            );
        }
        let Some(known) = known else { return Ok(()) };
        let compared: Vec<_> = names
            .iter()
            .zip(&found)
            .filter_map(|(name, found)| Some(compare(found, known.get(name)?)))
            .collect();
        let figures = DetectorFigures::of(&compared);
        println!(
            "{} images with known landmarks: a face in {:.2} %, the right one in {:.2} %, landmarks off by {:.2} % of the \
             distance between the eyes (a tenth by more than {:.2} %)",
            figures.images,
            100.0 * figures.found,
            100.0 * figures.right,
            100.0 * figures.mean_error,
            100.0 * figures.error_90
        );
        self.json
            .as_deref()
            .map_or(Ok(()), |path| write_json(path, &figures))
    }

    fn detector(&self) -> anyhow::Result<Detector> {
        if let Some(file) = &self.detector {
            let (manifest, model) = DetectorFile::load(file)?;
            return Ok(Detector::from_onnx(&model, &manifest)?);
        }
        let path = self.bundle.as_deref().expect("one of both is required");
        let bundle = edge_runtime::bundle::read(path)?;
        Detector::load(&bundle)?.with_context(|| {
            format!(
                "{} has no detector: add one with `cargo xtask add-detector`",
                path.display()
            )
        })
    }
}

fn write<'a>(
    path: &Path,
    rows: impl Iterator<Item = (&'a str, f32, Landmarks)>,
) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    csv.write_record(HEADER)?;
    for (name, score, landmarks) in rows {
        let numbers = landmarks.0.iter().flat_map(|p| [p.x, p.y]);
        let numbers = numbers.map(|x| format!("{x:.2}"));
        csv.write_record(
            [name.to_string(), format!("{score:.3}")]
                .into_iter()
                .chain(numbers),
        )?;
    }
    Ok(csv.flush()?)
}
