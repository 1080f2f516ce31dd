//! Several precisions in one bundle, and templates of one under another.

use super::*;
use crate::enrollment::EnrollmentRecord;
use crate::roster::Roster;

/// A bundle of that precision alone, whose network is those bytes.
fn of(precision: Precision, model: &[u8], change: impl FnOnce(&mut Manifest)) -> Bundle {
    let mut manifest = manifest();
    manifest.precision = precision;
    manifest.model_digest = model_digest(&manifest.input, true, model);
    change(&mut manifest);
    Bundle::new(manifest, model.into()).unwrap()
}

fn digest(model: &[u8]) -> Digest {
    model_digest(&manifest().input, true, model)
}

/// The manifest's points with another threshold and error rate: what was measured of templates
/// of that model.
fn comparable(model: Digest, change: impl Fn(&mut OperatingPoint)) -> Comparable {
    let mut operating_points = manifest().operating_points;
    operating_points.iter_mut().for_each(change);
    Comparable {
        model,
        precision: Precision::F32,
        operating_points,
        cosine_mean: 0.999,
        cosine_p1: 0.99,
    }
}

fn both() -> Bundle {
    let bytes = of(Precision::Int8Weights, b"onnx", |m| {
        m.comparable = vec![comparable(digest(b"float"), |p| p.threshold += 0.01)];
    });
    let float = of(Precision::F32, b"float", |m| {
        m.operating_points.truncate(2);
        m.self_test[0].embedding = Embedding::from_raw(vec![2.0, 1.0]).unwrap();
    });
    bytes.with_alternative(float).unwrap()
}

#[test]
fn several_precisions_survive_their_file_and_come_out_alone() {
    let bundle = Bundle::decode(&both().encode().unwrap()).unwrap();
    assert_eq!(bundle, both());
    let precisions: Vec<_> = bundle.precisions().collect();
    assert_eq!(precisions, [Precision::Int8Weights, Precision::F32]);
    for (precision, model, points) in [
        (Precision::Int8Weights, &b"onnx"[..], 3),
        (Precision::F32, b"float", 2),
    ] {
        let alone = bundle.select(precision).unwrap();
        assert_eq!(alone.precisions().collect::<Vec<_>>(), [precision]);
        assert_eq!(alone.model(), model);
        assert_eq!(alone.manifest().model_digest, digest(model));
        assert_eq!(alone.manifest().operating_points.len(), points);
        assert_eq!(Bundle::decode(&alone.encode().unwrap()).unwrap(), alone);
        assert!(alone.encode().unwrap().len() < bundle.encode().unwrap().len());
    }
    let float = bundle.select(Precision::F32).unwrap();
    let embedding = float.manifest().self_test[0].embedding();
    assert_eq!(embedding, &Embedding::from_raw(vec![2.0, 1.0]).unwrap());
    assert_eq!(float.select(Precision::Int8Weights), None);
    let bytes = bundle.select(Precision::Int8Weights).unwrap();
    assert!(bytes.manifest().accepts(digest(b"float")).is_some());
}

#[test]
fn the_bytes_of_several_precisions_never_change() {
    // Whoever changes them raises the kind's version.
    let bytes = both().encode().unwrap();
    assert_eq!(format!("{:?}", Digest::of(&bytes)), "90a97172");
}

#[test]
fn only_precisions_of_one_network_go_together() {
    let check = |change: fn(&mut Manifest), error: BundleError| {
        let other = of(Precision::F32, b"float", |m| {
            change(m);
            m.model_digest = model_digest(&m.input, m.mirror_sum, b"float");
        });
        let main = of(Precision::Int8Weights, b"onnx", |_| ());
        assert_eq!(main.with_alternative(other), Err(error));
    };
    let other = BundleError::OtherNetwork;
    check(|m| m.backbone.push('x'), other("backbone"));
    check(|m| m.input.mean[0] = 1.0, other("input"));
    check(|m| m.mirror_sum = false, other("mirror_sum"));
    check(|m| m.provenance.seed = 7, other("provenance"));
    check(|m| m.self_test.clear(), other("self-test faces"));
    let twice = BundleError::SamePrecision(Precision::Int8Weights);
    check(|m| m.precision = Precision::Int8Weights, twice);
    let longer = |m: &mut Manifest| {
        m.embedding_len = 3;
        m.self_test.clear();
    };
    check(longer, other("embedding length"));
    // Another revision of the program may make a precision later.
    let later = of(Precision::F32, b"float", |m| {
        m.provenance.git_revision = "later".into()
    });
    let main = of(Precision::Int8Weights, b"onnx", |_| ());
    assert!(main.with_alternative(later).is_ok());
}

