//! Photographs shown to a door: how often all of it lets the wrong people in and keeps the right
//! ones out, not the matcher alone. The door's own code looks, enrolls, identifies and decides.

mod cast;
mod enrolled;
mod figures;
mod sight;
#[cfg(test)]
mod tests;
mod visit;

pub use cast::{NobodyToEnroll, Plan};
pub use figures::{Door, Figures, Genuine, Impostor, Ran};
pub use sight::{Finder, Sight, see};

use cast::Cast;
use edge_runtime::decide::Policy;
use edge_runtime::enroll::EnrollError;
use edge_runtime::find::Unseen;
use edge_runtime::identify::{FalseAcceptRate, Identifier, Identify};
use enrolled::Enrolled;
use serde::Deserialize;
use shared::bundle::{Manifest, NoOperatingPoint};
use shared::embedding::ForeignModel;
use shared::roster::RosterError;

const EXAMPLE: &str = include_str!("../../../edge-runtime/door.example.toml");

/// What of `door.toml` bears on who is let in.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// How sure the door must be of one frame.
    pub identify: Identify,
    /// How frames become a decision.
    pub decide: Policy,
}

impl Settings {
    /// Those of `door.example.toml`.
    pub fn example() -> Self {
        toml::from_str(EXAMPLE).expect("a test of the door parses its example")
    }
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Nobody has enough photographs.
    #[error(transparent)]
    Nobody(#[from] NobodyToEnroll),
    /// Everybody has.
    #[error(
        "everybody has {least} photographs or more, so no stranger is left to come: add people, or raise --least"
    )]
    NoStranger {
        /// As the plan says, and more than a person is enrolled from.
        least: usize,
    },
    /// Nobody could be enrolled.
    #[error(
        "none of the {people} people with enough photographs could be enrolled ({reasons}): check --landmarks or the bundle's detector"
    )]
    NobodyEnrolled {
        /// How many were tried.
        people: usize,
        /// Why not, with counts.
        reasons: String,
    },
    /// No door starts with such a bundle.
    #[error("the bundle has no operating point: make it anew")]
    NoThreshold,
    /// No threshold for the rate.
    #[error(transparent)]
    Threshold(#[from] NoOperatingPoint),
    /// Enrolling failed otherwise than by a photograph.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// Likewise.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Templates and bundle do not belong together.
    #[error(transparent)]
    Model(#[from] ForeignModel),
}

/// Enrolls people and lets everybody come to a door with that bundle: once where each visitor
/// claims to be somebody (1:1), once where nobody does (1:N). `seen` is what the door sees in each
/// of `images`, named `<person>/<file>` and sorted.
///
/// # Errors
/// [`ReplayError`].
pub fn replay(
    manifest: &Manifest,
    images: &[String],
    seen: &[Result<Sight, Unseen>],
    plan: &Plan,
    settings: &Settings,
) -> Result<Figures, ReplayError> {
    let cast = cast::cast(images, plan)?;
    if cast.strangers.is_empty() {
        let least = plan.least();
        return Err(ReplayError::NoStranger { least });
    }
    let enrolled = Enrolled::of(manifest, images, seen, &cast, plan.enroll)?;
    let scene = Scene {
        manifest,
        settings,
        seed: plan.seed,
        cast: &cast,
        enrolled: &enrolled,
        seen,
    };
    Ok(Figures {
        protocol: plan.to_string(),
        false_accept_rate: settings.identify.false_accept_rate.get(),
        frames: settings.decide.rule.needed(),
        people: cast.residents.len(),
        enrolled: enrolled.people.len(),
        not_enrolled: enrolled.refused.clone(),
        strangers: cast.strangers.len(),
        unseen: sight::reasons(seen),
        verification: scene.door(true)?,
        identification: scene.door(false)?,
    })
}

/// A bundle, settings, and all who come.
#[derive(Clone, Copy)]
struct Scene<'a> {
    manifest: &'a Manifest,
    settings: &'a Settings,
    seed: u64,
    cast: &'a Cast,
    enrolled: &'a Enrolled<'a>,
    seen: &'a [Result<Sight, Unseen>],
}

impl Scene<'_> {
    /// Lets everybody come to a door in one of both modes.
    fn door(self, claims_only: bool) -> Result<Door, ReplayError> {
        let people = self.enrolled.people.len();
        let gallery = if claims_only { 1 } else { people };
        let asked = self.settings.identify;
        let (rate, refused) = carried(self.manifest, asked.false_accept_rate, gallery);
        let Some(false_accept_rate) = rate else {
            return Ok(Door { refused, ran: None });
        };
        let asked = Identify {
            false_accept_rate,
            claims_only,
            ..asked
        };
        let identifier = Identifier::new(self.enrolled.roster()?, self.manifest, &asked)?;
        let ran = Some(Ran::of(self, &identifier, &asked)?);
        Ok(Door { refused, ran })
    }
}

/// The rate asked for; or the lowest that the bundle carries for so many people, if that is one,
/// with what the door says of the one asked for.
fn carried(
    manifest: &Manifest,
    asked: FalseAcceptRate,
    gallery: usize,
) -> (Option<FalseAcceptRate>, Option<String>) {
    match manifest.operating_point(asked.get(), gallery) {
        Ok(_) => (Some(asked), None),
        Err(refused) => {
            let lowest = refused.strictest.unwrap_or(1.0) * gallery as f64;
            let lowest = FalseAcceptRate::try_from(lowest).ok();
            (lowest, Some(refused.to_string()))
        }
    }
}
