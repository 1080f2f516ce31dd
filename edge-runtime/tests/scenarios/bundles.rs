//! Bundles of a small network.

use crate::onnx::{self, Weights};
use crate::people::photograph;
use edge_runtime::face;
use edge_runtime::network::Network;
use shared::align::AlignTemplate;
use shared::bundle::{
    Bundle, Manifest, OperatingPoint, Precision, Provenance, SelfTestFace, model_digest,
};
use shared::preprocess::InputSpec;

pub(crate) const EMBEDDING_LEN: usize = 64;

pub(crate) fn input() -> InputSpec {
    InputSpec::rgb_128(AlignTemplate::Arcface112x112)
}

/// A bundle of a small network; `seed` makes its weights, and so its digest.
pub(crate) fn bundle_of(seed: u64) -> Bundle {
    let model = onnx::bytes(&onnx::projection(112, EMBEDDING_LEN, seed, Weights::Rows));
    let network = Network::from_onnx(&model, &input(), EMBEDDING_LEN, true).unwrap();
    let self_test = ["una", "duo"].map(|person| {
        let photo = photograph(person, 0);
        let face = face::align(&photo.image, &photo.landmarks, input().template).unwrap();
        SelfTestFace::new(&face, network.embed(&face).unwrap().embedding)
    });
    Bundle::new(manifest(&model, self_test.into()), model).unwrap()
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
    }
}
