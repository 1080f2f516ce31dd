//! One trial: all pairs verified, a gallery searched.

use super::file::{Protocol, Trial};
use crate::evaluate::confidence::{Counted, ErrorRates, interval, upper_bound};
use crate::evaluate::highest::{ABOVE_ALL, Highest};
use crate::evaluate::protocol::Embedded;
use crate::evaluate::search::{Rows, by_blocks};
use serde::{Deserialize, Serialize};
use shared::embedding::Embedding;
use std::collections::{BTreeMap, HashSet};
use std::iter::repeat_n;

/// Every image of the protocol: who is on it, and the embedding where there is a usable face.
pub(super) struct Faces<'a>(Vec<(i64, Option<&'a Embedding>)>);

impl<'a> Faces<'a> {
    pub(super) fn new(protocol: &Protocol, embedded: &'a Embedded) -> Self {
        let images = protocol.images().iter().zip(protocol.labels());
        Self(
            images
                .map(|(path, label)| (*label, embedded.get(path)))
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|face| face.1.is_none())
    }

    fn people(&self, images: &[usize]) -> Vec<i64> {
        images.iter().map(|i| self.0[*i].0).collect()
    }

    /// The people and the embeddings of those with a usable face.
    fn usable(&self, images: &[usize]) -> (Vec<i64>, Rows) {
        let usable = images
            .iter()
            .filter_map(|i| Some((self.0[*i].0, self.0[*i].1?)));
        let (people, embeddings): (Vec<_>, Vec<_>) = usable.unzip();
        (people, Rows::new(embeddings))
    }
}

/// Genuine and impostor pairs of images of these people.
fn pair_counts(people: &[i64]) -> (u64, u64) {
    let pairs = |n: u64| n * n.saturating_sub(1) / 2;
    let mut images: BTreeMap<i64, u64> = BTreeMap::new();
    people
        .iter()
        .for_each(|person| *images.entry(*person).or_default() += 1);
    let genuine = images.values().map(|n| pairs(*n)).sum();
    (genuine, pairs(people.len() as u64) - genuine)
}

/// Rates of all pairs of the test images, at each false-accept rate. A pair with an unusable image
/// is a genuine one missed or an impostor one accepted, whatever the threshold.
pub(super) fn verification(faces: &Faces<'_>, test: &[usize], fars: &[f64]) -> Vec<ErrorRates> {
    let (genuine, impostor) = pair_counts(&faces.people(test));
    let (people, rows) = faces.usable(test);
    let allowed = |far: f64| (far * impostor as f64).round() as usize;
    let most = fars.iter().map(|far| allowed(*far)).max().unwrap_or(0);
    let (mut highest, mut matching) = (Highest::new(most), Vec::new());
    let split = |highest: &Highest, i: usize, scores: &[f32]| {
        let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
        for (j, score) in scores[..i].iter().enumerate() {
            if people[j] == people[i] {
                genuine.push(*score);
            } else if *score >= highest.floor() {
                impostor.push(*score);
            }
        }
        (genuine, impostor)
    };
    by_blocks(&rows, &rows, &mut highest, split, |highest, found| {
        for (genuine, impostor) in found {
            matching.extend(genuine);
            highest.extend(impostor);
        }
    });
    let lost = impostor - pair_counts(&people).1;
    highest.extend(repeat_n(ABOVE_ALL, lost as usize));
    let highest = highest.falling();
    let rates = fars.iter().map(|far| {
        let threshold = highest.threshold(allowed(*far));
        let threshold = threshold.expect("every impostor pair was given");
        let matched = highest.count_from(threshold);
        let passed = matching.iter().filter(|score| **score >= threshold).count();
        let (matched, missed) = (
            Counted {
                count: matched,
                of: impostor,
            },
            Counted {
                count: genuine - passed as u64,
                of: genuine,
            },
        );
        ErrorRates::counted(*far, threshold, matched, missed)
    });
    rates.collect()
}

/// Open-set identification in one trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Identified {
    /// Cosine from which on a probe is found.
    pub threshold: f32,
    /// Share of the impostor probes that score at least as much with somebody.
    pub far_measured: f64,
    /// See [`upper_bound`].
    pub far_upper_95: f64,
    /// Share of the genuine probes that score at least as much with their own person, and less
    /// with every other.
    pub dir: f64,
    /// Lower end of the [`interval`].
    pub dir_lower_95: f64,
    /// Upper end of the [`interval`].
    pub dir_upper_95: f64,
    /// Probes of people in the gallery.
    pub genuine_probes: u64,
    /// Probes of people who are not in it.
    pub impostor_probes: u64,
}

/// A probe with a usable face, searched for in the gallery.
struct Found {
    person: i64,
    /// Best scores with the own person and with another; below every cosine without.
    own: f32,
    other: f32,
}

fn search(faces: &Faces<'_>, trial: &Trial) -> Vec<Found> {
    let (people, probes) = faces.usable(&trial.probe);
    let (owners, gallery) = faces.usable(&trial.gallery);
    let best = |(): &(), i: usize, scores: &[f32]| {
        let person = people[i];
        let (mut own, mut other) = (-ABOVE_ALL, -ABOVE_ALL);
        for (owner, score) in owners.iter().zip(scores) {
            let best = if *owner == person {
                &mut own
            } else {
                &mut other
            };
            *best = best.max(*score);
        }
        Found { person, own, other }
    };
    let mut found = Vec::new();
    by_blocks(&probes, &gallery, &mut (), best, |(), some| {
        found.extend(some)
    });
    found
}

/// Detection and identification rate at rank 1. An unusable genuine probe is missed, an unusable
/// impostor accepted; nobody finds an unusable gallery image.
pub(super) fn identification(faces: &Faces<'_>, trial: &Trial, far: f64) -> Identified {
    let known: HashSet<i64> = faces.people(&trial.gallery).into_iter().collect();
    let probes = faces.people(&trial.probe);
    let genuine = probes
        .iter()
        .filter(|person| known.contains(person))
        .count();
    let impostors = probes.len() - genuine;
    let (mated, strangers): (Vec<Found>, Vec<Found>) = search(faces, trial)
        .into_iter()
        .partition(|probe| known.contains(&probe.person));
    let mut highest = Highest::new(impostors);
    highest.extend(strangers.iter().map(|probe| probe.other));
    highest.extend(repeat_n(ABOVE_ALL, impostors - strangers.len()));
    let highest = highest.falling();
    let allowed = (far * impostors as f64).round() as usize;
    let threshold = highest
        .threshold(allowed)
        .expect("every impostor was given");
    let hit = |probe: &&Found| probe.own >= threshold && probe.own > probe.other;
    let hits = Counted::new(mated.iter().filter(hit).count(), genuine);
    let alarms = Counted {
        count: highest.count_from(threshold),
        of: impostors as u64,
    };
    let (dir_lower_95, dir_upper_95) = interval(hits.count, hits.of);
    Identified {
        threshold,
        far_measured: alarms.share(),
        far_upper_95: upper_bound(alarms.count, alarms.of),
        dir: hits.share(),
        dir_lower_95,
        dir_upper_95,
        genuine_probes: hits.of,
        impostor_probes: alarms.of,
    }
}
