use super::*;
use crate::digest::Digest;
use crate::embedding::{MAX_EMBEDDING_LEN, Template, dot};
use crate::enrollment::EnrollmentRecord;
use crate::roster::Roster;
use alloc::{format, string::String, vec};
use proptest::prelude::*;

fn unit(raw: Vec<f32>) -> Embedding {
    Embedding::from_raw(raw).unwrap()
}

fn template(embedding: Embedding) -> Template {
    let model = Digest::of(b"m");
    Template { model, embedding }
}

fn roster(people: &[Embedding], len: usize) -> Roster {
    let mut roster = Roster::new(Digest::of(b"m"), len);
    for (i, person) in people.iter().enumerate() {
        let templates = vec![person.clone()];
        let record = EnrollmentRecord::new(&format!("p{i}"), Digest::of(b"m"), templates, 0);
        roster.add(&record.unwrap()).unwrap();
    }
    roster
}

/// The people as the roster has them: a record's reference is made anew from its templates.
fn references(people: &[Embedding]) -> Vec<Embedding> {
    let sums = people.iter().map(|person| Embedding::sum([person]));
    sums.collect::<Result<_, _>>().unwrap()
}

/// What comparing with everybody finds: who is best, that score's bits and the next one's.
fn plain(references: &[Embedding], probe: &Embedding) -> Option<(String, u32, Option<u32>)> {
    let (mut best, mut runner_up) = ((0, f32::NEG_INFINITY), None);
    for (i, reference) in references.iter().enumerate() {
        let score = dot(reference.as_slice(), probe.as_slice());
        if score > best.1 {
            runner_up = (i > 0).then_some(best.1);
            best = (i, score);
        } else if runner_up.is_none_or(|second| score > second) {
            runner_up = Some(score);
        }
    }
    let found = (
        format!("p{}", best.0),
        best.1.to_bits(),
        runner_up.map(f32::to_bits),
    );
    (!references.is_empty()).then_some(found)
}

fn plain_but(references: &[Embedding], but: usize, probe: &Embedding) -> Option<(String, u32)> {
    let scores = references.iter().enumerate().filter(|(i, _)| *i != but);
    scores
        .map(|(i, r)| (i, dot(r.as_slice(), probe.as_slice())))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(i, score)| (format!("p{i}"), score.to_bits()))
}

fn check(people: &[Embedding], probe: &Embedding) {
    let (roster, references) = (roster(people, probe.as_slice().len()), references(people));
    let probe = template(probe.clone());
    let found = roster.identify(&probe).unwrap().map(|found| {
        let next = found.runner_up.map(f32::to_bits);
        (found.subject.into(), found.score.to_bits(), next)
    });
    assert_eq!(found, plain(&references, &probe.embedding));
    for but in [0, people.len() / 2, people.len()] {
        let found = roster.nearest_but(&format!("p{but}"), &probe).unwrap();
        let found = found.map(|(subject, score)| (subject.into(), score.to_bits()));
        assert_eq!(found, plain_but(&references, but, &probe.embedding));
    }
}

/// How a gallery is made of random numbers in -1 to 1.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Everybody is somebody else.
    Strangers,
    /// A few people, each many times.
    Doubles,
    /// The same direction but for the last bits.
    Nearly,
    /// One number is far larger than the others: most of the code is zero.
    Spikes,
    /// Ever more alike to the probe, so that nobody can be left out.
    Ascending,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Strangers,
        Self::Doubles,
        Self::Nearly,
        Self::Spikes,
        Self::Ascending,
    ];

    fn gallery(
        self,
        people: usize,
        probe: &[f32],
        mut noise: impl FnMut() -> f32,
    ) -> Vec<Embedding> {
        let len = probe.len();
        let mut raw = |scale: f32| -> Vec<f32> { (0..len).map(|_| scale * noise()).collect() };
        let few = [raw(1.0), raw(1.0), raw(1.0)];
        let person = |i: usize| match self {
            Self::Strangers => raw(1.0),
            Self::Doubles => few[i * i % 3].clone(),
            Self::Nearly => add(probe, &raw(1e-7)),
            Self::Spikes => {
                let mut raw = raw(1e-3);
                raw[i % len] = 1.0;
                raw
            }
            Self::Ascending => add(&raw(1.0 / (1 + i) as f32), probe),
        };
        (0..people).map(person).map(unit).collect()
    }
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Splitmix64, about even in -1 to 1, never 0.
fn noise(mut state: u64) -> impl FnMut() -> f32 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) | 1) as i64 as f32 / i64::MAX as f32
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_result_is_that_of_comparing_with_everybody(
        seed: u64,
        kind in prop::sample::select(&Kind::ALL),
        people in prop_oneof![0..5_usize, 60..70_usize, 126..200_usize],
        len in prop_oneof![1..20_usize, Just(64), Just(128), 500..530_usize],
    ) {
        let mut noise = noise(seed);
        let probe: Vec<f32> = (0..len).map(|_| noise()).collect();
        let people = kind.gallery(people, &probe, noise);
        check(&people, &unit(probe));
    }

    #[test]
    fn no_score_is_above_its_bound(
        seed: u64,
        kind in prop::sample::select(&Kind::ALL),
        len in prop_oneof![1..600_usize, Just(MAX_EMBEDDING_LEN)],
        longest: bool,
    ) {
        let mut noise = noise(seed);
        let probe: Vec<f32> = (0..len).map(|_| noise()).collect();
        let people = kind.gallery(20, &probe, noise);
        let (people, probe) = if longest {
            (people.iter().map(lengthened).collect(), lengthened(&unit(probe)))
        } else {
            (people, unit(probe))
        };
        let coded = Probe::new(&probe);
        for person in people {
            let bound = bound(&person, &coded);
            let score = f64::from(dot(person.as_slice(), probe.as_slice()));
            prop_assert!(score <= bound, "{score} above {bound}");
            // Half of a step in each number is what the code can be off by.
            let step = f64::from(peak(person.as_slice())) / 127.0;
            let widest = step * libm::sqrt(len as f64) + 1.1 * coded.rest;
            prop_assert!(bound - score <= widest, "{bound} tells nothing of {score}");
        }
    }
}