#[test]
fn every_impossible_alternative_has_its_error() {
    let check = |change: fn(&mut Bundle), error: BundleError| {
        let mut forged = both();
        change(&mut forged);
        assert_eq!(Bundle::decode(&forged.encode().unwrap()), Err(error));
    };
    let manifest = BundleError::Manifest;
    check(
        |b| b.alternatives[0].operating_points[0].fmr = 2.0,
        manifest("operating point"),
    );
    check(
        |b| b.alternatives[0].embeddings.clear(),
        manifest("self-test of another precision"),
    );
    check(
        |b| b.alternatives[0].precision = Precision::Int8Weights,
        BundleError::SamePrecision(Precision::Int8Weights),
    );
    let wrong = BundleError::WrongModel {
        found: digest(b"changed"),
        expected: digest(b"float"),
    };
    check(|b| b.alternatives[0].model = b"changed".into(), wrong);
    let comparison = || manifest("comparison with another model");
    check(
        |b| b.manifest.comparable[0].cosine_p1 = f32::NAN,
        comparison(),
    );
    check(
        |b| b.manifest.comparable[0].model = digest(b"onnx"),
        comparison(),
    );
    check(
        |b| b.manifest.comparable[0].operating_points[1].fnmr = -1.0,
        comparison(),
    );
    let twice = |b: &mut Bundle| {
        let again = b.manifest.comparable[0].clone();
        b.manifest.comparable.push(again);
    };
    check(twice, comparison());
}

#[test]
fn other_templates_are_accepted_where_their_loss_was_measured_and_is_small() {
    let other = digest(b"float");
    let check = |comparable: Vec<Comparable>, accepted: bool| {
        let manifest = Manifest {
            comparable,
            ..manifest()
        };
        assert_eq!(manifest.accepts(other).is_some(), accepted);
        let mut roster = Roster::of(&manifest);
        let unit = Embedding::from_raw(vec![1.0, 0.0]).unwrap();
        let record =
            |name, model| EnrollmentRecord::new(name, model, vec![unit.clone()], 0).unwrap();
        assert_eq!(roster.add(&record("ada", other)).is_ok(), accepted);
        roster.add(&record("ben", manifest.model_digest)).unwrap();
        let expected: &[_] = if accepted { &[(other, 1)] } else { &[] };
        assert_eq!(roster.others().collect::<Vec<_>>(), expected);
        assert!(roster.add(&record("cyd", Digest::of(b"y"))).is_err());
    };
    check(vec![], false);
    check(vec![comparable(other, |_| ())], true);
    check(vec![comparable(Digest::of(b"x"), |_| ())], false);
    check(vec![comparable(other, |p| p.fnmr += 0.01)], true);
    check(vec![comparable(other, |p| p.fnmr += 0.011)], false);
    check(vec![comparable(other, |p| p.fnmr = 0.0)], true);
    // Too much at the strictest point alone.
    let strict = |p: &mut OperatingPoint| p.fnmr += if p.fmr < 5e-3 { 0.1 } else { 0.0 };
    check(vec![comparable(other, strict)], false);
    // Not measured at every rate, or on other pairs.
    check(vec![comparable(other, |p| p.fmr *= 2.0)], false);
    check(vec![comparable(other, |p| p.genuine_pairs = 99)], false);
    check(vec![comparable(other, |p| p.impostor_pairs = 2000)], false);
}

#[test]
fn the_threshold_is_as_high_as_the_strictest_of_those_enrolled_asks_for() {
    let (low, high) = (Digest::of(b"low"), Digest::of(b"high"));
    let mut manifest = manifest();
    manifest.comparable = vec![
        comparable(low, |p| p.threshold -= 0.05),
        comparable(high, |p| {
            (p.threshold, p.fnmr) = (p.threshold + 0.05, 0.105)
        }),
        comparable(Digest::of(b"bad"), |p| p.fnmr = 1.0),
    ];
    let at = |others: &[Digest]| {
        let point = manifest.operating_point_across(1e-2, 1, others.iter().copied());
        point.map(|p| (p.threshold, p.fnmr, p.fmr))
    };
    assert_eq!(at(&[]), Ok((0.4, 0.1, 1e-2)));
    assert_eq!(at(&[low]), Ok((0.4, 0.1, 1e-2)));
    assert_eq!(at(&[low, high]), Ok((0.4 + 0.05, 0.105, 1e-2)));
    assert_eq!(at(&[Digest::of(b"bad")]).unwrap_err().strictest, None);
}
