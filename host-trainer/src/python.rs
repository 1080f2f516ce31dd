//! Python for tests: it writes the files that our readers are tested with, so that no reader is
//! tested with a writer of its own making.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script of the standard library alone, with its input.
pub(crate) fn run(script: &str, arguments: &[&Path], input: &serde_json::Value) {
    let python = std::env::var_os("FACELATCH_PYTHON").unwrap_or("python3".into());
    let mut child = Command::new(python)
        .args(["-c", script])
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut stdin = child.stdin.take().expect("piped above");
    stdin
        .write_all(input.to_string().as_bytes())
        .expect("the script reads its input");
    drop(stdin);
    assert!(child.wait().expect("it was started").success());
}
