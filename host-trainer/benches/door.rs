//! Makes the bundle that `cargo xtask bench` times a door with, `bench-models/door.bundle` in the
//! target directory: the full MobileFaceNet and the detector, random weights, 8 bits.

use edge_runtime::detect::Detector;
use edge_runtime::network::Network;
use host_trainer::backbone::detector::detector;
use host_trainer::backbone::graph::{Activation, Graph};
use host_trainer::backbone::{Module, mobilefacenet};
use host_trainer::dataset::synthetic_face;
use host_trainer::detector::{layout, self_test_frames};
use host_trainer::export;
use host_trainer::generator::Generator;
use shared::bundle::{Bundle, Manifest, OperatingPoint, Precision, Provenance, SelfTestFace};
use shared::detector::{DetectorManifest, FrameSpec};
use shared::digest::Digest;
use shared::preprocess::{InputSpec, PixelOrder};
use std::path::Path;
use tch::Device;

const PRECISION: Precision = Precision::Int8Weights;
const EMBEDDING_LEN: u32 = 128;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-models");
    std::fs::create_dir_all(&folder).expect("the target directory can be written to");
    let (manifest, model) = face_finder();
    let bundle = embedder().with_detector(manifest, model);
    let bundle = bundle.expect("our own export is whole");
    edge_runtime::bundle::write(&folder.join("door.bundle"), &bundle).expect("the folder is there");
}

fn exported(graph: &Graph) -> Vec<u8> {
    let module = Module::new(graph.clone(), Device::Cpu, &Generator::seeded(1));
    export::onnx(graph, &export::weights(&module), PRECISION)
}

fn embedder() -> Bundle {
    let graph = mobilefacenet(1.0, EMBEDDING_LEN.into(), Activation::SharedPrelu);
    let (model, input) = (exported(&graph), InputSpec::rgb_128(graph.template()));
    let network = Network::from_onnx(&model, &input, EMBEDDING_LEN as usize, true);
    let network = network.expect("our own export runs");
    let face = synthetic_face(0, 0, 0, graph.template());
    let embedding = network.embed(&face).expect("a face has one").embedding;
    let manifest = Manifest {
        backbone: graph.name,
        precision: PRECISION,
        input,
        embedding_len: EMBEDDING_LEN,
        mirror_sum: true,
        model_digest: network.model(),
        // Measured on nothing: random weights tell nobody apart.
        operating_points: vec![OperatingPoint {
            threshold: 0.5,
            fmr: 1e-9,
            fnmr: 1.0,
            impostor_pairs: 10_000_000_000,
            genuine_pairs: 1,
        }],
        self_test: vec![SelfTestFace::new(&face, embedding)],
        provenance: Provenance::default(),
        comparable: vec![],
    };
    Bundle::new(manifest, model).expect("our own manifest is possible")
}

/// Its threshold is set so high that few cells of noise pass: merging thousands is no part of what
/// a detector does.
fn face_finder() -> (DetectorManifest, Vec<u8>) {
    let graph = detector(1.0, Activation::Relu);
    let model = exported(&graph);
    let mut manifest = DetectorManifest {
        name: graph.name,
        precision: PRECISION,
        input: FrameSpec {
            width: 160,
            height: 120,
            pixel_order: PixelOrder::Rgb,
            mean: [128.0; 3],
            std: [128.0; 3],
        },
        layout: layout(),
        threshold: 1e-6,
        // Noise confirms no second look, which a trained detector takes.
        close_look: None,
        digest: Digest::of(&model),
        self_test: Vec::new(),
        provenance: String::new(),
    };
    let frames = |manifest: &DetectorManifest| {
        let detector = Detector::from_onnx(&model, manifest).expect("our own export runs");
        self_test_frames(&detector, &manifest.input).expect("it runs again")
    };
    let best = frames(&manifest)
        .iter()
        .map(|f| f.score)
        .fold(1.0, f32::min);
    manifest.threshold = best * 0.999;
    manifest.self_test = frames(&manifest);
    (manifest, model)
}
