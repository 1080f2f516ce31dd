//! Open-set identification among distractors, as in MegaFace's challenge 1
//! (Kemelmacher-Shlizerman et al. 2016, arXiv:1512.00596).
//!
//! Each ordered pair of images of one person is a trial: one is put among the distractors, the
//! other searched for. It is found at rank k if fewer than k distractors score at least as much.
//! Impostor pairs are all of probes with distractors. The distractors come in blocks and are not
//! kept, so that there may be any number of them.

mod people;
mod synthetic;

pub use people::{NoSearch, Person, Probes, by_person, singles};
pub use synthetic::SyntheticTemplates;

use super::confidence::{Counted, ErrorRates, interval};
use super::highest::Highest;
use super::protocol::Embedded;
use super::search::{Rows, by_blocks};
use super::verification::FALLING_RATES;
use crate::memory;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Ranks that are reported.
const RANKS: [usize; 3] = [1, 5, 10];

/// False-match rates that are reported: of many millions of pairs, one in a hundred is more than
/// need be kept.
fn rates() -> impl Iterator<Item = f64> {
    FALLING_RATES.into_iter().filter(|fmr| *fmr < 1e-2)
}

/// Pairs that may match at a rate.
fn allowed(fmr: f64, pairs: u64) -> usize {
    (fmr * pairs as f64 + 1e-9).floor() as usize
}

/// A search in progress.
#[derive(Debug)]
pub struct Search {
    probes: Probes,
    kept: Kept,
    distractors: u64,
    took: Duration,
}

#[derive(Debug)]
struct Kept {
    /// Of each probe, as many as the last rank.
    nearest: Vec<Highest>,
    /// Of all pairs, as many as the first rate needs.
    all: Highest,
}

/// How often a person was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankRate {
    /// Among so many first.
    pub rank: usize,
    /// Share of the trials.
    pub rate: f64,
    /// Lower end of the [`interval`].
    pub rate_lower_95: f64,
    /// Upper end of the [`interval`].
    pub rate_upper_95: f64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// People who were searched for.
    pub people: usize,
    /// Images of theirs, with a usable face.
    pub probes: usize,
    /// Ordered pairs of images of one person; with an image without a usable face, they are missed.
    pub trials: u64,
    /// What they were searched among.
    pub distractors: u64,
    /// At each rank.
    pub ranks: Vec<RankRate>,
    /// Milliseconds of searching for one probe among a million distractors, on all cores.
    pub search_ms_per_probe_and_million: f64,
    /// Genuine pairs (each once) and pairs of probe and distractor, as far down as one would match.
    pub fnmr_at_fmr: Vec<ErrorRates>,
}

/// What `evaluate --identify --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What was searched among, in words.
    pub protocol: String,
    /// The result.
    #[serde(flatten)]
    pub found: Found,
    /// Images without a usable face, of those to search for.
    pub unusable_images: usize,
    /// Images of people read, aligned and embedded a second, on all cores.
    pub images_per_s: f64,
    /// Whether image and mirror image were summed.
    pub mirror_sum: bool,
    /// See [`memory::peak_mb`].
    pub peak_memory_mb: Option<f64>,
}

impl Figures {
    /// Of images so embedded.
    pub fn new(protocol: String, found: Found, embedded: &Embedded) -> Self {
        Self {
            protocol,
            found,
            unusable_images: embedded.unusable.len(),
            images_per_s: embedded.images_per_s,
            mirror_sum: embedded.mirror_sum,
            peak_memory_mb: memory::peak_mb(),
        }
    }
}

impl Search {
    /// For at most so many distractors.
    pub fn new(probes: Probes, distractors: u64) -> Self {
        let pairs = probes.rows().len() as u64 * distractors;
        let most = rates().map(|fmr| allowed(fmr, pairs) + 1).max();
        let last_rank = RANKS[RANKS.len() - 1];
        let kept = Kept {
            nearest: vec![Highest::new(last_rank); probes.rows().len()],
            all: Highest::new(most.unwrap_or(1)),
        };
        Self {
            probes,
            kept,
            distractors: 0,
            took: Duration::ZERO,
        }
    }

    /// Searches a block of distractors.
    pub fn add(&mut self, distractors: &Rows) {
        let started = Instant::now();
        self.distractors += distractors.len() as u64;
        let matter = |kept: &Kept, probe: usize, scores: &[f32]| {
            let floor = kept.nearest[probe].floor().min(kept.all.floor());
            let high = scores.iter().copied().filter(|score| *score >= floor);
            (probe, high.collect::<Vec<_>>())
        };
        let rows = self.probes.rows();
        by_blocks(rows, distractors, &mut self.kept, matter, |kept, found| {
            for (probe, scores) in found {
                kept.nearest[probe].extend(scores.iter().copied());
                kept.all.extend(scores);
            }
        });
        self.took += started.elapsed();
    }

    /// The figures.
    ///
    /// # Errors
    /// [`NoSearch::Distractors`] if none was added.
    pub fn found(self) -> Result<Found, NoSearch> {
        if self.distractors == 0 {
            return Err(NoSearch::Distractors);
        }
        let comparisons = self.probes.rows().len() as f64 * self.distractors as f64;
        Ok(Found {
            people: self.probes.people(),
            probes: self.probes.rows().len(),
            trials: self.probes.trials(),
            distractors: self.distractors,
            ranks: self.ranks(),
            fnmr_at_fmr: self.error_rates(),
            search_ms_per_probe_and_million: self.took.as_secs_f64() / comparisons * 1e9,
        })
    }

    fn ranks(&self) -> Vec<RankRate> {
        let mut found = RANKS.map(|_| 0);
        for (nearest, genuine) in self.kept.nearest.iter().zip(self.probes.genuine()) {
            let nearest = nearest.clone().falling();
            for (found, rank) in found.iter_mut().zip(RANKS) {
                let before = nearest.get(rank - 1);
                let wins = |score: &&f32| before.is_none_or(|before| **score > before);
                *found += genuine.iter().filter(wins).count() as u64;
            }
        }
        let of = self.probes.trials();
        let rate = |(rank, count)| {
            let (rate_lower_95, rate_upper_95) = interval(count, of);
            RankRate {
                rank,
                rate: Counted { count, of }.share(),
                rate_lower_95,
                rate_upper_95,
            }
        };
        RANKS.into_iter().zip(found).map(rate).collect()
    }

    fn error_rates(&self) -> Vec<ErrorRates> {
        let impostor = self.probes.rows().len() as u64 * self.distractors;
        // Each pair was tried both ways.
        let genuine = self.probes.trials() / 2;
        let highest = self.kept.all.clone().falling();
        let told = |fmr: f64| {
            let passing = allowed(fmr, impostor);
            let refused = highest.get(passing).filter(|_| passing > 0)?;
            let threshold = refused.next_up();
            let scores = self.probes.genuine().iter().flatten();
            let passed = scores.filter(|score| **score >= threshold).count() as u64 / 2;
            let matched = Counted {
                count: highest.count_from(threshold),
                of: impostor,
            };
            let missed = Counted {
                count: genuine - passed,
                of: genuine,
            };
            Some(ErrorRates::counted(fmr, threshold, matched, missed))
        };
        rates().map_while(told).collect()
    }
}

#[cfg(test)]
mod tests;
