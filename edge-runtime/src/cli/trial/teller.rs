//! What a trial tells in the terminal.

use edge_runtime::trial::Seen;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// Writes every frame as JSON, or a line whenever something else is seen; a terminal shows every frame
/// in its last line.
pub(super) struct Teller {
    json: bool,
    /// Where the last line can be written anew.
    terminal: bool,
    last: Mutex<String>,
}

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            terminal: io::stdout().is_terminal(),
            last: Mutex::default(),
        }
    }

    /// Where JSON is read, it goes beside.
    pub(super) fn note(&self, text: &str) {
        // Whoever closed its output wants to know nothing.
        let _ = match self.json {
            true => writeln!(io::stderr(), "{text}"),
            false => writeln!(io::stdout(), "{text}"),
        };
    }

    pub(super) fn seen(&self, seen: &Seen) {
        if self.json {
            let text = serde_json::to_string(seen).expect("plain fields");
            let _ = writeln!(io::stdout(), "{text}");
            return;
        }
        let time = seen.at_ms as f64 / 1e3;
        let text = format!("{time:7.1} s  {}  {seen}", seen.frame);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Scores and places move with every frame; what is seen, seldom.
        let taken = seen.enrolling.as_ref().map(|prompt| prompt.taken);
        let what = format!(
            "{} {:?} {:?} {:?} {taken:?} {}",
            seen.frame, seen.outcome, seen.subject, seen.lock, seen.said
        );
        let mut out = io::stdout().lock();
        let _ = match (self.terminal, *last == what) {
            (true, true) => write!(out, "\r\x1b[K{text}").and_then(|()| out.flush()),
            (true, false) => write!(out, "\n{text}").and_then(|()| out.flush()),
            (false, true) => Ok(()),
            (false, false) => writeln!(out, "{text}"),
        };
        *last = what;
    }
}
