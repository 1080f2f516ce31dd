//! A trial by hand, and random ones against a plain count.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared::embedding::{Embedding, dot};

/// A protocol of two equal trials.
fn protocol(labels: &[i64], gallery: &[usize], probe: &[usize]) -> Protocol {
    let images: Vec<_> = (0..labels.len()).map(|i| i.to_string()).collect();
    let test: Vec<_> = (0..labels.len()).collect();
    let trial = json!({"train": [], "test": test, "gallery": gallery, "probe": probe});
    let json = json!({"images": images, "labels": labels, "trials": [trial, trial]});
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blufr.json");
    std::fs::write(&path, json.to_string()).unwrap();
    read(&path).unwrap()
}

fn embedded(embeddings: Vec<Option<Embedding>>) -> Embedded {
    let images = embeddings.into_iter().enumerate();
    Embedded::from_parts(images.map(|(i, e)| (i.to_string(), e)).collect())
}

/// Unit vectors in a plane, by their angle in degrees; none for NaN.
fn angles(degrees: &[f32]) -> Embedded {
    let embed = |angle: &f32| {
        let (sin, cos) = angle.to_radians().sin_cos();
        Embedding::from_raw(vec![cos, sin]).ok()
    };
    embedded(degrees.iter().map(embed).collect())
}

#[test]
fn a_trial_by_hand() {
    // Person 1 at 0 and 20 degrees, person 2 at 50 and 90, person 3 at 100.
    let protocol = protocol(&[1, 1, 2, 2, 3], &[0, 2], &[1, 3, 4]);
    let embedded = angles(&[0.0, 20.0, 50.0, 90.0, 100.0]);
    let faces = Faces::new(&protocol, &embedded);
    let trial = &protocol.trials()[0];
    // Impostor pairs by their angles: 10, 30, 50, 50, 70, 80, 90, 100; genuine ones: 20, 40.
    let check = |far: f64, degrees: f32, matched: f64, fnmr: f64| {
        let rates = trial::verification(&faces, &trial.test, &[far])[0];
        assert!(
            (rates.threshold - degrees.to_radians().cos()).abs() < 1e-6,
            "{far}: {rates:?}"
        );
        let found = (
            rates.fmr_measured,
            rates.fnmr,
            rates.genuine_pairs,
            rates.impostor_pairs,
        );
        assert_eq!(found, (matched, fnmr, 2, 8), "{far}");
    };
    check(0.06, 10.0, 0.0, 1.0); // 0.48 of a pair is none
    check(0.07, 10.0, 0.125, 1.0); // 0.56 is one
    check(0.25, 30.0, 0.25, 0.5);
    check(0.5, 50.0, 0.5, 0.0);
    check(1.0, 100.0, 1.0, 0.0);

    // Probe 1 is 20 degrees from its own, 30 from the other; probe 3 is 40 and 90; the impostor is
    // 50 from person 2.
    let found = trial::identification(&faces, trial, 1.0);
    assert_eq!((found.dir, found.far_measured), (1.0, 1.0));
    assert!((found.threshold - 50_f32.to_radians().cos()).abs() < 1e-6);
    assert_eq!((found.genuine_probes, found.impostor_probes), (2, 1));
    let strict = trial::identification(&faces, trial, 0.01);
    assert_eq!((strict.dir, strict.far_measured), (1.0, 0.0));
    // Nearer to the other than to its own: detected, and not at rank 1.
    let confused = angles(&[0.0, 30.0, 50.0, 90.0, 100.0]);
    let found = trial::identification(&Faces::new(&protocol, &confused), trial, 1.0);
    assert_eq!(found.dir, 0.5);
}

