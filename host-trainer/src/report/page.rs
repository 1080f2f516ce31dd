//! The page: its sections in order.

use maud::{Markup, PreEscaped, html};

use super::ReportError;
use super::charts;
use super::figures::{count, percent, rounded, score};
use super::inputs::Inputs;
use super::pictures::Pictures;
use super::records::Evaluation;
use super::{Sources, document, strip, summary, tables, worst};
use crate::evaluate::ENROLLED_PAIRS;

/// The whole page. Markup escapes what comes from files; only charts are passed as they are.
pub(super) fn render(
    inputs: &Inputs,
    pictures: &Pictures,
    sources: &Sources<'_>,
) -> Result<String, ReportError> {
    let body = html! {
        (summary::section(inputs))
        (measured(inputs)?)
        (worst::section(inputs, sources)?)
        @if !inputs.scenes.is_empty() {
            h2 { "At the door" }
            p.note { "Each card is a frame as the door judged it: the bar is the score, the tick the threshold." }
            @for scene in &inputs.scenes { (strip::section(scene, pictures)) }
        }
        (origin(inputs))
    };
    Ok(document::page("training report", &inputs.run.recipe, &body))
}

/// The training, and what was measured after it.
fn measured(inputs: &Inputs) -> Result<Markup, ReportError> {
    let Inputs {
        evaluation, run, ..
    } = inputs;
    let door = inputs.door_point();
    Ok(html! {
        h2 { "Training" }
        figure {
            p.legend { (key("quantized", "loss")) (key("rate", "learning rate")) }
            (PreEscaped(charts::loss(&inputs.progress)?))
            figcaption { (run.loss) ". " (learning(inputs)) }
        }
        @if let Some(chart) = charts::validation(&inputs.progress)? {
            h2 { "Accuracy over time" }
            figure {
                (PreEscaped(chart))
                figcaption { "Some of the held-out people, the network as it was trained up to there, single images." }
            }
        }
        h2 { "Telling people apart" }
        figure {
            (det_legend(evaluation))
            (PreEscaped(charts::det(evaluation)?))
            figcaption {
                "Both axes are those of a normal distribution, so that common and rare errors can be read; lower and further left is better. "
                (protocol(evaluation))
            }
        }
        h2 { "Scores" }
        figure {
            p.legend {
                (key("fill genuine", "genuine pairs"))
                (key("fill impostor", "impostor pairs"))
                @if !evaluation.operating_points.is_empty() { (key("threshold", "thresholds and their FMR")) }
            }
            (PreEscaped(charts::scores(&evaluation.quantized.histogram, &evaluation.operating_points, door)?))
            figcaption {
                "Quantized network, each area scaled to 1. "
                @if let Some(door) = door {
                    "The bold threshold is " (score(door.threshold)) ". All thresholds are of other pairs ("
                    (ENROLLED_PAIRS) "), see the operating points. "
                }
                (protocol(evaluation))
            }
        }
        h2 { "Operating points" }
        (tables::operating_points(evaluation, door))
        h2 { "Float and quantized" }
        (tables::float_against_quantized(evaluation))
    })
}

fn det_legend(evaluation: &Evaluation) -> Markup {
    html! {
        p.legend {
            (key("quantized", &format!("quantized, EER {}", percent(evaluation.quantized.eer))))
            (key("float", &format!("float, EER {}", percent(evaluation.float.eer))))
            (key("equal", "both rates equal"))
            @if let Some(eer) = evaluation.raw_pixels_eer {
                (key("raw", &format!("raw pixels, EER {}", percent(eer))))
            }
        }
    }
}

fn key(class: &str, name: &str) -> Markup {
    html! { span { i class=(class) {} (name) } }
}

/// Protocol and pairs, as every figure has to say them.
fn protocol(evaluation: &Evaluation) -> Markup {
    html! {
        "Protocol: " (evaluation.protocol) "; " (count(evaluation.people)) " people, "
        (count(evaluation.images)) " images, " (count(evaluation.genuine)) " genuine and "
        (count(evaluation.impostor)) " impostor pairs; an embedding is "
        @if evaluation.mirror_sum { "the sum over the image and its mirror image." }
        @else { "that of the image alone." }
    }
}

fn learning(inputs: &Inputs) -> Markup {
    let ends = (inputs.progress.first(), inputs.progress.last());
    html! {
        "The thin line is each measurement, the thick one their running mean. "
        @if let (Some(first), Some(last)) = ends {
            (count(last.step)) " steps in " (count(last.epoch)) " epochs; the learning rate goes from "
            (rounded(first.learning_rate)) " to " (rounded(last.learning_rate))
            "."
        }
    }
}

/// What the run was, so that it can be repeated.
fn origin(inputs: &Inputs) -> Markup {
    let run = &inputs.run;
    html! {
        footer {
            h2 { "How to repeat it" }
            dl.facts {
                dt { "seed" } dd { (run.seed) }
                dt { "data" } dd { code { (run.data_digest) } }
                dt { "revision" } dd { code { (run.git_revision) } }
                dt { "people" } dd { (count(run.people)) " trained on, " (count(run.held_out_people)) " held out" }
                dt { "device" } dd { (run.device) }
            }
            pre { (run.recipe_toml) }
            p.note { "Where this page shows real people, it is biometric data: keep it as safe as the door's store." }
        }
    }
}
