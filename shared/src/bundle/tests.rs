use super::*;
use crate::align::AlignTemplate;
use alloc::{format, vec};

fn point(fmr: f64, threshold: f32) -> OperatingPoint {
    OperatingPoint {
        threshold,
        fmr,
        fnmr: 0.1,
        impostor_pairs: 1_000,
        genuine_pairs: 100,
    }
}

fn manifest() -> Manifest {
    let input = InputSpec::rgb_128(AlignTemplate::Arcface112x112);
    let face = AlignedFace::from_pixels(input.template, vec![7; input.template.rgb_len()]).unwrap();
    let embedding = Embedding::from_raw(vec![1.0, 2.0]).unwrap();
    Manifest {
        backbone: "tiny".into(),
        precision: Precision::Int8Weights,
        input,
        embedding_len: 2,
        mirror_sum: true,
        model_digest: Digest::of(b"onnx"),
        operating_points: vec![point(1e-1, 0.2), point(1e-2, 0.4), point(1e-3, 0.6)],
        self_test: vec![SelfTestFace::new(&face, embedding)],
        provenance: Provenance::default(),
    }
}

#[test]
fn a_bundle_survives_its_file() {
    let bundle = Bundle::new(manifest(), b"onnx".into()).unwrap();
    assert_eq!(Bundle::decode(&bundle.encode().unwrap()).unwrap(), bundle);
}

#[test]
fn every_impossible_manifest_has_its_error() {
    let check = |change: fn(&mut Manifest), error: BundleError| {
        let mut changed = manifest();
        change(&mut changed);
        let forged = Bundle {
            manifest: changed.clone(),
            model: b"onnx".into(),
        };
        assert_eq!(
            Bundle::decode(&forged.encode().unwrap()),
            Err(error.clone())
        );
        assert_eq!(Bundle::new(changed, b"onnx".into()), Err(error));
    };
    check(
        |m| m.model_digest = Digest::of(b"other"),
        BundleError::WrongModel {
            found: Digest::of(b"onnx"),
            expected: Digest::of(b"other"),
        },
    );
    check(
        |m| m.embedding_len = 0,
        BundleError::Manifest("embedding length"),
    );
    check(
        |m| m.embedding_len = 1 << 20,
        BundleError::Manifest("embedding length"),
    );
    check(
        |m| m.embedding_len = 3,
        BundleError::Manifest("self-test face"),
    );
    check(
        |m| m.input.std[1] = 0.0,
        BundleError::Manifest("normalization"),
    );
    check(
        |m| m.input.mean[2] = f32::NAN,
        BundleError::Manifest("normalization"),
    );
    check(
        |m| m.operating_points[0].threshold = f32::NAN,
        BundleError::Manifest("operating point"),
    );
    check(
        |m| m.operating_points[0].fmr = 2.0,
        BundleError::Manifest("operating point"),
    );
    check(
        |m| m.operating_points[0].impostor_pairs = 0,
        BundleError::Manifest("operating point"),
    );
    // A bundle whose template is another size than its faces.
    check(
        |m| m.input.template = AlignTemplate::Sphereface112x96,
        BundleError::Manifest("self-test face"),
    );
}

#[test]
fn the_threshold_accounts_for_the_gallery() {
    let manifest = manifest();
    for (far, gallery, threshold) in [
        (1e-1, 1, 0.2),
        (1e-2, 1, 0.4),
        (1e-1, 10, 0.4),
        (1e-1, 11, 0.6),
        (5e-3, 1, 0.6),
        (1e-3, 0, 0.6),
    ] {
        assert_eq!(
            manifest.operating_point(far, gallery).unwrap().threshold,
            threshold
        );
    }
}

#[test]
fn an_unmeasured_promise_is_not_made() {
    let error = manifest().operating_point(1e-3, 50).unwrap_err();
    assert_eq!((error.gallery, error.strictest), (50, Some(1e-3)));
    assert!(format!("{error}").contains("2.0e-5"), "{error}");
    let empty = Manifest {
        operating_points: vec![],
        ..manifest()
    };
    assert!(format!("{}", empty.operating_point(0.1, 1).unwrap_err()).contains("none"));
}
