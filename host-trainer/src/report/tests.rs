//! The page from files to files.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod faces;

/// A run folder with one scene; every test changes what it is about.
struct Run {
    folder: TempDir,
    events: Vec<PathBuf>,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = Self {
            events: vec![folder.path().join("events-stranger.jsonl")],
            folder,
        };
        run.put(
            METRICS_FILE,
            &format!("{}\n{}\n", progress(50, 0.1), progress(100, 0.01)),
        );
        run.put(RUN_FILE, &info().to_string());
        run.put(EVALUATION_FILE, &evaluation().to_string());
        run.put(
            "events-stranger.jsonl",
            &format!("{}\n", look("no_match", "The score is too low.")),
        );
        run
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn write(&self) -> Result<String, ReportError> {
        self.write_with(None)
    }

    fn write_with(&self, faces: Option<&PackedSet>) -> Result<String, ReportError> {
        let out = self.folder.path().join("report.html");
        let sources = Sources {
            run: self.folder.path(),
            events: &self.events,
            frames: Some(self.folder.path()),
            faces,
        };
        write(&sources, &out).map(|()| fs::read_to_string(out).unwrap())
    }
}

fn progress(step: u64, learning_rate: f64) -> Value {
    json!({"step": step, "epoch": 1, "loss": 12.5, "learning_rate": learning_rate,
        "images_per_s": 60.5, "elapsed_s": 12.25})
}

fn info() -> Value {
    json!({"recipe": "demo", "recipe_toml": "seed = 7\n", "backbone": "mobilefacenet x0.5, 128-d",
        "parameters": 289_000, "loss": "AM-Softmax s=30 m=0.35", "people": 300, "images": 6000,
        "held_out_people": 60, "seed": 7, "data_digest": "0dd1", "git_revision": "abc",
        "training_log": "3400 steps", "device": "CPU, 2 threads", "wall_s": 312.5, "images_per_s": 70.25})
}

fn evaluation() -> Value {
    let accuracy = json!({"eer": 0.03, "tar": {"0.01": 0.95, "0.001": 0.8},
        "roc": [[0.0, 0.4], [0.001, 0.8], [0.01, 0.95], [1.0, 1.0]],
        "histogram": {"from": -1.0, "to": 1.0, "genuine": [0, 0, 1, 3], "impostor": [0, 90, 10, 0]}});
    json!({"protocol": "all pairs of held-out people", "people": 60, "images": 1200,
        "genuine": 11_400, "impostor": 707_850, "mirror_sum": true, "quantized": accuracy,
        "float": accuracy, "float_vs_quantized": {"cosine_mean": 0.9999,
        "cosine_first_percentile": 0.9995, "cosine_min": 0.999},
        "raw_pixels_eer": 0.33, "operating_points": [{"threshold": 0.45, "fmr": 0.001,
        "fnmr": 0.05, "impostor_pairs": 471_900, "genuine_pairs": 4_600}]})
}

fn look(outcome: &str, reason: &str) -> Value {
    json!({"event": "frame", "frame": "1.png", "at_ms": 120, "subject": "p100000", "score": 0.31,
        "threshold": 0.45, "agreeing": 0, "needed": 2, "outcome": outcome, "reason": reason,
        "lock": "locked", "of_a_later_schema": [1, 2]})
}

#[test]
fn has_every_section() {
    let run = Run::new();
    let picture = image::RgbImage::from_pixel(320, 200, image::Rgb([90, 80, 70]));
    picture.save(run.folder.path().join("1.png")).unwrap();
    let mut validated = progress(100, 0.01);
    validated["validation_eer"] = 0.25.into();
    run.put(
        METRICS_FILE,
        &format!("{}\n{validated}\n", progress(50, 0.1)),
    );
    let html = run.write().unwrap();
    for part in [
        "<h1>demo</h1>",
        "equal error rate of <b>3%</b>",
        "learning rate",
        "Accuracy over time",
        "Telling people apart",
        "10⁻³",
        "raw pixels, EER 33%",
        "each area scaled to 1",
        "The bold threshold is 0.450",
        "measured as the door compares (a person's mean of up to three images against each other image, \
         4,600 genuine and 471,900 impostor pairs), it mistakes 1 in 1,000",
        "All thresholds are of other pairs",
        "707,850",
        "1 in 1,000",
        "0.99900",
        "stranger",
        "stayed locked",
        "0.12 s",
        "against <b>p100000</b>",
        "< 0.450",
        "The score is too low.",
        "data:image/jpeg;base64,",
        "0dd1",
        "seed = 7",
    ] {
        let escaped = part.replace("< 0.450", "&lt; 0.450");
        assert!(html.contains(&escaped), "the page lacks {part}");
    }
    assert_eq!(html.matches("<svg").count(), 4);
    // The curve is of single images, the operating point is not: it has no dot there.
    assert!(!html.contains("operating point</"));
    assert!(!html.contains("r=\"6\""));
    assert!(!html.contains("<script") && !html.contains("no picture"));
}

