//! `bench` as a user runs it.

use crate::command_line::call;
use crate::detector::scene_without_table;
use crate::scene::Scene;

fn check(scene: &Scene, arguments: &str, detects: bool) {
    let said = call(scene, &format!("bench --json --frames 20 {arguments}"));
    assert_eq!((said.status, said.errors.as_str()), (0, ""));
    let [measured] = said.json().try_into().unwrap();
    let fields = measured.as_object().unwrap();
    let mut names: Vec<_> = fields.keys().map(String::as_str).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "align_ms",
            "decide_ms",
            "detect_ms",
            "embed_ms",
            "frame_p50_ms",
            "frame_p99_ms",
            "frames_per_s",
            "peak_mib",
            "people",
            "quality_ms",
            "release_max_us",
            "release_us",
            "resident_mib",
            "search_ms",
            "start_ms"
        ]
    );
    assert_eq!(measured["detect_ms"].is_null(), !detects);
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        assert!(value.as_f64().unwrap() > 0.0, "{name}: {value}");
    }
    let number = |name: &str| fields[name].as_f64().unwrap();
    assert!(number("embed_ms") < number("frame_p50_ms"), "{measured}");
    assert!(
        number("frame_p50_ms") <= number("frame_p99_ms"),
        "{measured}"
    );
    assert!(number("resident_mib") <= number("peak_mib"), "{measured}");
    assert!(number("resident_mib") < 1000.0 && number("people") == 50.0);
}

#[test]
fn a_frame_is_timed_stage_by_stage() {
    let scene = scene_without_table();
    check(&scene, "--people 50 --bundle model.bundle", true);
    check(&scene, "--people 50 --config door.toml", true);
    check(&Scene::new(), "--people 50 --bundle model.bundle", false);
    let text = call(&scene, "bench --frames 5 --bundle model.bundle").lines;
    for stage in [
        "start", "detect", "align", "quality", "embed", "search", "decide", "frame", "memory",
    ] {
        assert!(
            text.iter().any(|l| l.starts_with(stage)),
            "{stage}: {text:?}"
        );
    }
}

#[test]
fn nothing_cannot_be_timed() {
    let scene = Scene::new();
    for (arguments, needle) in [
        ("--bundle model.bundle --frames 0", "0 is not in"),
        ("--bundle model.bundle --people 0", "0 is not in"),
        ("--bundle none.bundle", "none.bundle"),
        ("", "--bundle"),
    ] {
        let said = call(&scene, format!("bench --json {arguments}").trim_end());
        assert_eq!(said.status, 2, "{arguments}");
        assert!(said.errors.contains(needle), "{}", said.errors);
        assert_eq!(said.lines, Vec::<String>::new());
    }
}
