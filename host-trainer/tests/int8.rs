//! A network in integers: the door and ONNX Runtime compute what the rounded tensors compute, and
//! about what the floats compute.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod dense;

use common::{ask, peer, with_statistics};
use dense::dense;
use edge_runtime::network::Network;
use host_trainer::backbone::graph::{Activation, Graph};
use host_trainer::backbone::{Module, sphereface20_with};
use host_trainer::config::{QuantizationConfig, Recipe};
use host_trainer::dataset::loader::{Batch, TrainingSet};
use host_trainer::dataset::{DataConfig, prepare, synthetic_face};
use host_trainer::export::{self, Weights, folded};
use host_trainer::generator::Generator;
use host_trainer::quantize::{Layout, Method, Scheme, Tuning, calibrate, fit, tune, tuning};
use host_trainer::train;
use prost::Message;
use shared::align::AlignedFace;
use shared::bundle::{Bundle, Manifest, Precision, Provenance, SelfTestFace};
use shared::embedding::Embedding;
use shared::preprocess::InputSpec;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use tch::{Device, Tensor};
use tract_onnx::pb::ModelProto;

/// A network without norms, and how it goes into integers.
struct Quantized {
    graph: Graph,
    weights: Weights,
    scheme: Scheme,
    input: InputSpec,
}

impl Quantized {
    fn new(graph: Graph, method: Method) -> Self {
        Self::with(graph, method, |_| {}, &[])
    }

    /// Three channels of the last but one layer with a residual sum are dead or all but, and that
    /// layer and the one before have a scale for each channel.
    fn with_dead_channels() -> Self {
        let change = |weights: &mut Weights| {
            let row = 48 * 9;
            let own = weights.get_mut("stage4a.weight").unwrap();
            own[..row].fill(0.0);
            own[row..2 * row].iter_mut().for_each(|w| *w *= 1e-12);
            let own = weights.get_mut("stage4a.bias").unwrap();
            own[..2].copy_from_slice(&[0.3, -0.4]);
            weights.get_mut("linear.weight").unwrap()[..48].fill(0.0);
        };
        let (graph, method) = (dense(Activation::Relu), Method::MeanSquaredError);
        Self::with(graph, method, change, &["stage3b", "stage4a"])
    }

    fn with(
        graph: Graph,
        method: Method,
        change: impl FnOnce(&mut Weights),
        each_channel: &[&str],
    ) -> Self {
        let module = with_statistics(graph);
        let input = InputSpec::rgb_128(module.graph().template());
        let (graph, mut weights) = folded(module.graph(), &export::weights(&module));
        change(&mut weights);
        let faces: Vec<AlignedFace> = (0..40).map(|i| face(&input, i)).collect();
        let layout = Layout::new(&graph).unwrap();
        let float = Module::with_weights(graph.clone(), &weights, Device::Cpu);
        let calibration = calibrate(&float, &input, &layout, &faces).unwrap();
        let network = (&graph, &weights);
        // Which layers of the large one need more scales would take a minute to measure.
        let scheme = if graph.nodes.len() > 40 || !each_channel.is_empty() {
            let is_one = |i: &usize| each_channel.contains(&graph.nodes[*i].name.as_str());
            let each: Vec<usize> = (0..graph.nodes.len()).filter(is_one).collect();
            assert_eq!(each.len(), each_channel.len());
            Scheme::new(&graph, &weights, &layout, &calibration, method, &each).unwrap()
        } else {
            let schemes = fit(network, &input, &layout, &calibration, &faces).unwrap();
            let mut schemes = schemes.into_iter();
            schemes.find(|(m, _)| *m == method).unwrap().1
        };
        Self {
            graph,
            weights,
            scheme,
            input,
        }
    }

    fn model(&self) -> Vec<u8> {
        export::int8(&self.graph, &self.weights, &self.scheme).unwrap()
    }

    fn door(&self) -> Network {
        let len = self.graph.embedding_len() as usize;
        Network::from_onnx(&self.model(), &self.input, len, false).unwrap()
    }

    fn module(&self) -> Module {
        Module::with_weights(self.graph.clone(), &self.weights, Device::Cpu)
    }
}

fn face(input: &InputSpec, person: u64) -> AlignedFace {
    synthetic_face(9, person, 0, input.template)
}

fn embedding(module: &Module, input: &InputSpec, face: &AlignedFace) -> Embedding {
    let batch = Batch {
        pixels: face.pixels().to_vec(),
        labels: vec![0],
        images: vec![0],
    };
    let images = train::images(&batch, input, Device::Cpu);
    let raw = module.forward(&images, false).flatten(0, -1);
    Embedding::from_raw(Vec::try_from(raw).unwrap()).unwrap()
}

