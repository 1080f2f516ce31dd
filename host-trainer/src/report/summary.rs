//! The run in plain words.

use maud::{Markup, html};

use super::figures::{count, duration, odds, percent, score};
use super::inputs::Inputs;
use super::records::Evaluation;
use super::scenes::Scene;
use crate::evaluate::ENROLLED_PAIRS;

/// One paragraph, and four figures that the eye finds first.
pub(super) fn section(inputs: &Inputs) -> Markup {
    let Inputs {
        run, evaluation, ..
    } = inputs;
    let accuracy = &evaluation.quantized;
    html! {
        p.lead {
            "A network (" (run.backbone) ", " (count(run.parameters)) " parameters) learned to tell "
            (count(run.people)) " people apart from " (count(run.images)) " images, in "
            (duration(run.wall_s)) " on " (run.device) ". "
            "Shown " (count(evaluation.people)) " people it had never seen, "
            (count(evaluation.genuine)) " genuine and " (count(evaluation.impostor))
            " impostor pairs of them, the quantized network, as the door runs it, has an equal error rate of "
            b { (percent(accuracy.eer)) } "."
            @if let Some(raw) = evaluation.raw_pixels_eer {
                " Comparing raw pixels would err " (percent(raw)) " of the time."
            }
            @if let Some(point) = inputs.door_point() {
                " At the threshold " (score(point.threshold)) ", measured as the door compares ("
                (ENROLLED_PAIRS) ", " (count(point.genuine_pairs)) " genuine and "
                (count(point.impostor_pairs)) " impostor pairs), it mistakes "
                (odds_of(point.fmr)) " and turns away " (percent(point.fnmr))
                " of the genuine ones."
            }
            (played(&inputs.scenes))
        }
        dl.tiles {
            (tile("equal error rate", &percent(accuracy.eer), "quantized, as the door runs it"))
            @if let Some((far, tar)) = strictest(evaluation) {
                (tile("true accepts", &percent(tar), &format!("where false accepts are {}", percent(far))))
            }
            (tile("pairs scored", &count(evaluation.genuine + evaluation.impostor),
                &format!("{} people, {} images", count(evaluation.people), count(evaluation.images))))
            (tile("training speed", &format!("{:.0}/s", run.images_per_s),
                &format!("images on {}", run.device)))
        }
    }
}

fn tile(name: &str, figure: &str, remark: &str) -> Markup {
    html! { div { dt { (name) } dd { b { (figure) } small { (remark) } } } }
}

fn odds_of(fmr: f64) -> String {
    match fmr > 0.0 {
        true => format!("{} impostor pairs for genuine", odds(fmr)),
        false => "none of the impostor pairs for genuine".to_owned(),
    }
}

fn played(scenes: &[Scene]) -> Markup {
    let released = scenes
        .iter()
        .filter(|scene| scene.releases().next().is_some());
    let released = released.count();
    html! {
        @if !scenes.is_empty() {
            " The door played " (scenes.len()) @if scenes.len() == 1 { " scene" } @else { " scenes" }
            ": it released the lock in " (released) " and stayed locked in "
            (scenes.len() - released) "."
        }
    }
}

/// The true accept rate at the lowest false accept rate that was measured.
fn strictest(evaluation: &Evaluation) -> Option<(f64, f64)> {
    let rates = evaluation.quantized.tar.iter();
    rates
        .filter_map(|(far, &tar)| Some((far.parse::<f64>().ok()?, tar)))
        .min_by(|a, b| a.0.total_cmp(&b.0))
}
