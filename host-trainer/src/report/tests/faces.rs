//! The pictures of the worst pairs.

use super::*;
use crate::dataset::{DataConfig, prepare};
use shared::align::AlignTemplate;

#[test]
fn faces_are_shown_only_where_they_are_asked_for_and_the_runs() {
    let run = Run::new();
    let data = DataConfig::Synthetic {
        people: 4,
        pictures: 2,
        held_out: 0.5,
    };
    let template = AlignTemplate::Arcface112x112;
    let faces = prepare(&data, None, template, 1, run.folder.path()).unwrap();
    let mut judged = evaluation();
    judged["worst"] = json!({"impostor": [{"score": 0.71, "images": [2, 0]}],
        "genuine": [{"score": -0.12, "images": [7, 6]}, {"score": 0.05, "images": [3, 2]}]});
    run.put(EVALUATION_FILE, &judged.to_string());
    let html = run.write().unwrap();
    assert!(html.contains("--with-faces") && !html.contains("data:image"));

    let error = run.write_with(Some(&faces)).unwrap_err();
    assert!(matches!(&error, ReportError::OtherFaces { expected, .. } if expected == "0dd1"));
    assert!(error.to_string().contains("--data"));

    let mut of_these = info();
    of_these["data_digest"] = faces.digest().into();
    run.put(RUN_FILE, &of_these.to_string());
    let html = run.write_with(Some(&faces)).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 6);
    assert!(html.contains("0.710") && html.contains("\u{2212}0.120"));

    judged["worst"]["impostor"][0]["images"][1] = 8.into();
    run.put(EVALUATION_FILE, &judged.to_string());
    let error = run.write_with(Some(&faces)).unwrap_err().to_string();
    assert!(
        error.contains("image 8 of 8") && error.contains(EVALUATION_FILE),
        "{error}"
    );
}
