//! A scene at the door as a strip of frames.

use maud::{Markup, html};

use super::figures::{moment, score};
use super::pictures::Pictures;
use super::scenes::{Look, Mark, Moment, Scene};

// Of frames in a row that tell the same, so many begin the row; the last one ends it.
const SHOWN_OF_A_ROW: usize = 4;

/// Heading, verdict and strip of one scene.
pub(super) fn section(scene: &Scene, pictures: &Pictures) -> Markup {
    html! {
        section.scene {
            h3 { span { (scene.name.replace(['-', '_'], " ")) } (verdict(scene)) }
            div.strip {
                @for (moment, folded) in folded(&scene.moments) {
                    @match moment {
                        Moment::Frame(look) => (card(look, &scene.name, pictures)),
                        Moment::Released(at) => (mark("released", "released", at)),
                        Moment::Relocked(at) => (mark("locked", "relocked", at)),
                        Moment::Stopped(at) => (mark("stopped", "stopped", at)),
                        Moment::Other => {},
                    }
                    @if folded > 0 {
                        div.more { "+" (folded) br; "more alike" }
                    }
                }
                @if scene.moments.is_empty() { p.note { "The door saw nothing." } }
            }
        }
    }
}

fn verdict(scene: &Scene) -> Markup {
    let releases: Vec<_> = scene.releases().collect();
    html! {
        @match releases.first() {
            Some(mark) => span.verdict.released {
                "lock released" @if let Some(at) = mark.at_ms { " after " (moment(at)) }
                @if releases.len() > 1 { ", " (releases.len()) " times" }
            },
            None => span.verdict.locked { "stayed locked" },
        }
        small { (scene.looks().count()) " frames" }
    }
}

/// Every moment to show, and how many like it were left out after it.
fn folded(moments: &[Moment]) -> Vec<(&Moment, usize)> {
    let same = |a: &Moment, b: &Moment| match (a, b) {
        (Moment::Frame(a), Moment::Frame(b)) => a.tells_the_same(b),
        _ => false,
    };
    let mut shown = Vec::new();
    for row in moments.chunk_by(same) {
        if row.len() <= SHOWN_OF_A_ROW + 2 {
            shown.extend(row.iter().map(|moment| (moment, 0)));
            continue;
        }
        let begin = row[..SHOWN_OF_A_ROW].iter().map(|moment| (moment, 0));
        shown.extend(begin);
        if let Some((_, folded)) = shown.last_mut() {
            *folded = row.len() - SHOWN_OF_A_ROW - 1;
        }
        shown.extend(row.last().map(|moment| (moment, 0)));
    }
    shown
}

fn card(look: &Look, scene: &str, pictures: &Pictures) -> Markup {
    let (class, sign, told) = verdict_of(look.outcome.as_deref().unwrap_or(""));
    let lock = look.lock.as_deref().unwrap_or("unknown");
    let frame = look.frame.as_deref().unwrap_or("");
    html! {
        article class={ "card " (class) } {
            @match pictures.thumbnail(scene, frame) {
                Some(data) => img src=(data) alt={ "frame " (frame) };,
                None => div.missing { "no picture" @if !frame.is_empty() { br; (frame) } },
            }
            @if let Some(at) = look.at_ms { time { (moment(at)) } }
            p.outcome { (sign) " " (told) }
            p.who { (who(look)) }
            (meter(look))
            @if let Some(reason) = &look.reason { p.reason { (reason) } }
            p.lock.open[lock == "released"] {
                i {} (lock)
                @if let (Some(agreeing), Some(needed)) = (look.agreeing, look.needed) {
                    span.agreeing { (agreeing) " of " (needed) }
                }
            }
        }
    }
}

/// Class, sign and words of an outcome; a later schema's is shown as it is.
fn verdict_of(outcome: &str) -> (&'static str, &'static str, String) {
    let (class, sign) = match outcome {
        "match" => ("match", "✓"),
        "no_match" | "unknown_claim" => ("refused", "✗"),
        _ => ("blind", "○"),
    };
    (class, sign, outcome.replace('_', " "))
}

fn who(look: &Look) -> Markup {
    let is_match = look.outcome.as_deref() == Some("match");
    html! {
        @match &look.subject {
            Some(subject) if is_match => b { (subject) },
            Some(subject) => { "against " b { (subject) } },
            None => "nobody",
        }
    }
}

/// The score as a bar and the threshold as a tick, both from 0 to 1.
fn meter(look: &Look) -> Markup {
    let place = |cosine: f64| format!("{:.1}%", cosine.clamp(0.0, 1.0) * 100.0);
    html! {
        p.score {
            @match (look.score, look.threshold) {
                (Some(is), Some(wanted)) => {
                    b { (score(is)) } " " (if is >= wanted { "≥" } else { "<" }) " " (score(wanted))
                },
                (Some(is), None) => b { (score(is)) },
                (None, _) => "no score",
            }
        }
        div.meter {
            @if let Some(is) = look.score { i style={ "width:" (place(is)) } {} }
            @if let Some(wanted) = look.threshold { b style={ "left:" (place(wanted)) } {} }
        }
    }
}

fn mark(class: &str, told: &str, mark: &Mark) -> Markup {
    html! {
        div class={ "mark " (class) } {
            b { (told) }
            @if let Some(at) = mark.at_ms { time { (moment(at)) } }
            @if let Some(reason) = &mark.reason { span { (reason) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_frames_that_tell_the_same() {
        let frame = |outcome: &str| {
            Moment::Frame(Look {
                outcome: Some(outcome.to_owned()),
                ..Look::default()
            })
        };
        let mut moments = vec![frame("no_face"); 10];
        moments.push(frame("match"));
        moments.push(Moment::Released(Mark::default()));
        let folds: Vec<_> = folded(&moments).iter().map(|(_, folded)| *folded).collect();
        assert_eq!(folds, [0, 0, 0, 5, 0, 0, 0]);
        let shown = folds.len() + folds.iter().sum::<usize>();
        assert_eq!(shown, moments.len());
    }
}
