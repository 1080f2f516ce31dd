use super::*;
use edge_runtime::event::Outcome;
use shared::align::AlignTemplate;
use shared::bundle::{OperatingPoint, Precision, Provenance};
use shared::digest::Digest;
use shared::embedding::{Embedding, Template};
use shared::preprocess::InputSpec;

const MODEL: &[u8] = b"a model";
/// Strangers who look like the first person, four photographs each.
const MANY: usize = 100;

/// A face at an angle in the plane, in degrees.
fn at(degrees: f32) -> Result<Sight, Unseen> {
    let (sine, cosine) = degrees.to_radians().sin_cos();
    let template = Template {
        model: Digest::of(MODEL),
        embedding: Embedding::from_raw(vec![cosine, sine]).unwrap(),
    };
    Ok(Sight {
        template,
        enrollable: true,
    })
}

fn blurred(degrees: f32) -> Result<Sight, Unseen> {
    at(degrees).map(|sight| Sight {
        enrollable: false,
        ..sight
    })
}

fn unseen(outcome: Outcome) -> Result<Sight, Unseen> {
    Err(Unseen {
        outcome,
        ..Unseen::bad(format!("{outcome:?}"))
    })
}

/// Matches within an angle, at a false-match rate.
fn point(fmr: f64, degrees: f32) -> OperatingPoint {
    OperatingPoint {
        threshold: degrees.to_radians().cos(),
        fmr,
        fnmr: 0.0,
        impostor_pairs: 1_000_000,
        genuine_pairs: 1,
    }
}

fn manifest(operating_points: Vec<OperatingPoint>) -> Manifest {
    Manifest {
        backbone: "angles".into(),
        precision: Precision::F32,
        input: InputSpec::rgb_128(AlignTemplate::Arcface112x112),
        embedding_len: 2,
        mirror_sum: false,
        model_digest: Digest::of(MODEL),
        operating_points,
        self_test: vec![],
        provenance: Provenance::default(),
        comparable: vec![],
    }
}

type Person = Vec<Result<Sight, Unseen>>;

/// Residents at 0, 90, 30 and 61 degrees, one who cannot be enrolled, strangers.
fn people() -> Vec<Person> {
    let [no_face, poor, bad] = [Outcome::NoFace, Outcome::PoorFace, Outcome::BadFrame].map(unseen);
    let mut people = vec![
        // Enrolled from the second to the fourth: the first is too blurred for that.
        vec![
            blurred(-10.0),
            at(-1.0),
            at(0.0),
            at(1.0),
            at(-25.0),
            at(-50.0),
            no_face,
        ],
        // The fifth looks like the first person.
        vec![at(89.0), at(90.0), at(91.0), at(100.0), at(-5.0), poor],
        // The fourth lies in the middle between this and the first person.
        vec![at(29.0), at(30.0), at(31.0), at(15.0), bad.clone()],
        vec![at(0.0), at(0.0), blurred(0.0), blurred(0.0), bad],
        // The first is nearer to the first person, so it is left out.
        vec![at(2.0), at(60.0), at(61.0), at(62.0), at(64.0)],
        vec![at(180.0), unseen(Outcome::NoFace)],
    ];
    people.extend(vec![vec![at(-12.0); 4]; MANY]);
    people
}

fn replayed(points: Vec<OperatingPoint>, plan: &Plan) -> Result<Figures, ReplayError> {
    let (mut images, mut seen) = (Vec::new(), Vec::new());
    for (number, own) in people().into_iter().enumerate() {
        images.extend((0..own.len()).map(|i| format!("{number}/{i}.jpg")));
        seen.extend(own);
    }
    replay(
        &manifest(points),
        &images,
        &seen,
        plan,
        &Settings::example(),
    )
}

fn plan() -> Plan {
    Plan {
        enroll: 3,
        least: 5,
        strangers: 5000,
        seed: 1,
    }
}

