//! The tables: operating points, and float against quantized.

use maud::{Markup, html};

use super::figures::{count, odds, percent, score};
use super::records::{Evaluation, OperatingPoint};
use crate::evaluate::ENROLLED_PAIRS;
use crate::evaluate::confidence::{CAVEAT, ErrorRates};
use crate::operating_point::error_rates;

/// The thresholds that the bundle carries; `door` is the one that the chart of scores marks.
pub(super) fn operating_points(evaluation: &Evaluation, door: Option<&OperatingPoint>) -> Markup {
    html! {
        table {
            caption {
                "FMR: impostor pairs that match. FNMR: genuine pairs that do not. Measured on the quantized network as the door compares: "
                (ENROLLED_PAIRS) ". ● is the bold line among the scores."
            }
            thead { tr {
                th { "threshold" } th { "FMR" } th { "at most" } th { "FNMR" } th { "between" }
                th { "false matches" } th { "impostor pairs" } th { "genuine pairs" }
            } }
            tbody {
                @for point in &evaluation.operating_points {
                    @let rates = error_rates(point);
                    tr.chosen[Some(point) == door] {
                        td { @if Some(point) == door { "● " } (score(point.threshold)) }
                        td { (percent(point.fmr)) @if point.fmr > 0.0 { small { (odds(point.fmr)) } } }
                        td { (percent(rates.fmr_upper_95)) }
                        td { (percent(point.fnmr)) }
                        td { (percent(rates.fnmr_lower_95)) " to " (percent(rates.fnmr_upper_95)) }
                        td { (count(false_matches(&rates))) }
                        td { (count(point.impostor_pairs)) }
                        td { (count(point.genuine_pairs)) }
                    }
                }
                @if evaluation.operating_points.is_empty() {
                    tr { td colspan="8" { "No threshold was measured." } }
                }
            }
        }
        p.note {
            "A rate stands on the pairs that it was counted from. At most and between: "
            (CAVEAT) "."
        }
    }
}

fn false_matches(rates: &ErrorRates) -> u64 {
    (rates.fmr_measured * rates.impostor_pairs as f64).round() as u64
}

/// What the quantization cost.
pub(super) fn float_against_quantized(evaluation: &Evaluation) -> Markup {
    let Evaluation {
        float,
        quantized,
        float_vs_quantized,
        ..
    } = evaluation;
    html! {
        table {
            caption {
                "The same pairs scored by both networks. An image's two embeddings have a cosine of "
                (format!("{:.5}", float_vs_quantized.cosine_mean)) " in the mean and "
                (format!("{:.5}", float_vs_quantized.cosine_min)) " in the worst case."
            }
            thead { tr { th {} th { "float" } th { "quantized" } th { "difference" } } }
            tbody {
                (row("equal error rate", float.eer, Some(quantized.eer)))
                @for (far, tar) in by_falling_rate(evaluation) {
                    (row(&format!("true accepts at {} false accepts", percent(far)), tar,
                        rate_at(evaluation, far)))
                }
                @if let Some(raw) = evaluation.raw_pixels_eer {
                    tr.aside {
                        td { "equal error rate of raw pixels, no network" }
                        td colspan="2" { (percent(raw)) } td {}
                    }
                }
            }
        }
    }
}

fn row(name: &str, float: f64, quantized: Option<f64>) -> Markup {
    html! {
        tr {
            td { (name) }
            td { (percent(float)) }
            @if let Some(quantized) = quantized {
                td { (percent(quantized)) }
                td { (format!("{:+.2}", (quantized - float) * 100.0).replace('-', "\u{2212}")) " points" }
            } @else {
                td { "not measured" } td {}
            }
        }
    }
}

fn by_falling_rate(evaluation: &Evaluation) -> Vec<(f64, f64)> {
    let rates = evaluation.float.tar.iter();
    let mut rates: Vec<_> = rates
        .filter_map(|(far, &tar)| Some((far.parse::<f64>().ok()?, tar)))
        .collect();
    rates.sort_by(|a, b| b.0.total_cmp(&a.0));
    rates
}

fn rate_at(evaluation: &Evaluation, far: f64) -> Option<f64> {
    let mut rates = evaluation.quantized.tar.iter();
    rates.find_map(|(key, &tar)| (key.parse() == Ok(far)).then_some(tar))
}
