//! The exported network computes what the trained module computes: in the door's runtime, and in
//! ONNX Runtime after onnx.checker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ask, peer, with_statistics};
use edge_runtime::network::Network;
use host_trainer::backbone::graph::{Activation, Graph};
use host_trainer::backbone::{Module, mobilefacenet, sphereface20};
use host_trainer::dataset::loader::Batch;
use host_trainer::dataset::synthetic::{Identity, render};
use host_trainer::{export, train};
use shared::align::{AlignedFace, RgbImage, align};
use shared::bundle::Precision;
use shared::embedding::Embedding;
use shared::preprocess::{InputSpec, PixelOrder};
use tch::Device;

fn face(input: &InputSpec) -> AlignedFace {
    let picture = render(&Identity::new(1, 2), 3);
    let frame = RgbImage::new(320, 240, picture.frame.as_raw()).unwrap();
    align(frame, &picture.landmarks, input.template).unwrap()
}

fn input(graph: &Graph) -> InputSpec {
    InputSpec {
        pixel_order: PixelOrder::Bgr,
        mean: [100.0, 110.0, 120.0],
        std: [60.0, 50.0, 70.0],
        ..InputSpec::rgb_128(graph.template())
    }
}

/// What the module gives for a face, prepared by the trainer's tensors.
fn trained(module: &Module, input: &InputSpec, face: &AlignedFace) -> Vec<f32> {
    let batch = Batch {
        pixels: face.pixels().to_vec(),
        labels: vec![0],
        images: vec![0],
    };
    let images = train::images(&batch, input, Device::Cpu);
    Vec::try_from(module.forward(&images, false).flatten(0, -1)).unwrap()
}

fn graphs() -> [Graph; 4] {
    [
        sphereface20(),
        mobilefacenet(0.5, 128, Activation::SharedPrelu),
        mobilefacenet(0.25, 64, Activation::Prelu),
        mobilefacenet(0.25, 64, Activation::Relu),
    ]
}

#[test]
fn the_door_computes_what_was_trained() {
    for graph in graphs() {
        let (module, input) = (with_statistics(graph.clone()), input(&graph));
        let (face, weights) = (face(&input), export::weights(&module));
        let expected = Embedding::from_raw(trained(&module, &input, &face)).unwrap();
        for (precision, least) in [(Precision::F32, 0.999_999), (Precision::Int8Weights, 0.999)] {
            let model = export::onnx(&graph, &weights, precision);
            let len = graph.embedding_len() as usize;
            let network = Network::from_onnx(&model, &input, len, false).unwrap();
            let cosine = network
                .embed(&face)
                .unwrap()
                .embedding
                .cosine(&expected)
                .unwrap();
            assert!(cosine > least, "{} {precision:?}: {cosine}", graph.name);
        }
    }
}

#[test]
fn eight_bit_weights_are_a_quarter_of_the_size() {
    for graph in [
        sphereface20(),
        mobilefacenet(1.0, 128, Activation::SharedPrelu),
    ] {
        let weights = export::weights(&with_statistics(graph.clone()));
        let len = |precision| export::onnx(&graph, &weights, precision).len() as f64;
        let ratio = len(Precision::Int8Weights) / len(Precision::F32);
        assert!((0.24..0.32).contains(&ratio), "{}: {ratio}", graph.name);
    }
}

#[test]
fn the_trainer_prepares_images_as_the_door_does() {
    for order in [PixelOrder::Rgb, PixelOrder::Bgr] {
        let graph = mobilefacenet(0.25, 64, Activation::Relu);
        let input = InputSpec {
            pixel_order: order,
            ..input(&graph)
        };
        let face = face(&input);
        let batch = Batch {
            pixels: face.pixels().to_vec(),
            labels: vec![0],
            images: vec![0],
        };
        let images = train::images(&batch, &input, Device::Cpu)
            .contiguous()
            .flatten(0, -1);
        let ours = Vec::<f32>::try_from(images).unwrap();
        let theirs = input.prepare(&face).unwrap();
        assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(ours.len(), theirs.len());
    }
}

#[test]
fn onnx_checker_and_onnx_runtime_agree() {
    let Some(python) = peer() else {
        return;
    };
    for graph in graphs() {
        let (module, input) = (with_statistics(graph.clone()), input(&graph));
        let (face, weights) = (face(&input), export::weights(&module));
        let planes = input.prepare(&face).unwrap();
        for precision in [Precision::F32, Precision::Int8Weights] {
            let model = export::onnx(&graph, &weights, precision);
            let network = Network::from_onnx(&model, &input, graph.embedding_len() as usize, false);
            let door = network.unwrap().embed(&face).unwrap();
            let said = ask(&python, &model, &planes, door.embedding.as_slice());
            let told = format!("{} {precision:?}: {said}", graph.name);
            assert!(said["cosine"].as_f64().unwrap() > 0.999_999, "{told}");
            let versions = (&said["opset"], &said["ir_version"]);
            assert_eq!(versions, (&13.into(), &8.into()));
        }
    }
}
