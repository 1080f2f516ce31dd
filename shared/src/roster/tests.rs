use super::*;
use crate::embedding::Embedding;
use alloc::vec;

const PEOPLE: [(&str, [f32; 2]); 3] = [
    ("ada", [1.0, 0.0]),
    ("ben", [0.0, 1.0]),
    ("cyd", [-1.0, 0.1]),
];

fn unit(raw: &[f32]) -> Embedding {
    Embedding::from_raw(raw.to_vec()).unwrap()
}

fn record(model: &[u8], subject: &str, raw: &[f32]) -> EnrollmentRecord {
    EnrollmentRecord::new(subject, Digest::of(model), vec![unit(raw)], 0).unwrap()
}

fn probe(model: &[u8], raw: &[f32]) -> Template {
    Template {
        model: Digest::of(model),
        embedding: unit(raw),
    }
}

fn roster() -> Roster {
    let mut roster = Roster::new(Digest::of(b"m"), 2);
    PEOPLE
        .iter()
        .for_each(|(name, raw)| roster.add(&record(b"m", name, raw)).unwrap());
    roster
}

#[test]
fn identify_finds_the_nearest_and_the_next() {
    let roster = roster();
    for (raw, nearest, next) in [
        ([1.0, 0.2], "ada", [0.0, 1.0]),
        ([0.2, 1.0], "ben", [1.0, 0.0]),
        ([-1.0, 0.3], "cyd", [0.0, 1.0]),
    ] {
        let found = roster.identify(&probe(b"m", &raw)).unwrap().unwrap();
        let expected = unit(&next).cosine(&unit(&raw)).unwrap();
        assert_eq!(found.subject, nearest);
        assert!((found.runner_up.unwrap() - expected).abs() < 1e-6);
    }
}

#[test]
fn verify_scores_the_claimed_person_only() {
    let roster = roster();
    let probe = probe(b"m", &[0.0, 1.0]);
    assert_eq!(roster.verify("ben", &probe), Ok(Some(1.0)));
    assert_eq!(roster.verify("ada", &probe), Ok(Some(0.0)));
    assert_eq!(roster.verify("eve", &probe), Ok(None));
}

#[test]
fn an_empty_gallery_knows_nobody() {
    let roster = Roster::new(Digest::of(b"m"), 2);
    assert!(roster.is_empty());
    assert_eq!(roster.identify(&probe(b"m", &[1.0, 0.0])), Ok(None));
    assert_eq!(roster.verify("ada", &probe(b"m", &[1.0, 0.0])), Ok(None));
}

#[test]
fn one_person_has_no_runner_up() {
    let mut roster = Roster::new(Digest::of(b"m"), 2);
    roster.add(&record(b"m", "ada", &[1.0, 0.0])).unwrap();
    assert_eq!(
        roster
            .identify(&probe(b"m", &[1.0, 0.0]))
            .unwrap()
            .unwrap()
            .runner_up,
        None
    );
}

#[test]
fn nothing_of_another_model_is_compared() {
    let mut roster = roster();
    assert!(roster.identify(&probe(b"x", &[1.0, 0.0])).is_err());
    assert!(roster.verify("ada", &probe(b"x", &[1.0, 0.0])).is_err());
    assert!(roster.identify(&probe(b"m", &[1.0, 0.0, 0.0])).is_err());
    let foreign = roster.add(&record(b"x", "dan", &[1.0, 0.0]));
    assert!(matches!(foreign, Err(RosterError::ForeignModel(_))));
    let long = roster.add(&record(b"m", "dan", &[1.0, 0.0, 0.0]));
    assert_eq!(long, Err(RosterError::Degenerate(DegenerateEmbedding)));
    assert_eq!(
        roster.add(&record(b"m", "ada", &[1.0, 0.0])),
        Err(RosterError::Duplicate)
    );
    assert_eq!(roster.len(), 3);
    // The first record does not set the length.
    let mut empty = Roster::new(Digest::of(b"m"), 2);
    assert!(empty.add(&record(b"m", "dan", &[1.0, 0.0, 0.0])).is_err());
}
