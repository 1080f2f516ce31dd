//! The pairs that were judged worst, as pictures. Real faces are biometric data, so the pictures
//! come from the packed set, and only where they are asked for.

use maud::{Markup, html};

use super::figures::score;
use super::inputs::Inputs;
use super::pictures::data_address;
use super::records::{EVALUATION_FILE, WorstPair};
use super::{ReportError, Sources};
use crate::dataset::packed::PackedSet;

/// Both kinds of pairs; a hint where no pictures were asked for.
pub(super) fn section(inputs: &Inputs, sources: &Sources<'_>) -> Result<Markup, ReportError> {
    let Some(worst) = &inputs.evaluation.worst else {
        return Ok(Markup::default());
    };
    let Some(faces) = sources.faces else {
        return Ok(html! {
            p.note { "The pictures of the worst pairs are left out; " code { "--with-faces" } " puts them in." }
        });
    };
    let (found, expected) = (faces.digest(), &inputs.run.data_digest);
    if found != *expected {
        let expected = expected.clone();
        return Err(ReportError::OtherFaces { found, expected });
    }
    let pairs = |pairs: &[WorstPair]| -> Result<Vec<_>, ReportError> {
        let pair = |pair: &WorstPair| Ok((pair.score, pictures(pair, faces, sources)?));
        pairs.iter().map(pair).collect()
    };
    Ok(html! {
        h2 { "Worst pairs" }
        (shown("Impostor pairs with the highest scores", &pairs(&worst.impostor)?))
        (shown("Genuine pairs with the lowest scores", &pairs(&worst.genuine)?))
    })
}

fn pictures(
    pair: &WorstPair,
    faces: &PackedSet,
    sources: &Sources<'_>,
) -> Result<[String; 2], ReportError> {
    let picture = |index: u64| {
        let place = usize::try_from(index).ok().filter(|i| *i < faces.len());
        let place = place.ok_or_else(|| ReportError::Unusable {
            file: sources.run.join(EVALUATION_FILE),
            found: format!("a worst pair names image {index} of {}", faces.len()),
            advice: super::inputs::EVALUATE_AGAIN,
        })?;
        let face = faces.face(place)?;
        let (width, height) = (face.template().width(), face.template().height());
        let picture =
            image::RgbImage::from_raw(width as u32, height as u32, face.pixels().to_vec());
        let picture = picture.expect("a crop has its template's size");
        Ok::<_, ReportError>(data_address(&picture).unwrap_or_default())
    };
    Ok([picture(pair.images[0])?, picture(pair.images[1])?])
}

fn shown(title: &str, pairs: &[(f64, [String; 2])]) -> Markup {
    html! {
        h3 { (title) }
        div.pairs {
            @for (value, pictures) in pairs {
                div {
                    @for picture in pictures { img src=(picture) alt="a face"; }
                    span { (score(*value)) }
                }
            }
        }
    }
}
