//! Whether templates are of one person, and of nobody else the door knows.

use shared::bundle::OperatingPoint;
use shared::digest::Digest;
use shared::embedding::{Embedding, ForeignModel, Template};
use shared::roster::Roster;
use std::fmt;
use std::path::PathBuf;

/// Fewer photographs do not show how a person's looks vary.
const WANTED: usize = 3;
/// Photographs more alike than this, in cosine, show the same look twice.
const SAME_LOOK: f32 = 0.97;

/// What would make an enrollment better; it is made all the same.
#[derive(Clone, PartialEq)]
pub enum Advice {
    /// Too few photographs.
    Few(usize),
    /// Two photographs that show the same.
    SameLook([PathBuf; 2]),
    /// Somebody else whom the network finds too much alike.
    LookAlike {
        /// That person.
        subject: String,
        /// Cosine of the two people's references.
        score: f32,
        /// What matches.
        threshold: f32,
    },
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Few(count) => write!(
                f,
                "only {count} of {WANTED} photographs or more: take others, the head a little to either side, with and without \
                 glasses, in the light of the door"
            ),
            Self::SameLook([a, b]) => write!(
                f,
                "{} and {} show the same look: take another with the head turned a little or in other light",
                a.display(),
                b.display()
            ),
            Self::LookAlike {
                subject,
                score,
                threshold,
            } => write!(
                f,
                "looks like {subject} to this network (score {score:.3}, threshold {threshold:.3}): either may be let in as the \
                 other; ask both for a claim, or set [identify] margin"
            ),
        }
    }
}

/// A photograph that is nearer to somebody else than to the others of its own set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "{}: nearer to {subject} (score {score:.3}) than to the other photographs given (score {own:.3}); leave it out, or check \
     whose it is", image.display()
)]
pub struct NearerToAnother {
    /// The photograph.
    pub image: PathBuf,
    /// Somebody enrolled.
    pub subject: String,
    /// Cosine with that person's reference.
    pub score: f32,
    /// Cosine with the mean of the other photographs.
    pub own: f32,
}

/// Looks at the templates of `images`, of a person who is to be called `subject`, beside everybody
/// enrolled. `point` is that of one comparison at the door.
///
/// # Errors
/// [`ReviewError`].
pub(super) fn review(
    subject: &str,
    model: Digest,
    templates: &[Embedding],
    images: &[PathBuf],
    others: &Roster,
    point: &OperatingPoint,
) -> Result<Vec<Advice>, ReviewError> {
    let nearest = |embedding: &Embedding| -> Result<_, ForeignModel> {
        let embedding = embedding.clone();
        let nearest = others.nearest_but(subject, &Template { model, embedding })?;
        Ok(nearest.map(|(name, score)| (name.to_owned(), score)))
    };
    for (i, template) in templates.iter().enumerate() {
        let rest = templates.iter().enumerate().filter(|(j, _)| *j != i);
        // One alone has no others, and those that cancel say nothing.
        let Some(own) = Embedding::sum(rest.map(|(_, t)| t))
            .ok()
            .and_then(|rest| rest.cosine(template))
        else {
            continue;
        };
        if let Some((subject, score)) = nearest(template)?.filter(|(_, score)| *score > own) {
            let image = images[i].clone();
            return Err(NearerToAnother {
                image,
                subject,
                score,
                own,
            }
            .into());
        }
    }
    let mut advice = Vec::new();
    if templates.len() < WANTED {
        advice.push(Advice::Few(templates.len()));
    }
    let pairs = (0..templates.len()).flat_map(|a| (a + 1..templates.len()).map(move |b| [a, b]));
    let same = |[a, b]: &[usize; 2]| {
        let score = templates[*a].cosine(&templates[*b]);
        score.is_some_and(|score| score > SAME_LOOK)
    };
    advice.extend(
        pairs
            .filter(same)
            .map(|pair| Advice::SameLook(pair.map(|i| images[i].clone()))),
    );
    let reference = Embedding::sum(templates).ok();
    let alike = reference.map(|reference| nearest(&reference)).transpose()?;
    if let Some((subject, score)) = alike.flatten().filter(|(_, s)| *s >= point.threshold) {
        let threshold = point.threshold;
        advice.push(Advice::LookAlike {
            subject,
            score,
            threshold,
        });
    }
    Ok(advice)
}

/// Why templates cannot be taken, or not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Somebody else's photograph, perhaps.
    #[error(transparent)]
    Nearer(#[from] NearerToAnother),
    /// The people are of another model.
    #[error(transparent)]
    Model(#[from] ForeignModel),
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::enrollment::EnrollmentRecord;

    const POINT: OperatingPoint = OperatingPoint {
        threshold: 0.7,
        fmr: 0.001,
        fnmr: 0.0,
        impostor_pairs: 1000,
        genuine_pairs: 1,
    };

    /// At an angle in the plane.
    fn at(degrees: f32) -> Embedding {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Embedding::from_raw(vec![cosine, sine]).unwrap()
    }

    fn reviewed(own: &[f32], other: f32) -> Result<Vec<Advice>, ReviewError> {
        let model = Digest::of(b"model");
        let mut roster = Roster::new(model, 2);
        for (name, degrees) in [("grace", other), ("ada", 0.0)] {
            let record = EnrollmentRecord::new(name, model, vec![at(degrees)], 0).unwrap();
            roster.add(&record).unwrap();
        }
        let templates: Vec<_> = own.iter().map(|d| at(*d)).collect();
        let images: Vec<_> = own
            .iter()
            .map(|d| PathBuf::from(format!("{d}.jpg")))
            .collect();
        review("ada", model, &templates, &images, &roster, &POINT)
    }

    #[test]
    fn a_photograph_nearer_to_another_is_refused() {
        // The one at 60 degrees is 50 from its own and 20 from grace; ada, who is replaced, is nobody.
        let error = reviewed(&[0.0, 20.0, 60.0], 80.0).err().unwrap();
        let message = error.to_string();
        assert!(
            message.contains("60.jpg: nearer to grace (score 0.940)"),
            "{message}"
        );
        assert!(reviewed(&[0.0, 20.0, 40.0], 100.0).is_ok());
    }

    #[test]
    fn advice_tells_what_to_do_better() {
        let told = |own: &[f32], other| {
            let advice = reviewed(own, other).ok().unwrap();
            advice
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(told(&[0.0, 20.0, 40.0], 180.0), "");
        assert!(told(&[0.0], 180.0).contains("only 1 of 3"));
        assert!(told(&[0.0, 20.0, 21.0], 180.0).contains("20.jpg and 21.jpg show the same look"));
        // 16 and 57 degrees: a cosine of 0.755; and 0.682.
        assert!(
            told(&[0.0, 16.0, 32.0], 57.0)
                .contains("looks like grace to this network (score 0.755")
        );
        assert_eq!(told(&[0.0, 16.0, 32.0], 63.0), "");
    }
}
