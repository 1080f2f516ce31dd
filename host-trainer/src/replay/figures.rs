//! Visits counted: the door's false-accept and false-reject rate with their bounds.

use super::Scene;
use super::visit::{Ending, visit};
use crate::evaluate::confidence::{interval, upper_bound};
use edge_runtime::event::Outcome;
use edge_runtime::identify::{Identifier, Identify};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use shared::embedding::ForeignModel;
use std::collections::BTreeMap;

/// What `replay --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Who comes, in words.
    pub protocol: String,
    /// How often one look of a stranger may match, as asked.
    pub false_accept_rate: f64,
    /// Frames that must agree, and are shown of each photograph.
    pub frames: usize,
    /// People who have enough photographs.
    pub people: usize,
    /// Of them, who are enrolled.
    pub enrolled: usize,
    /// How many are not, by reason.
    pub not_enrolled: BTreeMap<String, usize>,
    /// People who are not to be let in.
    pub strangers: usize,
    /// How many of all photographs the door cannot compare, by reason.
    pub unseen: BTreeMap<String, usize>,
    /// 1:1: whoever is enrolled claims to be that person, a stranger somebody who is enrolled.
    pub verification: Door,
    /// 1:N: nobody claims anything.
    pub identification: Door,
}

/// A door in one of both modes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Door {
    /// What the door says where it does not start at the rate asked for.
    pub refused: Option<String>,
    /// At that rate, or at the lowest that the bundle carries for this gallery; null if that is
    /// not below 1.
    pub ran: Option<Ran>,
}

/// What came of the visits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ran {
    /// How often one look of a stranger may match, as promised.
    pub false_accept_rate: f64,
    /// People that each look is compared with.
    pub gallery: usize,
    /// A look matches at this cosine score.
    pub threshold: f32,
    /// False-match rate of one comparison that the threshold is for.
    pub fmr: f64,
    /// Impostor pairs that it was measured on.
    pub impostor_pairs: u64,
    /// Visits of people who are enrolled.
    pub genuine: Genuine,
    /// Visits of strangers.
    pub impostor: Impostor,
}

/// Visits of people who are enrolled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Genuine {
    /// All.
    pub visits: u64,
    /// The lock was released for the person who came.
    pub let_in: u64,
    /// No face was found.
    pub no_face: u64,
    /// The face was not good enough to be compared.
    pub poor_face: u64,
    /// The photograph could not be used otherwise.
    pub bad_frame: u64,
    /// Nobody matched.
    pub not_recognized: u64,
    /// Somebody matched, and somebody else nearly as well.
    pub too_near_another: u64,
    /// The lock was released, for somebody else.
    pub wrong_person: u64,
    /// False-reject rate: all but those let in as who they are.
    pub frr: f64,
    /// 95 % interval.
    pub frr_lower_95: f64,
    /// Likewise.
    pub frr_upper_95: f64,
}

/// Visits of strangers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Impostor {
    /// All.
    pub visits: u64,
    /// With no face that could be compared.
    pub not_compared: u64,
    /// The lock was released.
    pub let_in: u64,
    /// False-accept rate.
    pub far: f64,
    /// 95 % bound, one-sided.
    pub far_upper_95: f64,
}

impl Ran {
    /// Lets everybody come.
    pub(super) fn of(
        scene: Scene<'_>,
        identifier: &Identifier,
        asked: &Identify,
    ) -> Result<Self, ForeignModel> {
        let point = identifier.operating_point();
        let people = identifier.people();
        Ok(Self {
            false_accept_rate: asked.false_accept_rate.get(),
            gallery: if asked.claims_only { 1 } else { people },
            threshold: point.threshold,
            fmr: point.fmr,
            impostor_pairs: point.impostor_pairs,
            genuine: Genuine::of(scene, identifier, asked.claims_only)?,
            impostor: Impostor::of(scene, identifier, asked.claims_only)?,
        })
    }
}

impl Genuine {
    /// With claims everybody says who it is.
    fn of(scene: Scene<'_>, identifier: &Identifier, claims: bool) -> Result<Self, ForeignModel> {
        let (policy, mut genuine) = (&scene.settings.decide, Self::default());
        for person in &scene.enrolled.people {
            let own = person.record.subject();
            for i in &person.visits {
                genuine.visits += 1;
                *match &scene.seen[*i] {
                    Err(unseen) => genuine.unseen(unseen.outcome),
                    Ok(sight) => {
                        let claim = claims.then_some(own);
                        let ending = visit(identifier, policy, &sight.template, claim)?;
                        genuine.ended(&ending, own)
                    }
                } += 1;
            }
        }
        let missed = genuine.visits - genuine.let_in;
        genuine.frr = missed as f64 / genuine.visits as f64;
        (genuine.frr_lower_95, genuine.frr_upper_95) = interval(missed, genuine.visits);
        Ok(genuine)
    }

    fn unseen(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::NoFace => &mut self.no_face,
            Outcome::PoorFace => &mut self.poor_face,
            _ => &mut self.bad_frame,
        }
    }

    fn ended(&mut self, ending: &Ending, own: &str) -> &mut u64 {
        match ending {
            Ending::LetIn(subject) if subject == own => &mut self.let_in,
            Ending::LetIn(_) => &mut self.wrong_person,
            Ending::TooNearAnother => &mut self.too_near_another,
            Ending::NotRecognized => &mut self.not_recognized,
        }
    }
}

impl Impostor {
    /// With claims everybody says to be somebody who is enrolled, drawn by the seed.
    fn of(scene: Scene<'_>, identifier: &Identifier, claims: bool) -> Result<Self, ForeignModel> {
        let (policy, mut impostor) = (&scene.settings.decide, Self::default());
        let people = &scene.enrolled.people;
        let mut random = ChaCha8Rng::seed_from_u64(scene.seed);
        for i in scene.cast.strangers.iter().flatten() {
            impostor.visits += 1;
            let victim = &people[random.random_range(0..people.len())];
            let claim = claims.then_some(victim.record.subject());
            match &scene.seen[*i] {
                Err(_) => impostor.not_compared += 1,
                Ok(sight) => {
                    let ending = visit(identifier, policy, &sight.template, claim)?;
                    impostor.let_in += u64::from(matches!(ending, Ending::LetIn(_)));
                }
            }
        }
        impostor.far = impostor.let_in as f64 / impostor.visits as f64;
        impostor.far_upper_95 = upper_bound(impostor.let_in, impostor.visits);
        Ok(impostor)
    }
}
