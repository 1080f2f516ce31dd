mod precisions;

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

fn digest_of(input: &InputSpec, mirror_sum: bool) -> Digest {
    model_digest(input, mirror_sum, b"onnx")
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
        model_digest: digest_of(&InputSpec::rgb_128(AlignTemplate::Arcface112x112), true),
        operating_points: vec![point(1e-1, 0.2), point(1e-2, 0.4), point(1e-3, 0.6)],
        self_test: vec![SelfTestFace::new(&face, embedding)],
        provenance: Provenance::default(),
        comparable: vec![],
    }
}

#[test]
fn a_bundle_survives_its_file() {
    let bundle = Bundle::new(manifest(), b"onnx".into()).unwrap();
    assert_eq!(Bundle::decode(&bundle.encode().unwrap()).unwrap(), bundle);
}

#[test]
fn a_bundle_of_an_earlier_release_must_be_made_anew() {
    let mut bytes = Bundle::new(manifest(), b"onnx".into())
        .unwrap()
        .encode()
        .unwrap();
    bytes[10] = 2;
    let error = format!("{}", Bundle::decode(&bytes).unwrap_err());
    let expected = "Bundle version 2, this program reads version 4";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("make the bundle anew with them"), "{error}");
}

#[test]
fn every_impossible_manifest_has_its_error() {
    let check = |change: fn(&mut Manifest), field: &'static str| {
        let mut changed = manifest();
        change(&mut changed);
        changed.model_digest = digest_of(&changed.input, changed.mirror_sum);
        let forged = Bundle {
            detector: None,
            alternatives: vec![],
            manifest: changed.clone(),
            model: b"onnx".into(),
        };
        let error = Err(BundleError::Manifest(field));
        assert_eq!(Bundle::decode(&forged.encode().unwrap()), error);
        assert_eq!(Bundle::new(changed, b"onnx".into()), error);
    };
    check(|m| m.embedding_len = 0, "embedding length");
    check(|m| m.embedding_len = 1 << 20, "embedding length");
    check(|m| m.embedding_len = 3, "self-test face");
    check(|m| m.input.std[1] = 0.0, "normalization");
    check(|m| m.input.mean[2] = f32::NAN, "normalization");
    check(
        |m| m.operating_points[0].threshold = f32::NAN,
        "operating point",
    );
    check(|m| m.operating_points[0].fmr = 2.0, "operating point");
    check(
        |m| m.operating_points[0].impostor_pairs = 0,
        "operating point",
    );
    check(
        |m| m.operating_points[2].impostor_pairs = 999,
        "operating point",
    );
    check(
        |m| m.operating_points[1].genuine_pairs = 0,
        "operating point",
    );
    // A bundle whose template is another size than its faces.
    check(
        |m| m.input.template = AlignTemplate::Sphereface112x96,
        "self-test face",
    );
}

#[test]
fn a_network_fed_otherwise_is_another_model() {
    let changes: [fn(&mut Manifest); 5] = [
        |m| m.model_digest = Digest::of(b"other"),
        |m| m.mirror_sum = false,
        |m| m.input.mean[0] = 127.5,
        |m| m.input.std[2] = 127.5,
        |m| m.input.pixel_order = crate::preprocess::PixelOrder::Bgr,
    ];
    for change in changes {
        let mut changed = manifest();
        change(&mut changed);
        let error = Bundle::new(changed, b"onnx".into()).unwrap_err();
        assert!(matches!(error, BundleError::WrongModel { .. }), "{error}");
    }
}

#[test]
fn the_bytes_of_a_bundle_never_change() {
    // Whoever changes them raises the kind's version.
    let bytes = Bundle::new(manifest(), b"onnx".into())
        .unwrap()
        .encode()
        .unwrap();
    assert_eq!(bytes.len(), BUNDLE_LEN);
    assert_eq!(format!("{:?}", Digest::of(&bytes)), BUNDLE_DIGEST);
}

const BUNDLE_LEN: usize = 37_843;
const BUNDLE_DIGEST: &str = "13c42d8a";

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
