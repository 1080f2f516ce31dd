use super::*;
use shared::align::AlignTemplate;
use shared::bundle::{Precision, Provenance};
use shared::digest::Digest;
use shared::embedding::Embedding;
use shared::enrollment::EnrollmentRecord;
use shared::preprocess::InputSpec;

const LEN: usize = 16;
const IMPOSTOR_PAIRS: usize = 2_000_000;
const GALLERIES: usize = 50;
const STRANGERS: usize = 60;

/// Unrelated people, from a seed (splitmix64).
struct People(u64);

impl People {
    fn next(&mut self) -> Template {
        let raw = (0..LEN).map(|_| self.number()).collect();
        let embedding = Embedding::from_raw(raw).unwrap();
        let model = Digest::of(b"m");
        Template { model, embedding }
    }

    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) as i64 as f64 / i64::MAX as f64) as f32
    }

    fn roster(&mut self, size: usize) -> Roster {
        let mut roster = Roster::new(Digest::of(b"m"), LEN);
        for person in 0..size {
            let Template { model, embedding } = self.next();
            let record = EnrollmentRecord::new(&format!("p{person}"), model, vec![embedding], 0);
            roster.add(&record.unwrap()).unwrap();
        }
        roster
    }

    /// Thresholds as a bundle has them: what so many impostor pairs reach, each half as often as
    /// the one before.
    fn manifest(&mut self) -> Manifest {
        let mut score = || self.next().score(&self.next()).unwrap();
        let mut scores: Vec<_> = (0..IMPOSTOR_PAIRS).map(|_| score()).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let point = |halvings: i32| {
            let fmr = 0.1 * 0.5_f64.powi(halvings);
            OperatingPoint {
                threshold: scores[(fmr * IMPOSTOR_PAIRS as f64) as usize].next_up(),
                fmr,
                fnmr: 0.0,
                impostor_pairs: IMPOSTOR_PAIRS as u64,
                genuine_pairs: 1,
            }
        };
        Manifest {
            backbone: String::new(),
            precision: Precision::F32,
            input: InputSpec::rgb_128(AlignTemplate::Arcface112x112),
            embedding_len: LEN as u32,
            mirror_sum: false,
            model_digest: Digest::of(b"m"),
            operating_points: (0..13).map(point).collect(),
            self_test: Vec::new(),
            provenance: Provenance::default(),
            comparable: Vec::new(),
        }
    }

    /// Share of strangers' looks that match somebody of `size` people.
    fn false_accepts(&mut self, manifest: &Manifest, size: usize, asked: &Identify) -> f64 {
        let mut matches = 0;
        for _ in 0..GALLERIES {
            let identifier = Identifier::new(self.roster(size), manifest, asked).unwrap();
            for _ in 0..STRANGERS {
                let verdict = identifier.search(&self.next()).unwrap();
                matches += usize::from(matches!(verdict, Verdict::Match { .. }));
            }
        }
        matches as f64 / (GALLERIES * STRANGERS) as f64
    }
}

#[test]
fn the_false_accept_rate_is_kept_however_many_are_enrolled() {
    let mut people = People(1);
    let manifest = people.manifest();
    let far = 0.05;
    let mut asked = Identify {
        false_accept_rate: FalseAcceptRate(far),
        margin: Margin::default(),
        highest_false_non_match_rate: None,
        claims_only: false,
    };
    // Four standard deviations of the share of 3,000 looks.
    let error = 4.0 * (far * (1.0 - far) / (GALLERIES * STRANGERS) as f64).sqrt();
    for size in [1, 10, 100, 500] {
        let share = people.false_accepts(&manifest, size, &asked);
        // A measured point lies at half the rate that it must keep, at worst.
        assert!(
            (far / 2.0 - error..=far + error).contains(&share),
            "{share} among {size}"
        );
    }
    asked.claims_only = true;
    let uncorrected = people.false_accepts(&manifest, 100, &asked);
    assert!(uncorrected > 10.0 * far, "{uncorrected}");
}

#[test]
fn a_margin_refuses_whoever_is_nearly_as_like_to_another() {
    let mut roster = Roster::new(Digest::of(b"m"), LEN);
    let unit = |angle: f32| {
        let mut raw = vec![0.0; LEN];
        (raw[0], raw[1]) = (angle.cos(), angle.sin());
        Embedding::from_raw(raw).unwrap()
    };
    for (subject, angle) in [("ada", 0.0), ("ben", 0.6)] {
        let record = EnrollmentRecord::new(subject, Digest::of(b"m"), vec![unit(angle)], 0);
        roster.add(&record.unwrap()).unwrap();
    }
    let mut manifest = People(1).manifest();
    manifest
        .operating_points
        .iter_mut()
        .for_each(|p| p.threshold = 0.5);
    let asked = Identify {
        false_accept_rate: FalseAcceptRate(0.1),
        margin: Margin(0.1),
        highest_false_non_match_rate: None,
        claims_only: false,
    };
    let identifier = Identifier::new(roster, &manifest, &asked).unwrap();
    let seen = |angle, claim| {
        let model = Digest::of(b"m");
        let embedding = unit(angle);
        match identifier
            .identify(&Template { model, embedding }, claim)
            .unwrap()
        {
            Verdict::Match { subject, .. } => subject.to_owned(),
            Verdict::Ambiguous { .. } => "ambiguous".into(),
            _ => "nobody".into(),
        }
    };
    assert_eq!(seen(0.1, None), "ada");
    assert_eq!(seen(0.25, None), "ambiguous");
    assert_eq!(seen(0.5, None), "ben");
    assert_eq!(seen(0.25, Some("ben")), "ben");
    assert_eq!(seen(-1.5, None), "nobody");
}
