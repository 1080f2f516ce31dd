//! Bundles of a small network.

use crate::onnx::{self, Weights};
use crate::people::photograph;
use edge_runtime::face;
use edge_runtime::network::Network;
use shared::align::AlignTemplate;
use shared::bundle::{
    Bundle, Comparable, Manifest, OperatingPoint, Precision, Provenance, SelfTestFace, model_digest,
};
use shared::preprocess::InputSpec;

pub(crate) const EMBEDDING_LEN: usize = 64;

pub(crate) fn input() -> InputSpec {
    InputSpec::rgb_128(AlignTemplate::Arcface112x112)
}

/// A bundle of a small network; `seed` makes its weights, and so its digest.
pub(crate) fn bundle_of(seed: u64) -> Bundle {
    one(seed, Precision::Int8Weights, Weights::Rows)
}

/// The same with its floats beside it. Each may be compared with the other's templates.
pub(crate) fn precisions_of(seed: u64) -> Bundle {
    let [bytes, floats] = [bundle_of(seed), one(seed, Precision::F32, Weights::Float)];
    let knows = |bundle: &Bundle, other: &Bundle| {
        let comparable = vec![comparable(other)];
        edited(bundle.clone(), |m| m.comparable = comparable)
    };
    let (a, b) = (knows(&bytes, &floats), knows(&floats, &bytes));
    a.with_alternative(b).unwrap()
}

/// A bundle of one precision with a changed manifest.
pub(crate) fn edited(bundle: Bundle, change: impl FnOnce(&mut Manifest)) -> Bundle {
    let mut manifest = bundle.manifest().clone();
    change(&mut manifest);
    Bundle::new(manifest, bundle.model().into()).unwrap()
}

/// That comparing with templates of that bundle costs nothing.
fn comparable(other: &Bundle) -> Comparable {
    let other = other.manifest();
    Comparable {
        model: other.model_digest,
        precision: other.precision,
        operating_points: other.operating_points.clone(),
        cosine_mean: 1.0,
        cosine_p1: 1.0,
    }
}

fn one(seed: u64, precision: Precision, weights: Weights) -> Bundle {
    let model = onnx::bytes(&onnx::projection(112, EMBEDDING_LEN, seed, weights));
    let network = Network::from_onnx(&model, &input(), EMBEDDING_LEN, true).unwrap();
    let self_test = ["una", "duo"].map(|person| {
        let photo = photograph(person, 0);
        let face = face::align(&photo.image, &photo.landmarks, input().template).unwrap();
        SelfTestFace::new(&face, network.embed(&face).unwrap().embedding)
    });
    let manifest = Manifest {
        precision,
        ..manifest(&model, self_test.into())
    };
    Bundle::new(manifest, model).unwrap()
}

pub(crate) fn manifest(model: &[u8], self_test: Vec<SelfTestFace>) -> Manifest {
    let point = |fmr, threshold| OperatingPoint {
        threshold,
        fmr,
        fnmr: 0.0,
        impostor_pairs: 100_000,
        genuine_pairs: 100,
    };
    Manifest {
        backbone: "projection".into(),
        precision: Precision::Int8Weights,
        input: input(),
        embedding_len: EMBEDDING_LEN as u32,
        mirror_sum: true,
        model_digest: model_digest(&input(), true, model),
        operating_points: vec![point(1e-2, 0.6), point(1e-3, 0.7), point(1e-4, 0.75)],
        self_test,
        provenance: Provenance::default(),
        comparable: vec![],
    }
}
