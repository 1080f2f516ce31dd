//! The progress bar of every long step.

use crate::distributed;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar in the style of the house, on standard error; of several ranks the first has one.
pub fn bar(len: u64, what: &'static str) -> ProgressBar {
    if !distributed::is_first() {
        return ProgressBar::hidden();
    }
    let template = "{msg} {wide_bar} {pos}/{len} {per_sec} {eta}";
    let style = ProgressStyle::with_template(template).expect("a constant template");
    ProgressBar::new(len).with_style(style).with_message(what)
}
