//! The gallery: everybody enrolled under one model, or under one that is comparable, searched 1:1 and 1:N.

mod scan;

pub use scan::{Products, products};

use crate::bundle::Manifest;
use crate::digest::Digest;
use crate::embedding::{DegenerateEmbedding, ForeignModel, Template, dot};
use crate::enrollment::EnrollmentRecord;
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use scan::Scan;

/// The people a door knows, under one model, or under others that were measured against it.
pub struct Roster {
    model: Digest,
    /// Other models whose templates are taken, and how many people were enrolled under each.
    others: Vec<(Digest, usize)>,
    embedding_len: usize,
    subjects: Vec<String>,
    /// Where each is in `subjects`.
    positions: BTreeMap<String, usize>,
    /// Reference embeddings one after the other, so that a search reads memory in order.
    references: Vec<f32>,
    /// The same in 8 bits, which is looked at first.
    scan: Scan,
}

/// A record that cannot join a roster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Enrolled under another model.
    #[error("an enrollment cannot be used: {0}")]
    ForeignModel(#[from] ForeignModel),
    /// The record's templates cancel, or have another length than the model's.
    #[error("an enrollment cannot be used: {0}")]
    Degenerate(#[from] DegenerateEmbedding),
    /// Two records of one name.
    #[error("two enrollments have the same subject; remove one")]
    Duplicate,
}

/// The most similar person of the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// The person.
    pub subject: &'a str,
    /// Cosine score, in -1 to 1.
    pub score: f32,
    /// Cosine score of the next person, if there are two.
    pub runner_up: Option<f32>,
}

impl Roster {
    /// An empty gallery for templates of that model, which have `embedding_len` numbers.
    pub fn new(model: Digest, embedding_len: usize) -> Self {
        Self {
            model,
            others: Vec::new(),
            embedding_len,
            subjects: Vec::new(),
            positions: BTreeMap::new(),
            references: Vec::new(),
            scan: Scan::new(),
        }
    }

    /// The same gallery, searched with this function in place of [`products`]; it must give the
    /// same numbers, and may be faster.
    pub fn with_products(mut self, products: Products) -> Self {
        self.scan.products = products;
        self
    }

    /// The gallery of a bundle: for templates of its model, and of those that it accepts.
    pub fn of(manifest: &Manifest) -> Self {
        let accepted = manifest.accepted().map(|other| (other.model, 0));
        Self {
            others: accepted.collect(),
            ..Self::new(manifest.model_digest, manifest.embedding_len as usize)
        }
    }

    /// Adds a person.
    ///
    /// # Errors
    /// [`RosterError`]; the roster is unchanged.
    pub fn add(&mut self, record: &EnrollmentRecord) -> Result<(), RosterError> {
        let other = self.others.iter().position(|(m, _)| *m == record.model);
        if record.model != self.model && other.is_none() {
            return Err(ForeignModel {
                found: record.model,
                expected: self.model,
            }
            .into());
        }
        if self.contains(record.subject()) {
            return Err(RosterError::Duplicate);
        }
        let reference = record.reference()?;
        if reference.as_slice().len() != self.embedding_len {
            return Err(DegenerateEmbedding.into());
        }
        other.into_iter().for_each(|i| self.others[i].1 += 1);
        self.references.extend(reference.as_slice());
        self.scan.push(&reference);
        self.positions.insert(record.subject().into(), self.len());
        self.subjects.push(record.subject().into());
        Ok(())
    }

    /// The other models under which somebody is enrolled, and how many people that are.
    pub fn others(&self) -> impl Iterator<Item = (Digest, usize)> {
        self.others
            .iter()
            .copied()
            .filter(|(_, people)| *people > 0)
    }

    /// How many people it holds.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Whether that person is enrolled.
    pub fn contains(&self, subject: &str) -> bool {
        self.position(subject).is_some()
    }

    /// 1:1: the score of a probe against the person it claims to be; `None` if nobody of that
    /// name is enrolled.
    ///
    /// # Errors
    /// [`ForeignModel`] if the probe was made by another model.
    pub fn verify(&self, claim: &str, probe: &Template) -> Result<Option<f32>, ForeignModel> {
        self.check(probe)?;
        Ok(self.position(claim).map(|i| self.score(i, probe)))
    }

    /// 1:N: the most similar person, of equals the first; `None` in an empty gallery.
    ///
    /// # Errors
    /// [`ForeignModel`] if the probe was made by another model.
    pub fn identify(&self, probe: &Template) -> Result<Option<Candidate<'_>>, ForeignModel> {
        self.check(probe)?;
        let mut best = (0, f32::NEG_INFINITY);
        let mut runner_up = None;
        self.scan.contenders(&probe.embedding, |i| {
            let score = self.score(i, probe);
            if score > best.1 {
                runner_up = (i > 0).then_some(best.1);
                best = (i, score);
            } else if runner_up.is_none_or(|second| score > second) {
                runner_up = Some(score);
            }
            // Whoever is below the second changes neither.
            runner_up.unwrap_or(f32::NEG_INFINITY)
        });
        let subject = self.subjects.get(best.0);
        Ok(subject.map(|subject| Candidate {
            subject,
            score: best.1,
            runner_up,
        }))
    }

    /// The most similar person but one, of equals the last, with the cosine score; `None` if there
    /// is nobody else.
    ///
    /// # Errors
    /// [`ForeignModel`] if the probe was made by another model.
    pub fn nearest_but(
        &self,
        subject: &str,
        probe: &Template,
    ) -> Result<Option<(&str, f32)>, ForeignModel> {
        self.check(probe)?;
        let but = self.position(subject);
        let mut best: Option<(usize, f32)> = None;
        self.scan.contenders(&probe.embedding, |i| {
            let score = self.score(i, probe);
            let behind = best.is_some_and(|best| score.total_cmp(&best.1).is_lt());
            if but != Some(i) && !behind {
                best = Some((i, score));
            }
            best.map_or(f32::NEG_INFINITY, |best| best.1)
        });
        Ok(best.map(|(i, score)| (self.subjects[i].as_str(), score)))
    }

    /// The cosine score of the person at that position.
    fn score(&self, i: usize, probe: &Template) -> f32 {
        let stride = self.embedding_len;
        let reference = &self.references[i * stride..(i + 1) * stride];
        dot(reference, probe.embedding.as_slice())
    }

    fn position(&self, subject: &str) -> Option<usize> {
        self.positions.get(subject).copied()
    }

    /// Whether the probe may be compared.
    fn check(&self, probe: &Template) -> Result<(), ForeignModel> {
        let len = probe.embedding.as_slice().len();
        let comparable = probe.model == self.model && len == self.embedding_len;
        let foreign = ForeignModel {
            found: probe.model,
            expected: self.model,
        };
        comparable.then_some(()).ok_or(foreign)
    }
}

#[cfg(test)]
mod tests;