/// As long as an embedding may be that is read back.
fn lengthened(unit: &Embedding) -> Embedding {
    let long: Vec<f32> = unit.as_slice().iter().map(|x| x * 1.000_99).collect();
    Embedding::try_from(long).unwrap()
}

fn bound(person: &Embedding, probe: &Probe) -> f64 {
    let mut scan = Scan::new();
    scan.push(person);
    let mut product = [0];
    products(&scan.codes, &probe.code, &mut product);
    probe.bound(&scan.fits[0], product[0])
}

#[test]
fn the_first_of_equals_is_the_best_and_the_last_the_nearest_other() {
    let people = vec![unit(vec![1.0, 2.0]); 100];
    let (roster, probe) = (roster(&people, 2), template(people[0].clone()));
    let found = roster.identify(&probe).unwrap().unwrap();
    assert_eq!((found.subject, found.runner_up), ("p0", Some(found.score)));
    let other = roster.nearest_but("p99", &probe).unwrap().unwrap();
    assert_eq!(other, ("p98", found.score));
    check(&people, &people[0]);
}

#[test]
fn a_zero_of_either_sign_is_ordered_as_before() {
    let person = |x: f32, y: f32| unit(vec![x, y]);
    let people = [person(0.0, 1.0), person(-0.0, 1.0), person(0.0, -1.0)];
    for probe in [person(1.0, 0.0), person(-1.0, 0.0), person(1.0, -0.0)] {
        check(&people, &probe);
    }
}

#[test]
fn the_longest_embeddings_do_not_overflow() {
    for len in [1, 511, 512, 513, MAX_EMBEDDING_LEN] {
        // Every number is the largest of its code.
        let all = unit(vec![1.0; len]);
        let against = unit(vec![-1.0; len]);
        let probe = Probe::new(&all);
        assert!((bound(&all, &probe) - 1.0).abs() < 2e-3, "{len}");
        assert!((bound(&against, &probe) + 1.0).abs() < 2e-3, "{len}");
    }
}

#[test]
fn what_rounding_adds_to_a_score_is_in_its_bound() {
    // The codes of equal numbers leave nothing out, so that rounding alone is left.
    for len in 1..=MAX_EMBEDDING_LEN {
        let equal = unit(vec![1.0; len]);
        let score = dot(equal.as_slice(), equal.as_slice());
        let bound = bound(&equal, &Probe::new(&equal));
        assert!(f64::from(score) <= bound, "{score} above {bound} at {len}");
    }
}

#[test]
fn what_the_code_of_the_probe_leaves_out_is_in_the_bound() {
    let equal = unit(vec![1.0; 512]);
    // All but the first become 0.
    let mut raw = vec![0.4 / 32767.0; 512];
    raw[0] = 1.0;
    let probe = unit(raw);
    let score = dot(equal.as_slice(), probe.as_slice());
    assert!(f64::from(score) <= bound(&equal, &Probe::new(&probe)));
}

#[test]
fn few_strangers_are_compared_exactly() {
    let mut noise = noise(3);
    let mut scan = Scan::new();
    let mut stranger = || unit((0..128).map(|_| noise()).collect());
    let people: Vec<Embedding> = (0..5_000).map(|_| stranger()).collect();
    people.iter().for_each(|person| scan.push(person));
    let probe = stranger();
    let (mut seen, mut best) = (0, [f32::NEG_INFINITY; 2]);
    scan.contenders(&probe, |i| {
        seen += 1;
        let score = dot(people[i].as_slice(), probe.as_slice());
        best = [best[0].max(score), best[1].max(score.min(best[0]))];
        best[1]
    });
    assert!((2..100).contains(&seen), "{seen} of 5,000");
}

#[test]
fn a_gallery_is_searched_with_the_products_that_it_is_given() {
    fn none(_: &[i8], _: &[i16], products: &mut [i32]) {
        products.fill(i32::MIN);
    }
    let people = [unit(vec![0.0, 1.0]), unit(vec![1.0, 0.0])];
    let probe = template(people[1].clone());
    let found = |roster: &Roster| roster.identify(&probe).unwrap().unwrap().score;
    assert_eq!(found(&roster(&people, 2)), 1.0);
    // All are taken for the opposite, but there is no floor until two have been compared.
    let far = [
        unit(vec![0.0, 1.0]),
        unit(vec![0.0, -1.0]),
        unit(vec![1.0, 0.0]),
    ];
    assert_eq!(found(&roster(&far, 2)), 1.0);
    assert!(found(&roster(&far, 2).with_products(none)) < 1.0);
}
