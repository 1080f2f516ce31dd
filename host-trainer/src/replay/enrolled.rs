//! Enrolling as a person at the door does: who is refused a photograph brings the next one.

use super::ReplayError;
use super::cast::Cast;
use super::sight::Sight;
use edge_runtime::enroll::{EnrollError, NearerToAnother, ReviewError, record_of};
use edge_runtime::find::Unseen;
use edge_runtime::search;
use shared::bundle::{Manifest, OperatingPoint};
use shared::digest::Digest;
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::roster::{Roster, RosterError};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Whom the door knows.
pub(super) struct Enrolled<'a> {
    manifest: &'a Manifest,
    pub(super) people: Vec<Resident>,
    /// How many could not be enrolled, by reason.
    pub(super) refused: BTreeMap<String, usize>,
}

/// An enrolled person.
pub(super) struct Resident {
    pub(super) record: EnrollmentRecord,
    /// Photographs that the person was not enrolled from.
    pub(super) visits: Vec<usize>,
}

struct Photographs<'a> {
    images: &'a [String],
    seen: &'a [Result<Sight, Unseen>],
    count: usize,
    model: Digest,
    point: OperatingPoint,
}

impl<'a> Enrolled<'a> {
    /// Enrolls one after the other from `count` photographs each.
    pub(super) fn of(
        manifest: &'a Manifest,
        images: &[String],
        seen: &[Result<Sight, Unseen>],
        cast: &Cast,
        count: usize,
    ) -> Result<Self, ReplayError> {
        let photographs = Photographs {
            images,
            seen,
            count,
            model: manifest.model_digest,
            // It is of the advice alone, which nobody reads here.
            point: *manifest
                .operating_points
                .first()
                .ok_or(ReplayError::NoThreshold)?,
        };
        let mut enrolled = Self {
            manifest,
            people: Vec::new(),
            refused: BTreeMap::new(),
        };
        let mut roster = enrolled.roster()?;
        for (number, own) in cast.residents.iter().enumerate() {
            let name = format!("p{number}");
            match photographs.enroll(&name, own, &roster)? {
                Ok(resident) => {
                    roster.add(&resident.record)?;
                    enrolled.people.push(resident);
                }
                Err(reason) => *enrolled.refused.entry(reason).or_default() += 1,
            }
        }
        if enrolled.people.is_empty() {
            let reasons = enrolled
                .refused
                .iter()
                .map(|(why, n)| format!("{n}: {why}"));
            return Err(ReplayError::NobodyEnrolled {
                people: cast.residents.len(),
                reasons: reasons.collect::<Vec<_>>().join(", "),
            });
        }
        Ok(enrolled)
    }

    /// Everybody, for one door.
    pub(super) fn roster(&self) -> Result<Roster, RosterError> {
        let manifest = self.manifest;
        let roster = Roster::new(manifest.model_digest, manifest.embedding_len as usize);
        let mut roster = roster.with_products(search::products);
        for person in &self.people {
            roster.add(&person.record)?;
        }
        Ok(roster)
    }
}

impl Photographs<'_> {
    /// From the first `count` that are good enough and that the review does not refuse; the reason
    /// where there are not so many.
    fn enroll(
        &self,
        name: &str,
        own: &[usize],
        others: &Roster,
    ) -> Result<Result<Resident, String>, EnrollError> {
        let good = |i: &usize| self.seen[*i].as_ref().is_ok_and(|s| s.enrollable);
        let mut good: Vec<usize> = own.iter().copied().filter(good).collect();
        let mut why = "too few photographs good enough to be enrolled from";
        loop {
            let Some(chosen) = good.get(..self.count) else {
                return Ok(Err(why.into()));
            };
            let paths: Vec<_> = chosen.iter().map(|i| self.path(*i)).collect();
            let templates = chosen.iter().filter_map(|i| self.embedding(*i)).collect();
            let beside = (others, &self.point);
            match record_of(name, self.model, templates, &paths, beside, 0) {
                Ok((record, _)) => {
                    let left = |i: &usize| !chosen.contains(i);
                    let visits = own.iter().copied().filter(left).collect();
                    return Ok(Ok(Resident { record, visits }));
                }
                // "Leave it out", the door says.
                Err(EnrollError::Review(ReviewError::Nearer(NearerToAnother {
                    image, ..
                }))) => {
                    why = "too few photographs left that are not nearer to somebody else";
                    good.retain(|i| self.path(*i) != image);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn path(&self, i: usize) -> PathBuf {
        PathBuf::from(&self.images[i])
    }

    fn embedding(&self, i: usize) -> Option<Embedding> {
        let sight = self.seen[i].as_ref().ok()?;
        Some(sight.template.embedding.clone())
    }
}