#[test]
fn an_image_without_a_face_makes_no_figure_better() {
    let protocol = protocol(&[1, 1, 2, 2, 3, 3], &[0, 2], &[1, 3, 4, 5]);
    let whole = [0.0, 20.0, 50.0, 90.0, 100.0, 120.0];
    let trial = &protocol.trials()[0];
    let check = |absent: usize, far: f64| {
        let mut degrees = whole;
        degrees[absent] = f32::NAN;
        let (whole, without) = (angles(&whole), angles(&degrees));
        let (whole, without) = (
            Faces::new(&protocol, &whole),
            Faces::new(&protocol, &without),
        );
        let rates = |faces| trial::verification(faces, &trial.test, &[far])[0];
        let (a, b) = (rates(&whole), rates(&without));
        assert!(b.fnmr >= a.fnmr, "{absent} at {far}");
        assert_eq!(
            (a.genuine_pairs, a.impostor_pairs),
            (b.genuine_pairs, b.impostor_pairs)
        );
        let found = |faces| trial::identification(faces, trial, far);
        let (a, b) = (found(&whole), found(&without));
        assert!(b.dir <= a.dir, "{absent} at {far}");
        assert_eq!(
            (a.genuine_probes, a.impostor_probes),
            (b.genuine_probes, b.impostor_probes)
        );
        (a.dir, b.dir)
    };
    for far in [0.01, 0.3, 0.5, 1.0] {
        for absent in 0..whole.len() {
            check(absent, far);
        }
    }
    // A gallery image, a genuine probe, an impostor probe.
    assert_eq!(check(2, 1.0), (1.0, 0.5));
    assert_eq!(check(3, 1.0), (1.0, 0.5));
    assert_eq!(check(4, 0.5), (1.0, 0.0));
    let none = angles(&[f32::NAN; 6]);
    let bar = ProgressBar::hidden();
    assert_eq!(figures(&protocol, &none, &bar), Err(NoFigures::NoImages));
}

#[test]
fn random_trials_agree_with_a_plain_count() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut numbers =
        |n: usize| -> Vec<f32> { (0..n).map(|_| random.random_range(-1.0..1.0)).collect() };
    // 600 images, six a person, who share a direction.
    let mut person = Vec::new();
    let embeddings = (0..600).map(|image| {
        if image % 6 == 0 {
            person = numbers(32);
        }
        let raw = person.iter().zip(numbers(32)).map(|(p, own)| p + 1.2 * own);
        Embedding::from_raw(raw.collect()).unwrap()
    });
    let embeddings: Vec<_> = embeddings.collect();
    let labels: Vec<i64> = (0..600).map(|e| e / 6).collect();
    let gallery: Vec<usize> = (0..50).map(|person| 6 * person).collect();
    let probe: Vec<usize> = (0..600).filter(|i| !gallery.contains(i)).collect();
    let protocol = protocol(&labels, &gallery, &probe);
    let embedded = embedded(embeddings.iter().cloned().map(Some).collect());
    let found = figures(&protocol, &embedded, &ProgressBar::hidden()).unwrap();

    let score = |a: usize, b: usize| dot(embeddings[a].as_slice(), embeddings[b].as_slice());
    let pairs = (0..600).flat_map(|a| (0..a).map(move |b| (a, b)));
    let (genuine, impostor): (Vec<_>, Vec<_>) = pairs.partition(|(a, b)| labels[*a] == labels[*b]);
    let falling = |pairs: &[(usize, usize)]| {
        let mut scores: Vec<_> = pairs.iter().map(|(a, b)| score(*a, *b)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores
    };
    let (genuine, impostor) = (falling(&genuine), falling(&impostor));
    for verification in &found.verification {
        let passing = (verification.far * impostor.len() as f64).round() as usize;
        let threshold = impostor[passing - 1];
        let passed = genuine.iter().filter(|s| **s >= threshold).count();
        let expected = passed as f64 / genuine.len() as f64;
        assert!(
            (verification.vr.mean - expected).abs() < 1e-9,
            "{expected} {verification:?}"
        );
        assert!(
            expected > 0.05 && expected < 0.95,
            "tells something: {expected}"
        );
        assert_eq!(verification.trials[0].impostor_pairs, impostor.len() as u64);
    }

    let best = |probe: usize, own: bool| {
        let of = gallery
            .iter()
            .filter(|g| (labels[**g] == labels[probe]) == own);
        of.map(|g| score(probe, *g))
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let (mated, strangers): (Vec<usize>, Vec<usize>) = probe.iter().partition(|p| labels[**p] < 50);
    let mut alarms: Vec<_> = strangers.iter().map(|p| best(*p, false)).collect();
    alarms.sort_by(|a, b| b.total_cmp(a));
    let threshold = alarms[(0.01 * strangers.len() as f64).round() as usize - 1];
    let hit = |p: &&usize| best(**p, true) >= threshold && best(**p, true) > best(**p, false);
    let expected = mated.iter().filter(hit).count() as f64 / mated.len() as f64;
    assert!((found.identification.dir.mean - expected).abs() < 1e-9);
    assert!(
        expected > 0.05 && expected < 0.95,
        "tells something: {expected}"
    );
}

#[test]
fn trials_are_reported_by_mean_minus_the_deviation_of_a_sample() {
    let found = OverTrials::of(&[0.5, 0.7, 0.9]);
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(near(found.mean, 0.7) && near(found.std, 0.2) && near(found.mean_minus_std, 0.5));
}
