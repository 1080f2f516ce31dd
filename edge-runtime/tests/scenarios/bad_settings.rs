//! Configurations that mean nothing.

use crate::bad_input::{check, record};
use crate::settings::example;

/// What stands in the example, what stands there instead, and what the error says.
const ROWS: &[(&str, &str, &str)] = &[
    ("folder = \"people\"", "", "missing field `folder`"),
    ("folder = \"people\"", "folder = 5", "expected path string"),
    (
        "folder = \"people\"",
        "folder = \"people\"\nfoldr = 1",
        "unknown field `foldr`",
    ),
    (
        "log_entries = 100000",
        "log_entries = 99",
        "expected 100 to 10000000",
    ),
    ("keep_crops = false", "keep_crops = 1", "expected a boolean"),
    (
        "kind = \"folder\"",
        "kind = \"webcam\"",
        "unknown variant `webcam`",
    ),
    (
        "path = \"frames\"",
        "path = \"frames\"\nfps = 5",
        "unknown field `fps`",
    ),
    (
        "frames_per_second = 5.0",
        "frames_per_second = -1.0",
        "expected 0 to 1000",
    ),
    (
        "frames_per_second = 5.0",
        "frames_per_second = nan",
        "expected 0 to 1000",
    ),
    (
        "false_accept_rate = 0.001",
        "false_accept_rate = 0.0",
        "expected above 0 and below 1",
    ),
    (
        "false_accept_rate = 0.001",
        "false_accept_rate = 1.0",
        "expected above 0 and below 1",
    ),
    (
        "false_accept_rate = 0.001",
        "false_accept_rate = nan",
        "expected above 0 and below 1",
    ),
    (
        "highest_false_non_match_rate = 0.05",
        "highest_false_non_match_rate = 1.5",
        "expected 0 to 1",
    ),
    (
        "highest_false_non_match_rate = 0.05",
        "highest_false_non_match_rate = nan",
        "expected 0 to 1",
    ),
    (
        "false_accept_rate = 0.001",
        "far = 0.1",
        "unknown field `far`",
    ),
    (
        "agreeing_frames = 3",
        "agreeing_frames = 0",
        "1 <= agreeing_frames",
    ),
    (
        "agreeing_frames = 3",
        "agreeing_frames = 6",
        "agreeing_frames <= of_last_frames",
    ),
    ("window_ms = 2000", "window_ms = 0", "expected 1 to 60000"),
    (
        "margin = 0.05",
        "margin = 1.5",
        "expected a cosine of 0 to 1",
    ),
    ("refusals = 10", "refusals = 0", "expected 1 to 1000"),
    ("\nlasts_ms = 10000", "\nlasts_ms = 99", "expected 100 to"),
    ("salt = \"k7Qw2mXv9c\"", "salt = \"\"", "at least 8"),
    ("kind = \"stdin\"", "kind = \"wire\"", "variant `wire`"),
    ("turned = 0.2", "turned = 0.1", "twice frontal <= turned"),
    (
        "schedule = \"office\"",
        "schedule = \"x\"",
        "people.ada: schedule \"x\"",
    ),
    (
        "mon-fri 08:00-18:00",
        "mon-fri 18-8",
        "schedule \"mon-fri 18-8\"",
    ),
    ("Europe/Vienna", "Europe/Wien", "expected one such as"),
    ("time_zone = \"Europe/Vienna\"", "", "need time_zone"),
    ("\"2026-12-31\"", "\"2025-12-31\"", "is after valid_until"),
    ("\"2026-12-31\"", "\"2026-02-30\"", "2026-02-30"),
    ("claim_sha256 = \"6", "claim_sha256 = \"X", "not 64 digits"),
    ("claim_sha256 = ", "schedul = ", "unknown field `schedul`"),
    (
        "hold_ms = 3000",
        "hold_ms = 99",
        "hold_ms is 99, expected 100 to 60000",
    ),
    ("hold_ms = 3000", "hold_ms = 60001", "expected 100 to 60000"),
    ("hold_ms = 3000", "hold_ms = -1", "invalid value"),
    ("hold_ms = 3000", "hold = 3", "unknown field `hold`"),
    ("pin = 17", "pin = 28", "pin is 28, expected 0 to 27"),
    (
        "active_level = \"high\"",
        "active_level = \"up\"",
        "unknown variant `up`",
    ),
    (
        "pin = 17",
        "pin = 27",
        "pin 27 is that of [door] and of [door.sensor]",
    ),
    (
        "pin = 23",
        "pin = 22",
        "pin 22 is that of [door.exit_button] and of [door.tamper]",
    ),
    (
        "\"fail-secure\"\n",
        "\"fail-open\"\n",
        "unknown variant `fail-open`",
    ),
    ("pull = \"up\"", "pull = \"high\"", "unknown variant `high`"),
    (
        "debounce_ms = 50",
        "debounce_ms = 5",
        "[door.sensor]: debounce_ms is 5, expected 20 to 1000",
    ),
    ("held_open_ms = 30000", "", "missing field `held_open_ms`"),
    (
        "held_open_ms = 30000",
        "held_open_ms = 1",
        "held_open_ms is 1, expected 1000 to",
    ),
    (
        "again_ms = 60000",
        "again_ms = 0",
        "held_open_again_ms is 0, expected 1000 to",
    ),
    (
        "grace_ms = 500",
        "grace_ms = 10001",
        "grace_ms is 10001, expected 0 to 10000",
    ),
    (
        "relock_when_closed",
        "relock_if_closed",
        "unknown field `relock_if_closed`",
    ),
    (
        "stalled_after_ms = 10000",
        "stalled_after_ms = 9",
        "stalled_after_ms is 9, expected 1000 to",
    ),
    (
        "driver = \"simulated\"\n",
        "driver = \"gpio\"\n",
        "unknown variant `gpio`",
    ),
    ("host = \"broker.lan\"", "", "missing field `host`"),
    ("door = \"front\"", "door = \"a/b\"", "door is \"a/b\""),
    ("queue = 10000", "queue = 1", "expected 10 to 1000000"),
    ("key = \"door.key\"", "", "need each other"),
    ("127.0.0.1:9464", "0.0.0.0:9464", "a loopback address"),
    ("bundle = ", "bundle ", "TOML parse error"),
];

#[test]
fn bad_configurations() {
    let good = example();
    let claimless = good
        .lines()
        .filter(|line| !line.starts_with("claim_sha256"))
        .map(|line| format!("{line}\n"));
    let claimless: String = claimless.collect();
    check("door.toml", Some(claimless.as_bytes()), "need each other");
    let twice = good.replace("[access.people.ada]", "[access.people.ben]");
    let twice = format!(
        "{good}{}",
        &twice[twice.find("[access.people.ben]").unwrap()..]
    );
    check(
        "door.toml",
        Some(&twice.as_bytes()[..twice.rfind("[door]").unwrap()]),
        "one claim_sha256",
    );
    for (old, new, needle) in ROWS {
        assert!(good.contains(old), "{old}");
        check("door.toml", Some(good.replace(old, new).as_bytes()), needle);
    }
    let pinless = good
        .replace("pin = 17", "")
        .replace("driver = \"simulated\"", "driver = \"rppal\"");
    check("door.toml", Some(pinless.as_bytes()), "needs a pin");
    check("door.toml", Some(b""), "missing field `bundle`");
    check("door.toml", Some(b"\xFF\xFE"), "door.example.toml");
    check("door.toml", Some(&record()), "door.example.toml");
}
