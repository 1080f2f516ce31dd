//! A search by hand, and a random one against a plain count.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::embedding::{Embedding, dot};

/// A unit vector in a plane.
fn angle(degrees: f32) -> Embedding {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Embedding::from_raw(vec![cos, sin]).unwrap()
}

fn search(people: &[Person<'_>], distractors: &[Embedding], block: usize) -> Found {
    let mut search = Search::new(Probes::new(people).unwrap(), distractors.len() as u64);
    for block in distractors.chunks(block) {
        search.add(&Rows::new(block));
    }
    search.found().unwrap()
}

#[test]
fn a_search_by_hand() {
    let [a, b, c, d] = [0.0, 20.0, 100.0, 140.0].map(angle);
    // 15 degrees lies nearer to 20 than 0 does, and nearer to 0 than 20 does.
    let distractors = [15.0, 170.0, -60.0].map(angle);
    let check = |people: &[Person<'_>], rank_1: f64, trials: u64| {
        let found = search(people, &distractors, 2);
        let rates: Vec<_> = found.ranks.iter().map(|r| (r.rank, r.rate)).collect();
        assert_eq!(rates[0], (1, rank_1));
        assert_eq!((found.trials, found.distractors), (trials, 3));
        found
    };
    let pair = vec![Some(&a), Some(&b)];
    let other = vec![Some(&c), Some(&d)];
    assert_eq!(
        check(std::slice::from_ref(&pair), 0.0, 2).ranks[1].rate,
        1.0
    );
    // c finds d at 40 degrees; d's nearest distractor is at 30.
    check(std::slice::from_ref(&other), 0.5, 2);
    check(&[pair.clone(), other, vec![Some(&a)]], 0.25, 4);
    // An image without a face is missed, both ways, at every rank.
    let found = check(&[vec![Some(&c), Some(&d), None]], 1.0 / 6.0, 6);
    assert_eq!(
        (found.ranks[2].rate, found.probes, found.people),
        (2.0 / 6.0, 2, 1)
    );
    assert!(found.ranks[0].rate_lower_95 < 0.17 && found.ranks[0].rate_upper_95 > 0.17);
    for nobody in [vec![], vec![vec![Some(&a)]], vec![vec![Some(&a), None]]] {
        assert_eq!(Probes::new(&nobody).unwrap_err(), NoSearch::Probes);
    }
    let search = Search::new(Probes::new(std::slice::from_ref(&pair)).unwrap(), 1);
    assert_eq!(search.found(), Err(NoSearch::Distractors));
    assert_eq!(singles(&[pair, vec![Some(&a)], vec![None]]).len(), 1);
}

#[test]
fn a_random_search_agrees_with_a_plain_count() {
    // Who shares a direction resembles each other.
    let raw = |seed: u64, share: u64| {
        let [mut shared, mut own] = [share, 10_000 + seed].map(ChaCha8Rng::seed_from_u64);
        let mut mix = || shared.random_range(-1.0_f32..1.0) + own.random_range(-0.8..0.8);
        Embedding::from_raw((0..16).map(|_| mix()).collect()).unwrap()
    };
    let images: Vec<Vec<Embedding>> = (0..40)
        .map(|person| (0..3).map(|i| raw(3 * person + i, person)).collect())
        .collect();
    let people: Vec<Person<'_>> = images
        .iter()
        .map(|p| p.iter().map(Some).collect())
        .collect();
    let distractors: Vec<_> = (0..500).map(|d| raw(1000 + d, 1000 + d)).collect();
    let found = search(&people, &distractors, 64);

    let score = |a: &Embedding, b: &Embedding| dot(a.as_slice(), b.as_slice());
    let (mut ranks, mut genuine, mut impostor) = ([0, 0, 0], vec![], vec![]);
    for person in &images {
        for (i, probe) in person.iter().enumerate() {
            let others: Vec<f32> = distractors.iter().map(|d| score(probe, d)).collect();
            for (j, mate) in person.iter().enumerate().filter(|(j, _)| *j != i) {
                let own = score(probe, mate);
                let before = others.iter().filter(|other| **other >= own).count();
                RANKS
                    .iter()
                    .zip(&mut ranks)
                    .for_each(|(rank, n)| *n += usize::from(before < *rank));
                if j < i {
                    genuine.push(own);
                }
            }
            impostor.extend(others);
        }
    }
    for (rate, count) in found.ranks.iter().zip(ranks) {
        assert!(
            (rate.rate - count as f64 / 240.0).abs() < 1e-9,
            "{rate:?} {count}"
        );
        assert!(count > 24 && count < 240, "tells something: {count}");
    }
    // 120 x 500 pairs carry down to 1 in 10,000.
    impostor.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(found.fnmr_at_fmr.len(), 2);
    for rates in &found.fnmr_at_fmr {
        let passing = (rates.fmr * 60_000.0).round() as usize;
        let missed = genuine.iter().filter(|s| **s <= impostor[passing]).count();
        assert!(
            (rates.fnmr - missed as f64 / 120.0).abs() < 1e-9,
            "{rates:?}"
        );
        assert!((rates.fmr_measured - rates.fmr).abs() < 1e-9);
        assert_eq!((rates.genuine_pairs, rates.impostor_pairs), (120, 60_000));
        assert!(missed > 6 && missed < 114, "tells something: {missed}");
    }
}
