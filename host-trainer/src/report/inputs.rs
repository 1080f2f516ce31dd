//! Reads the run folder and the events, and refuses what cannot be drawn.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::records::{EVALUATION_FILE, METRICS_FILE, RUN_FILE};
use super::records::{Evaluation, Histogram, OperatingPoint, Progress, RunInfo};
use super::scenes::{self, Scene};
use super::{ReportError, Sources};

const TRAIN_AGAIN: &str = "let the training run to its end, or run it again";
pub(super) const EVALUATE_AGAIN: &str = "run the evaluation again";
const PLAY_AGAIN: &str = "let the door play the scene again";

/// What a run was.
///
/// # Errors
/// [`ReportError`] if the folder has no record of it.
pub fn run_info(run: &Path) -> Result<RunInfo, ReportError> {
    json(&run.join(RUN_FILE), TRAIN_AGAIN)
}

/// Everything that the page tells.
pub(super) struct Inputs {
    pub(super) progress: Vec<Progress>,
    pub(super) run: RunInfo,
    pub(super) evaluation: Evaluation,
    pub(super) scenes: Vec<Scene>,
}

impl Inputs {
    /// The operating point that the door of the scenes used; without scenes the strictest.
    ///
    /// In 1:N the door raises the threshold with its gallery, so the nearest one counts.
    pub(super) fn door_point(&self) -> Option<&OperatingPoint> {
        let used = self.scenes.iter().find_map(Scene::threshold);
        let wanted = used.unwrap_or(f64::INFINITY);
        let distance = |point: &OperatingPoint| match wanted.is_finite() {
            true => (point.threshold - wanted).abs(),
            false => -point.threshold,
        };
        let points = self.evaluation.operating_points.iter();
        points.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

/// Reads everything; the frames stay where they are.
pub(super) fn read(sources: &Sources<'_>) -> Result<Inputs, ReportError> {
    let evaluation_file = sources.run.join(EVALUATION_FILE);
    let evaluation = json(&evaluation_file, EVALUATE_AGAIN)?;
    if let Some(found) = fault(&evaluation) {
        return Err(ReportError::Unusable {
            file: evaluation_file,
            found,
            advice: EVALUATE_AGAIN,
        });
    }
    Ok(Inputs {
        progress: progress(&sources.run.join(METRICS_FILE))?,
        run: run_info(sources.run)?,
        evaluation,
        scenes: sources
            .events
            .iter()
            .map(|file| {
                let moments = json_lines(file, PLAY_AGAIN)?;
                Ok(Scene::new(&scenes::name_of(file), moments))
            })
            .collect::<Result<_, ReportError>>()?,
    })
}

fn progress(file: &Path) -> Result<Vec<Progress>, ReportError> {
    let mut kept: Vec<Progress> = Vec::new();
    for line in json_lines::<Progress>(file, TRAIN_AGAIN)? {
        // A resumed run repeats the steps after its checkpoint.
        while kept.pop_if(|last| last.step >= line.step).is_some() {}
        kept.push(line);
    }
    if kept.is_empty() {
        return Err(ReportError::Unusable {
            file: file.to_owned(),
            found: "it has no line, and the loss curve needs one".to_owned(),
            advice: TRAIN_AGAIN,
        });
    }
    Ok(kept)
}

/// Says what about an evaluation cannot be drawn.
fn fault(evaluation: &Evaluation) -> Option<String> {
    let networks = [
        ("quantized", &evaluation.quantized),
        ("float", &evaluation.float),
    ];
    networks.into_iter().find_map(|(name, accuracy)| {
        let Histogram {
            from,
            to,
            genuine,
            impostor,
        } = &accuracy.histogram;
        if accuracy.roc.is_empty() {
            Some(format!("{name}.roc has no point, expected one or more"))
        } else if from >= to {
            Some(format!(
                "{name}.histogram goes from {from} to {to}, expected a rise"
            ))
        } else if genuine.is_empty() || genuine.len() != impostor.len() {
            Some(format!(
                "{name}.histogram has {} genuine and {} impostor bins, expected as many of both",
                genuine.len(),
                impostor.len()
            ))
        } else {
            None
        }
    })
}

fn json<T: DeserializeOwned>(file: &Path, advice: &'static str) -> Result<T, ReportError> {
    let text = text(file, advice)?;
    serde_json::from_str(&text).map_err(|error| malformed(file, error.line(), &error, advice))
}

fn json_lines<T: DeserializeOwned>(
    file: &Path,
    advice: &'static str,
) -> Result<Vec<T>, ReportError> {
    let text = text(file, advice)?;
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(above, line)| {
            serde_json::from_str(line).map_err(|error| malformed(file, above + 1, &error, advice))
        })
        .collect()
}

fn text(file: &Path, advice: &'static str) -> Result<String, ReportError> {
    fs::read_to_string(file).map_err(|source| ReportError::Unreadable {
        file: file.to_owned(),
        source,
        advice,
    })
}

fn malformed(
    file: &Path,
    line: usize,
    error: &serde_json::Error,
    advice: &'static str,
) -> ReportError {
    let said = error.to_string();
    // serde_json counts lines in what it was given, which may be one line of the file.
    let found = said
        .rsplit_once(" at line ")
        .map_or(&*said, |(what, _)| what);
    ReportError::Malformed {
        file: file.to_owned(),
        line,
        column: error.column(),
        found: found.to_owned(),
        advice,
    }
}
