//! What the demo did, in plain words, and what `--check` demands of it.

use super::visit::Played;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What is told of the run; the trainer writes more.
#[derive(Deserialize)]
struct Run {
    backbone: String,
    loss: String,
    people: u64,
    images: u64,
    wall_s: f64,
}

/// What is told of the measurement; the trainer writes more.
#[derive(Deserialize)]
struct Evaluation {
    people: u64,
    quantized: Accuracy,
}

#[derive(Deserialize)]
struct Accuracy {
    eer: f64,
}

/// The demo's network must tell drawn people apart at least this well, whatever machine it was
/// trained on.
const MAX_EER: f64 = 0.05;

/// Prints the summary.
///
/// # Errors
/// If a file of the run is missing or has another form.
pub(super) fn print(run: &Path, visits: &[Played], report: &Path, took: Duration) -> Result<()> {
    let Run {
        backbone,
        loss,
        people,
        images,
        wall_s,
    } = read(&run.join("run.json"))?;
    let evaluation: Evaluation = read(&run.join("evaluation.json"))?;
    println!("\ntrained    {backbone} with {loss}");
    println!("           {images} pictures of {people} drawn people, {wall_s:.0} s");
    println!(
        "measured   equal error rate {:.2} % on {} other people, as the door runs it",
        100.0 * evaluation.quantized.eer,
        evaluation.people
    );
    let mut events = visits.iter().flat_map(|visit| &visit.events);
    if let Some(threshold) = events.find_map(|event| event.threshold) {
        println!("threshold  {threshold:.3} at the door");
    }
    for visit in visits {
        println!("visit      {:12} {}", visit.name, outcome(visit));
    }
    println!("report     {}", report.display());
    println!("time       {:.0} s in all", took.as_secs_f64());
    Ok(())
}

fn outcome(visit: &Played) -> String {
    let let_in = visit.let_in();
    match (let_in.first(), visit.relocked()) {
        (None, _) => "the door stayed locked".into(),
        (Some(subject), true) => format!("the door let {subject} in and locked again"),
        (Some(subject), false) => format!("the door let {subject} in and stayed open"),
    }
}

/// Demands the accuracy of a working tree and a report that stands alone.
///
/// # Errors
/// What is worse than expected.
pub(super) fn check(run: &Path, report: &Path) -> Result<()> {
    let eer = read::<Evaluation>(&run.join("evaluation.json"))?
        .quantized
        .eer;
    ensure!(
        eer <= MAX_EER,
        "equal error rate {eer}, at most {MAX_EER} expected"
    );
    for file in [
        run.join("metrics.jsonl"),
        run.join("report.html"),
        report.into(),
    ] {
        let length = fs::metadata(&file)
            .with_context(|| file.display().to_string())?
            .len();
        ensure!(length > 0, "{} is empty", file.display());
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_learned_nothing_fails_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let report = run.join("report.html");
        fs::write(&report, "<html>").unwrap();
        fs::write(run.join("metrics.jsonl"), "{}").unwrap();
        for (eer, passes) in [(0.01, true), (0.5, false)] {
            let text = format!("{{\"people\":3,\"quantized\":{{\"eer\":{eer},\"more\":1}}}}");
            fs::write(run.join("evaluation.json"), text).unwrap();
            assert_eq!(check(run, &report).is_ok(), passes, "{eer}");
        }
        fs::write(&report, "").unwrap();
        assert!(check(run, &report).is_err());
    }
}
