//! Time from an aligned face to its embedding in the door's runtime, one thread. The models that
//! were measured are left in `bench-models/` of the target directory, so that another runtime can
//! be timed on the same files.

use criterion::{Criterion, criterion_group, criterion_main};
use edge_runtime::network::Network;
use host_trainer::backbone::graph::Activation;
use host_trainer::backbone::{Module, mobilefacenet, sphereface20};
use host_trainer::export;
use host_trainer::generator::Generator;
use shared::align::AlignedFace;
use shared::bundle::Precision;
use shared::preprocess::InputSpec;
use std::hint::black_box;
use std::path::Path;
use tch::Device;

fn embedding(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-models");
    std::fs::create_dir_all(&folder).expect("the target directory can be written to");
    let mut group = criterion.benchmark_group("embedding");
    group.sample_size(20);
    let mobilefacenet = |width| mobilefacenet(width, 128, Activation::SharedPrelu);
    let rows = [
        (
            "mobilefacenet-int8-weights",
            mobilefacenet(1.0),
            Precision::Int8Weights,
        ),
        ("mobilefacenet-f32", mobilefacenet(1.0), Precision::F32),
        (
            "mobilefacenet-half-int8-weights",
            mobilefacenet(0.5),
            Precision::Int8Weights,
        ),
        (
            "sphereface20-int8-weights",
            sphereface20(),
            Precision::Int8Weights,
        ),
    ];
    for (name, graph, precision) in rows {
        let generator = Generator::seeded(1);
        let weights = export::weights(&Module::new(graph.clone(), Device::Cpu, &generator));
        let model = export::onnx(&graph, &weights, precision);
        let input = InputSpec::rgb_128(graph.template());
        let network = Network::from_onnx(&model, &input, graph.embedding_len() as usize, false)
            .expect("our own export runs");
        let pixels = (0..graph.template().rgb_len())
            .map(|i| (i * 31 % 251) as u8)
            .collect();
        let face = AlignedFace::from_pixels(graph.template(), pixels).expect("of that length");
        std::fs::write(folder.join(format!("{name}.onnx")), &model).expect("the folder is there");
        group.bench_function(name, |bencher| {
            bencher.iter(|| network.embed(black_box(&face)))
        });
    }
    group.finish();
}

criterion_group!(benches, embedding);
criterion_main!(benches);
