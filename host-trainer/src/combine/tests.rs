use super::*;
use crate::detector::layout;
use crate::evaluate::enrolled_counts;
use shared::align::AlignTemplate;
use shared::bundle::{Provenance, model_digest};
use shared::detector::{DetectorManifest, FrameSpec};
use shared::preprocess::{InputSpec, PixelOrder};

/// Twenty people with six images each, under a network and under one whose numbers differ by
/// `noise`.
fn seen(noise: f32) -> (Vec<u32>, [Vec<Embedding>; 2]) {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let (mut people, mut own, mut other) = (vec![], vec![], vec![]);
    for person in 0..20 {
        let center: Vec<f32> = (0..16).map(|_| next()).collect();
        for _ in 0..6 {
            let image: Vec<f32> = center.iter().map(|x| x + 0.8 * next()).collect();
            let twin = image.iter().map(|x| x + noise * next()).collect();
            people.push(person);
            own.push(Embedding::from_raw(image).unwrap());
            other.push(Embedding::from_raw(twin).unwrap());
        }
    }
    (people, [own, other])
}

fn across(noise: f32) -> Comparable {
    let (people, [own, other]) = seen(noise);
    let side = |name: &[u8], embeddings| Seen {
        precision: Precision::F32,
        model: Digest::of(name),
        embeddings,
    };
    let (under, other) = (side(b"own", &own), side(b"other", &other));
    let measured = comparables(&[under, other], &people).unwrap();
    assert_eq!(measured.len(), 2);
    assert_eq!(measured[1][0].model, Digest::of(b"own"));
    measured[0][0].clone()
}

#[test]
fn enrolled_under_one_and_looked_at_under_the_other() {
    let found = across(0.3);
    assert_eq!(found.model, Digest::of(b"other"));
    let (_, [own, other]) = seen(0.3);
    let (genuine, impostor) = enrolled_counts(&[6; 20]);
    // From the definition: a person's first three and last three images under the other
    // network, each image of the rest under the own one.
    let (mut same, mut different) = (vec![], vec![]);
    for chunk in 0..40 {
        let images = 3 * chunk..3 * chunk + 3;
        let reference = Embedding::sum(&other[images.clone()]).unwrap();
        for probe in (0..120).filter(|probe| !images.contains(probe)) {
            let score = reference.cosine(&own[probe]).unwrap();
            let list = if probe / 6 == chunk / 2 {
                &mut same
            } else {
                &mut different
            };
            list.push(score);
        }
    }
    assert_eq!(
        (same.len() as u64, different.len() as u64),
        (genuine, impostor)
    );
    let pairs = own.iter().zip(&other);
    let mut cosines: Vec<f32> = pairs.filter_map(|(a, b)| a.cosine(b)).collect();
    cosines.sort_by(f32::total_cmp);
    // One of 120 is below the first percentile.
    assert_eq!(found.cosine_p1, cosines[1]);
    assert!(!found.operating_points.is_empty());
    for point in &found.operating_points {
        let share = |scores: &[f32]| {
            let from = scores.iter().filter(|s| **s >= point.threshold).count();
            from as f64 / scores.len() as f64
        };
        assert!((point.fnmr - (1.0 - share(&same))).abs() < 1e-9);
        assert!(share(&different) <= point.fmr && share(&different) > 0.5 * point.fmr);
    }
}

#[test]
fn the_further_apart_two_networks_are_the_more_it_costs() {
    let (people, [own, _]) = seen(0.0);
    let own = thresholds(&own, &people).unwrap();
    let loss = |noise: f32| across(noise).fnmr_loss(&own).unwrap();
    assert_eq!(loss(0.0), 0.0);
    assert!(loss(3.0) > loss(0.8) && loss(0.8) > 0.0);
    let (same, near, far) = (across(0.0), across(0.3), across(3.0));
    assert!(same.cosine_p1 > 0.99999 && far.cosine_p1 < near.cosine_p1);
    assert!(near.cosine_p1 < near.cosine_mean && near.cosine_mean < 1.0);
}

/// A bundle that has everything but a network, and is called by its precision.
fn bundle(precision: Precision) -> (PathBuf, Bundle) {
    let (input, model) = (
        InputSpec::rgb_128(AlignTemplate::Arcface112x112),
        precision.name(),
    );
    let manifest = Manifest {
        backbone: "none".into(),
        precision,
        model_digest: model_digest(&input, true, model.as_bytes()),
        input,
        embedding_len: 2,
        mirror_sum: true,
        operating_points: vec![],
        self_test: vec![],
        provenance: Provenance::default(),
        comparable: vec![],
    };
    let bundle = Bundle::new(manifest, model.into()).unwrap();
    (model.into(), bundle)
}

fn with_detector((path, bundle): (PathBuf, Bundle), model: &[u8]) -> (PathBuf, Bundle) {
    let manifest = DetectorManifest {
        name: "none".into(),
        precision: Precision::F32,
        input: FrameSpec {
            width: 160,
            height: 120,
            pixel_order: PixelOrder::Rgb,
            mean: [128.0; 3],
            std: [128.0; 3],
        },
        layout: layout(),
        threshold: 0.5,
        close_look: None,
        digest: Digest::of(model),
        self_test: Vec::new(),
        provenance: String::new(),
    };
    (path, bundle.with_detector(manifest, model.into()).unwrap())
}

#[test]
fn only_bundles_of_one_network_and_one_detector_go_together() {
    let [bytes, floats] = [Precision::Int8Weights, Precision::F32].map(bundle);
    let check = |parts: &[&(PathBuf, Bundle)]| {
        let parts: Vec<_> = parts.iter().map(|(p, b)| (p, b.clone())).collect();
        together(&parts)
    };
    let both = check(&[&bytes, &floats]).unwrap();
    assert_eq!(both.precisions().count(), 2);
    let one = with_detector(bytes.clone(), b"one");
    assert!(check(&[&one, &floats]).is_ok());
    for other in [b"one", b"two"] {
        let other = with_detector(floats.clone(), other);
        assert!(check(&[&bytes, &other]).is_ok());
        let found = check(&[&one, &other]);
        match found {
            Ok(_) => assert_eq!(one.1.detector(), other.1.detector()),
            Err(error) => {
                let expected = "f32 has another detector than int8-weights";
                assert!(error.to_string().starts_with(expected), "{error}");
                assert_ne!(one.1.detector(), other.1.detector());
            }
        }
    }
    assert!(matches!(check(&[]), Err(CombineError::Alone)));
    assert!(matches!(check(&[&bytes]), Err(CombineError::Alone)));
    let error = check(&[&bytes, &bytes]).unwrap_err().to_string();
    let expected = "int8-weights does not go with int8-weights: the precision int8-weights is";
    assert!(error.starts_with(expected), "{error}");
}
