//! The HTML around every page of the trainer: self-contained, no script, no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::style::RGBColor;

use super::charts::{BLUE, GRAY, GREEN, INK, ORANGE, RULE, VERMILION};

const STYLE: &str = include_str!("style.css");
// The page asks nobody for anything, whatever is written in the files it was made from.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A whole page of that kind; markup escapes what comes from files.
pub(crate) fn page(kind: &str, title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light";
                title { "Facelatch " (kind) ": " (title) }
                style { (PreEscaped(colors())) (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.kicker { "Facelatch " (kind) }
                        h1 { (title) }
                    }
                    (body)
                }
            }
        }
    };
    page.into_string()
}

/// The charts' colors for the style sheet, so that a legend has its curve's color.
fn colors() -> String {
    let named = [
        ("blue", BLUE),
        ("vermilion", VERMILION),
        ("green", GREEN),
        ("orange", ORANGE),
        ("ink", INK),
        ("gray", GRAY),
        ("rule", RULE),
    ];
    let lines = named.map(|(name, RGBColor(r, g, b))| format!("--{name}:rgb({r},{g},{b});"));
    format!(":root{{{}}}\n", lines.concat())
}