#[test]
fn known_visits_give_known_counts() {
    // 1e-3 over four people needs 2.5e-4: 20 degrees in 1:N, 30 with a claim.
    let points = vec![point(1e-3, 30.0), point(2.5e-4, 20.0)];
    let figures = replayed(points, &plan()).unwrap();
    assert_eq!(
        (figures.people, figures.enrolled, figures.strangers),
        (5, 4, 101)
    );
    let refused: Vec<_> = figures.not_enrolled.iter().collect();
    assert_eq!(
        refused,
        [(
            &"too few photographs good enough to be enrolled from".to_string(),
            &1
        )]
    );
    let reasons: Vec<_> = figures.unseen.values().copied().collect();
    assert_eq!(reasons, [2, 2, 1]);

    let one = figures.verification.ran.unwrap();
    assert_eq!(
        (figures.verification.refused, one.gallery, one.fmr),
        (None, 1, 1e-3)
    );
    // In: -10, -25; 100; 15; 64. Out: -50; -5 as the second person; 2 as the fifth.
    let genuine = Genuine {
        visits: 11,
        let_in: 5,
        no_face: 1,
        poor_face: 1,
        bad_frame: 1,
        not_recognized: 3,
        frr: 6.0 / 11.0,
        ..one.genuine
    };
    assert_eq!(one.genuine, genuine);
    assert_eq!((genuine.too_near_another, genuine.wrong_person), (0, 0));
    // Who claims by chance to be the first of four people.
    let let_in = one.impostor.let_in;
    assert!((70..130).contains(&let_in), "{let_in}");

    let all = figures.identification.ran.unwrap();
    assert_eq!(
        (figures.identification.refused, all.gallery, all.fmr),
        (None, 4, 2.5e-4)
    );
    // In: -10; 100; 64. As somebody else: -5, 2. Between two: 15. Out: -25, -50.
    let genuine = Genuine {
        visits: 11,
        let_in: 3,
        not_recognized: 2,
        too_near_another: 1,
        wrong_person: 2,
        frr: 8.0 / 11.0,
        ..all.genuine
    };
    assert_eq!(all.genuine, genuine);
    assert!(genuine.frr_lower_95 < genuine.frr && genuine.frr < genuine.frr_upper_95);
    let impostor = &all.impostor;
    assert_eq!(
        (impostor.visits, impostor.not_compared, impostor.let_in),
        (402, 1, 400)
    );
    assert_eq!(impostor.far, 400.0 / 402.0);
    assert!(impostor.far_upper_95 > impostor.far);
}

#[test]
fn a_rate_that_the_bundle_does_not_carry_is_refused_and_the_lowest_is_run_at() {
    let figures = replayed(vec![point(1e-3, 30.0)], &plan()).unwrap();
    assert_eq!(figures.verification.refused, None);
    let refused = figures.identification.refused.unwrap();
    assert!(refused.contains("over 4 people"), "{refused}");
    let ran = figures.identification.ran.unwrap();
    assert_eq!((ran.false_accept_rate, ran.fmr), (4e-3, 1e-3));

    // Four times a half promises nothing.
    let figures = replayed(vec![point(0.5, 30.0)], &plan()).unwrap();
    assert_eq!(figures.verification.ran.unwrap().false_accept_rate, 0.5);
    assert_eq!(figures.identification.ran, None);
    assert!(figures.identification.refused.is_some());
}

#[test]
fn strangers_are_drawn_by_seed_and_counted_by_photograph() {
    let visits = |strangers, seed| {
        let plan = Plan {
            strangers,
            seed,
            ..plan()
        };
        let figures = replayed(vec![point(1e-4, 20.0)], &plan)?;
        Ok(figures.identification.ran.unwrap().impostor.visits)
    };
    let none: Result<u64, ReplayError> = visits(0, 1);
    assert!(matches!(none, Err(ReplayError::NoStranger { .. })));
    let visits = |strangers, seed| visits(strangers, seed).unwrap();
    let one: Vec<_> = (0..20).map(|seed| visits(1, seed)).collect();
    assert!(
        one.contains(&4) && one.iter().all(|n| [2, 4].contains(n)),
        "{one:?}"
    );
    assert_eq!(one, (0..20).map(|seed| visits(1, seed)).collect::<Vec<_>>());
}

#[test]
fn nobody_to_enroll_is_an_error() {
    let check = |enroll, least, points, needle: &str| {
        let plan = Plan {
            enroll,
            least,
            ..plan()
        };
        let error = replayed(points, &plan).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    };
    let points = || vec![point(1e-4, 20.0)];
    check(3, 1000, points(), "nobody has 1000 photographs");
    // One to come with is needed, whatever is asked for.
    check(7, 5, points(), "nobody has 8 photographs");
    check(6, 5, points(), "none of the 1 people");
    check(3, 5, vec![], "no operating point");
}
