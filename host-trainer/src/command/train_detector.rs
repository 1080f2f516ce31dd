//! `train` with the recipe of a detector.

use super::train::write_json;
use anyhow::Context;
use host_trainer::detector::{DetectorJob, DetectorRecipe, Photos, finish, train};
use host_trainer::native;
use std::path::Path;
use std::sync::Arc;

/// From the recipe to `detector.onnx` and `detector.toml`.
pub(super) fn run(config: &Path, data: Option<&Path>, out: &Path) -> anyhow::Result<()> {
    let recipe = DetectorRecipe::read(config)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let [photos, held_out] = Photos::read(&recipe.data, data, recipe.seed)?;
    let graph = recipe.graph();
    eprintln!(
        "{}: {} ({} parameters, {:.1} million multiply-adds), {} pictures of faces, {} held out, on {:?}",
        recipe.name,
        graph.name,
        graph.parameter_count(),
        graph.multiply_adds() as f64 / 1e6,
        photos.faces().len(),
        held_out.faces().len(),
        native::device(),
    );
    let module = train(&DetectorJob {
        recipe: &recipe,
        photos: Arc::new(photos),
        out,
    })?;
    let evaluation = finish(&recipe, &module, &held_out, &recipe.to_toml(), out)?;
    write_json(&out.join("evaluation.json"), &evaluation)?;
    let figures = &evaluation.held_out;
    println!(
        "held-out pictures: {} of one face each, found in {:.2} %, the right one in {:.2} %, landmarks off by {:.2} % of \
         the distance between the eyes (a tenth by more than {:.2} %); {} false faces in {} frames without one, threshold {:.2}",
        figures.images,
        100.0 * figures.found,
        100.0 * figures.right,
        100.0 * figures.mean_error,
        100.0 * figures.error_90,
        evaluation.false_faces,
        evaluation.faceless_frames,
        evaluation.threshold,
    );
    println!("detector {}", out.join("detector.toml").display());
    Ok(())
}