#[test]
fn escapes_what_comes_from_files() {
    let run = Run::new();
    let hostile = "\"><script>alert('1')</script>&";
    for (file, mut value, fields) in [
        (
            RUN_FILE,
            info(),
            &[
                "recipe",
                "recipe_toml",
                "backbone",
                "loss",
                "device",
                "data_digest",
                "git_revision",
            ][..],
        ),
        (EVALUATION_FILE, evaluation(), &["protocol"]),
        (
            "events-stranger.jsonl",
            look("", ""),
            &["frame", "subject", "outcome", "reason", "lock"],
        ),
    ] {
        fields
            .iter()
            .for_each(|field| value[field] = hostile.into());
        run.put(file, &value.to_string());
    }
    let html = run.write().unwrap();
    assert!(!html.contains("<script") && !html.contains("</script"));
    assert!(html.matches("&quot;&gt;&lt;script&gt;").count() >= 13);
}

/// Writes `text` to `file` and expects an error that names the file, `expected` and the way out.
fn check_refusal(file: &str, text: &str, expected: &str) {
    let run = Run::new();
    run.put(file, text);
    let error = run.write().unwrap_err().to_string();
    for part in [file, expected, "again"] {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn names_the_file_and_the_line_that_is_wrong() {
    let good = progress(50, 0.1).to_string();
    let cut = format!("{good}\n\n{{\"step\":x");
    check_refusal(METRICS_FILE, &cut, ", line 3, column 9: expected value;");
    let diverged = good.replace("12.5", "null");
    check_refusal(METRICS_FILE, &diverged, ", line 1, ");
    check_refusal(METRICS_FILE, &diverged, "expected f64;");
    check_refusal(METRICS_FILE, "\n", "has no line");
    check_refusal(RUN_FILE, "{\n\"recipe\": 1}", ", line 2, ");
    check_refusal(RUN_FILE, "{}", "missing field `recipe`");
    check_refusal("events-stranger.jsonl", "{}", "missing field `event`");
}

#[test]
fn refuses_an_evaluation_that_cannot_be_drawn() {
    let check = |place: &str, value: Value, expected: &str| {
        let mut changed = evaluation();
        *changed.pointer_mut(place).unwrap() = value;
        check_refusal(EVALUATION_FILE, &changed.to_string(), expected);
    };
    let uneven = "float.histogram has 1 genuine and 4 impostor bins";
    check("/float/histogram/genuine", json!([1]), uneven);
    check("/quantized/histogram/to", json!(-1.0), "goes from -1 to -1");
    check("/quantized/roc", json!([]), "quantized.roc has no point");
}

#[test]
fn names_the_file_that_is_missing() {
    let run = Run::new();
    fs::remove_file(run.folder.path().join(RUN_FILE)).unwrap();
    let error = run.write().unwrap_err();
    assert!(matches!(&error, ReportError::Unreadable { file, .. } if file.ends_with(RUN_FILE)));

    let run = Run::new();
    let nowhere = run.folder.path().join("nowhere/report.html");
    let sources = Sources {
        run: run.folder.path(),
        events: &[],
        frames: None,
        faces: None,
    };
    let error = write(&sources, &nowhere).unwrap_err();
    assert!(matches!(&error, ReportError::Unwritable(_)));
}

#[test]
fn leaves_the_old_page_when_it_fails() {
    let run = Run::new();
    let before = run.write().unwrap();
    run.put(RUN_FILE, "");
    run.write().unwrap_err();
    assert_eq!(
        fs::read_to_string(run.folder.path().join("report.html")).unwrap(),
        before
    );
}

#[test]
fn reads_events_of_a_later_schema() {
    let run = Run::new();
    let bare = json!({"event": "frame", "subject": null, "score": null, "threshold": null, "outcome": "no_face"});
    let new = json!({"event": "door_opened", "by": "hand"});
    let released = json!({"event": "released", "at_ms": 480});
    let stopped = json!({"event": "stopped", "reason": "The folder ended."});
    run.put(
        "events-stranger.jsonl",
        &format!("{bare}\n{new}\n{released}\n{stopped}\n"),
    );
    let html = run.write().unwrap();
    for part in [
        "no face",
        "no score",
        "no picture",
        "lock released after 0.48 s",
        "The folder ended.",
    ] {
        assert!(html.contains(part), "the page lacks {part}");
    }
    assert!(!html.contains("door_opened"));
}

#[test]
fn a_resumed_run_counts_its_later_lines() {
    let run = Run::new();
    let steps = [50, 100, 150, 100, 150].map(|step| progress(step, step as f64).to_string());
    run.put(METRICS_FILE, &steps.join("\n"));
    let sources = Sources {
        run: run.folder.path(),
        events: &[],
        frames: None,
        faces: None,
    };
    let steps: Vec<_> = inputs::read(&sources)
        .unwrap()
        .progress
        .iter()
        .map(|line| line.step)
        .collect();
    assert_eq!(steps, [50, 100, 150]);
}

#[test]
fn records_survive_the_round_trip() {
    fn check<T: Serialize + DeserializeOwned>(written: &Value) {
        let record: T = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(&serde_json::to_value(&record).unwrap(), written);
    }
    check::<Progress>(&progress(50, 0.1));
    let mut validated = progress(50, 0.1);
    validated["validation_eer"] = 0.25.into();
    check::<Progress>(&validated);
    check::<RunInfo>(&info());
    check::<Evaluation>(&evaluation());
    let mut judged = evaluation();
    judged["worst"] = json!({"impostor": [{"score": 0.5, "images": [2, 0]}], "genuine": []});
    check::<Evaluation>(&judged);
    let mut without = evaluation();
    without.as_object_mut().unwrap().remove("raw_pixels_eer");
    check::<Evaluation>(&without);
}
