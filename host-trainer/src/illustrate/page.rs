//! The page: each observation with its chart and its table.

use super::geometry::{Spread, Vector, spread, unit};
use super::gradient::{self, Gradients, LENGTHS};
use super::learned::{Learned, drawn};
use super::quality::{self, Lengths};
use super::{curves, sphere};
use crate::report::charts::{BLUE, VERMILION};
use crate::report::figures::{percent, rounded};
use crate::report::{ReportError, document};
use maud::{Markup, PreEscaped, html};
use plotters::style::RGBColor;

/// Angles of the table of curves, in degrees.
const ANGLES: [usize; 7] = [0, 30, 60, 90, 120, 150, 180];

/// The whole page, of a network trained with Softmax and one with AM-Softmax.
pub(super) fn render(softmax: &Learned, margin: &Learned) -> Result<String, ReportError> {
    let body = html! {
        p.lead { "What a margin does to faces, and what the length of a feature has to do with it: the observations of "
            "“Additive Margin Softmax for Face Verification” (Wang et al. 2018), measured on drawn people. " (budget(softmax)) }
        h2 { "Faces on the sphere" }
        (spheres([softmax, margin]))
        h2 { "What each loss asks for" }
        (target_logits()?)
        h2 { "Feature length and image quality" }
        (lengths(softmax)?)
        h2 { "Feature length and gradient" }
        (gradients(margin)?)
        footer {
            h2 { "How to repeat it" }
            pre { (margin.recipe.to_toml()) }
        }
    };
    Ok(document::page(
        "illustration",
        "Why a margin, why normalized features",
        &body,
    ))
}

fn budget(learned: &Learned) -> Markup {
    let (recipe, (people, pictures)) = (&learned.recipe, drawn(&learned.recipe));
    html! {
        "Each network has three numbers in an embedding and saw " (people) " people in " (pictures)
        " pictures each for " (recipe.training.steps) " steps of " (recipe.training.batch_size)
        " images; seed " (recipe.seed) ". It is shown " (learned.faces.len())
        " other pictures of the same people."
    }
}

/// The unit directions of a network's unseen faces, and how they lie.
fn directions(learned: &Learned) -> (Vec<Vector>, Spread) {
    let directions: Vec<_> = learned.features(&learned.faces).iter().map(unit).collect();
    let spread = spread(&directions, &learned.people);
    (directions, spread)
}

fn spheres(networks: [&Learned; 2]) -> Markup {
    let shown = networks.map(|network| (network, directions(network)));
    html! {
        figure {
            div.spheres {
                @for (network, (directions, spread)) in &shown {
                    div {
                        h3 { (network.recipe.loss) }
                        (PreEscaped(sphere::draw(directions, &network.people, spread)))
                    }
                }
            }
            figcaption { "Features scaled to unit length, seen from afar: filled in front, hollow behind. A color and a numbered disc, the mean direction, for each person." }
        }
        table {
            caption { "The smaller the first angle and the larger the second, the easier it is to find one threshold for everybody." }
            thead { tr { th { "loss" } th { "mean angle to own center" } th { "smallest angle between centers" } th { "own center nearest" } } }
            tbody {
                @for (network, (_, spread)) in &shown {
                    tr {
                        td { (network.recipe.loss) }
                        td { (rounded(spread.within_deg)) "°" }
                        td { (rounded(spread.between_deg)) "°" }
                        td { (percent(spread.own_nearest)) }
                    }
                }
            }
        }
    }
}

fn target_logits() -> Result<Markup, ReportError> {
    let curves = curves::curves();
    Ok(html! {
        figure {
            p.legend { @for curve in &curves { (key(curve.color, curve.name)) } }
            (PreEscaped(curves::draw(&curves)?))
            figcaption { "The lower a curve, the nearer must a face lie to its class for the same loss. AM-Softmax asks for as much more at every angle." }
        }
        table {
            thead { tr { th { "angle" } @for deg in ANGLES { th { (deg) "°" } } } }
            tbody {
                @for curve in &curves {
                    tr { td { (curve.name) } @for deg in ANGLES { td { (number(curve.logits[deg])) } } }
                }
            }
        }
    })
}

fn lengths(learned: &Learned) -> Result<Markup, ReportError> {
    let all = quality::measure(learned);
    Ok(html! {
        figure {
            p.legend { @for Lengths { harm, .. } in &all { (key(harm.color, harm.name)) } }
            (PreEscaped(quality::draw(&all)?))
            figcaption { (learned.recipe.loss) ": mean length of the raw features of the same " (learned.faces.len()) " faces, made worse in steps." }
        }
        table {
            caption { "Length relative to that of the clean faces." }
            tbody {
                @for Lengths { harm, relative } in &all {
                    tr { th { (harm.name) } @for step in harm.steps { th { (step) } } }
                    tr { td { "length" } @for length in relative { td { (format!("{length:.2}")) } } }
                }
            }
        }
    })
}

fn gradients(learned: &Learned) -> Result<Markup, ReportError> {
    let (directions, spread) = directions(learned);
    let gradients = gradient::measure(&directions, &learned.people, &spread.centers);
    let Gradients { normalized, raw } = &gradients;
    let rows = [
        ("features normalized", normalized, VERMILION),
        ("features not normalized", raw, BLUE),
    ];
    Ok(html! {
        figure {
            p.legend { @for (name, _, color) in &rows { (key(*color, name)) } }
            (PreEscaped(gradient::draw(&gradients)?))
            figcaption {
                "Mean length of the loss's gradient at the feature, by automatic differentiation: the directions of the "
                (learned.faces.len()) " faces under " (learned.recipe.loss) ", each stretched to the lengths below, against class weights at the people's centers. "
                "With normalization it is inversely proportional to the length, so that the short features of poor images are taught the most."
            }
        }
        table {
            thead { tr { th { "feature length" } @for length in LENGTHS { th { (length) } } } }
            tbody { @for (name, values, _) in &rows {
                tr { td { (name) } @for value in values.iter() { td { (rounded(*value)) } } }
            } }
        }
    })
}

fn key(RGBColor(r, g, b): RGBColor, name: &str) -> Markup {
    html! { span { i style=(format!("color:rgb({r},{g},{b})")) {} (name) } }
}

/// With two decimals and a real minus sign.
fn number(value: f64) -> String {
    // Adding zero takes the sign off a zero.
    format!("{:.2}", (value * 100.0).round() / 100.0 + 0.0).replace('-', "\u{2212}")
}