/// The last has layers so large that their input is symmetric, the one before has scales for each
/// channel.
fn networks() -> Vec<Quantized> {
    let (relu, shared) = (Activation::Relu, Activation::SharedPrelu);
    vec![
        Quantized::new(dense(relu), Method::Percentile),
        Quantized::new(dense(relu), Method::MeanSquaredError),
        Quantized::new(dense(shared), Method::MeanSquaredError),
        Quantized::with_dead_channels(),
        Quantized::new(sphereface20_with(relu), Method::Percentile),
    ]
}

/// How many nodes of an operator a model has, and how many of them have such a list as that input.
fn nodes_of(model: &[u8], operator: &str, (input, len): (usize, i64)) -> [usize; 2] {
    let graph = ModelProto::decode(model).unwrap().graph.unwrap();
    let nodes = graph.node.iter().filter(|n| n.op_type == operator);
    let is_list = |name: &String| {
        let mut constants = graph.initializer.iter();
        constants.any(|c| c.name == *name && c.dims == [len])
    };
    let lists = nodes
        .clone()
        .filter(|n| n.input.get(input).is_some_and(is_list));
    [nodes.count(), lists.count()]
}

#[test]
fn layers_between_bytes_are_one_operator_each() {
    // The operator's input 4 is the weights' scale.
    let found = networks().into_iter().map(|quantized| {
        let model = quantized.model();
        let [layers, each] = nodes_of(&model, "QLinearConv", (4, 48));
        let [cut_off, _] = nodes_of(&model, "Max", (0, 0));
        let [floats, _] = nodes_of(&model, "Conv", (0, 0));
        [layers, each, cut_off, floats]
    });
    let found: Vec<_> = found.collect();
    // Of stage3b's 32 and stage4a's 48 channels, those of the second are counted. The large
    // network's last sum is symmetric, so the ReLUs of both its summands are computed on bytes.
    let expected = [
        [11, 0, 0, 0],
        [11, 0, 0, 0],
        [11, 0, 0, 0],
        [11, 1, 0, 0],
        [20, 0, 2, 0],
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_door_computes_what_the_rounded_tensors_compute() {
    for (i, quantized) in networks().into_iter().enumerate() {
        let (door, float) = (quantized.door(), quantized.module());
        let rounded = quantized.module().quantized(quantized.scheme.clone());
        for person in 100..104 {
            let face = face(&quantized.input, person);
            let found = door.embed(&face).unwrap().embedding;
            let near = |module| {
                embedding(module, &quantized.input, &face)
                    .cosine(&found)
                    .unwrap()
            };
            let (to_rounded, to_float) = (near(&rounded), near(&float));
            let name = &quantized.graph.name;
            assert!(to_rounded > 0.999, "{name} {i}: {to_rounded}");
            assert!(to_float > 0.98, "{name} {i}: {to_float}");
        }
    }
}

/// Training goes on with the recipe's loop, loss and optimizer.
fn recipe() -> Recipe {
    let text = include_str!("../configs/demo.toml");
    let text = text.replace("embedding_len = 128", "embedding_len = 64");
    let mut recipe: Recipe = toml::from_str(&text).unwrap();
    recipe.training.batch_size = 16;
    recipe.optimizer.learning_rate = 0.01;
    recipe.quantization = Some(QuantizationConfig {
        fine_tune_steps: 12,
        learning_rate: 1e-3,
        ..QuantizationConfig::default()
    });
    recipe
}

#[test]
fn a_fine_tuned_network_computes_at_the_door_what_was_trained() {
    let dir = tempfile::tempdir().unwrap();
    let mut quantized = Quantized::new(dense(Activation::SharedPrelu), Method::Percentile);
    let data = DataConfig::Synthetic {
        people: 10,
        pictures: 4,
        held_out: 0.0,
    };
    let template = quantized.input.template;
    let set = prepare(&data, None, template, 3, dir.path()).unwrap();
    let recipe = tuning(&recipe());
    let head = Weights::new();
    let tuning = Tuning {
        recipe: &recipe,
        set: Arc::new(TrainingSet::new(Arc::new(set), |_| true)),
        data_digest: "",
        teacher: None,
        head: &head,
        out: dir.path(),
    };
    let network = (&quantized.graph, &quantized.weights);
    let tuned = tune(&tuning, network, &quantized.scheme).unwrap();
    for (name, numbers) in &quantized.weights {
        assert_ne!(numbers, &tuned[name], "{name} is as it was");
    }
    quantized.weights = tuned;
    let door = quantized.door();
    let rounded = quantized.module().quantized(quantized.scheme.clone());
    for person in 100..110 {
        let face = face(&quantized.input, person);
        let found = door.embed(&face).unwrap().embedding;
        let expected = embedding(&rounded, &quantized.input, &face);
        let cosine = found.cosine(&expected).unwrap();
        assert!(cosine > 0.999, "{cosine}");
    }
    let metrics = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    assert!(metrics.contains("\"step\":12"), "{metrics}");
}

#[test]
fn gradients_pass_the_rounding_and_end_where_a_number_is_cut_off() {
    let quantized = Quantized::new(dense(Activation::Relu), Method::Percentile);
    let name = "stage1.weight";
    let module = |change: f32| {
        let mut weights = quantized.weights.clone();
        weights.get_mut(name).unwrap()[0] = change;
        let module = Module::with_weights(quantized.graph.clone(), &weights, Device::Cpu);
        module.quantized(quantized.scheme.clone())
    };
    let gradient = |change: f32| {
        let module = module(change);
        let _generator = Generator::seeded(5);
        let images = Tensor::rand([2, 3, 112, 112], (tch::Kind::Float, Device::Cpu));
        let loss = module.forward(&images, true).square().sum(tch::Kind::Float);
        loss.backward();
        let gradient = module.tensors()[name].grad().flatten(0, -1);
        Vec::<f32>::try_from(gradient).unwrap()
    };
    let inside = gradient(0.01);
    let learned = inside.iter().filter(|g| **g != 0.0).count();
    assert!(inside[0] != 0.0 && learned > inside.len() / 2, "{learned}");
    assert_eq!(gradient(10.0)[0], 0.0);
}

/// A bundle whose self-test faces were embedded here.
fn bundle(quantized: &Quantized) -> Bundle {
    let door = quantized.door();
    let recorded = |person| {
        let face = face(&quantized.input, person);
        SelfTestFace::new(&face, door.embed(&face).unwrap().embedding)
    };
    let manifest = Manifest {
        backbone: quantized.graph.name.clone(),
        precision: Precision::Int8,
        input: quantized.input.clone(),
        embedding_len: quantized.graph.embedding_len() as u32,
        mirror_sum: false,
        model_digest: door.model(),
        operating_points: vec![],
        self_test: (100..108).map(recorded).collect(),
        provenance: Provenance::default(),
        comparable: vec![],
    };
    Bundle::new(manifest, quantized.model()).unwrap()
}

#[test]
fn another_processor_gives_the_same_bits() {
    let Some(door) = std::env::var_os("FACELATCH_OTHER_DOOR") else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: FACELATCH_OTHER_DOOR names no edge-runtime for another processor (docs/training.md)"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("int8.bundle");
    for activation in [Activation::Relu, Activation::SharedPrelu] {
        let quantized = Quantized::new(dense(activation), Method::MeanSquaredError);
        edge_runtime::bundle::write(&path, &bundle(&quantized)).unwrap();
        let mut command = Command::new(&door);
        command.args(["selftest", "--json", "--bundle"]).arg(&path);
        let ran = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{stderr}");
        let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(
            (&said["faces"], &said["largest_difference"]),
            (&8.into(), &0.0.into())
        );
    }
}

#[test]
fn bytes_are_a_quarter_of_the_floats() {
    let quantized = Quantized::new(dense(Activation::Relu), Method::Percentile);
    let precision = Precision::F32;
    let floats = export::onnx(&quantized.graph, &quantized.weights, precision);
    let ratio = quantized.model().len() as f64 / floats.len() as f64;
    assert!((0.24..0.32).contains(&ratio), "{ratio}");
}

#[test]
fn onnx_checker_and_onnx_runtime_agree() {
    let Some(python) = peer() else {
        return;
    };
    for quantized in networks() {
        let face = face(&quantized.input, 200);
        let planes = quantized.input.prepare(&face).unwrap();
        let door = quantized.door().embed(&face).unwrap();
        let said = ask(
            &python,
            &quantized.model(),
            &planes,
            door.embedding.as_slice(),
        );
        // Sums that lie between two bytes go to either.
        let cosine = said["cosine"].as_f64().unwrap();
        assert!(cosine > 0.999, "{}: {said}", quantized.graph.name);
        let versions = (&said["opset"], &said["ir_version"]);
        assert_eq!(versions, (&13.into(), &8.into()));
    }
}
