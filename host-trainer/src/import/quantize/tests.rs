use super::*;
use crate::backbone::graph::Activation;
use crate::backbone::{Module, mobilefacenet};
use crate::dataset::synthetic_face;
use crate::export;
use crate::generator::Generator;
use edge_runtime::network::{Network, NetworkError};
use shared::align::AlignTemplate;
use shared::bundle::Precision;
use shared::preprocess::InputSpec;
use tch::Device;
use tract_onnx::pb::{GraphProto, StringStringEntryProto};

const LEN: usize = 32;

/// A network of floats as others export it.
fn foreign() -> ModelProto {
    let graph = mobilefacenet(0.5, LEN as i64, Activation::Prelu);
    let module = Module::new(graph.clone(), Device::Cpu, &Generator::seeded(5));
    let model = export::onnx(&graph, &export::weights(&module), Precision::F32);
    ModelProto::decode(model.as_slice()).unwrap()
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn load(model: &[u8]) -> Result<Network, NetworkError> {
    let input = InputSpec::rgb_128(AlignTemplate::Arcface112x112);
    Network::from_onnx(model, &input, LEN, false)
}

fn cosine(a: &Network, b: &Network) -> f32 {
    let face = synthetic_face(0, 3, 0, a.input().template);
    let of = |network: &Network| network.embed(&face).unwrap().embedding;
    of(a).cosine(&of(b)).unwrap()
}

#[test]
fn a_quarter_of_the_size_gives_nearly_the_same() {
    let float = foreign().encode_to_vec();
    let quantized = quantize(&float).unwrap();
    assert!(
        (quantized.len() as f64) < 0.35 * float.len() as f64,
        "{} of {}",
        quantized.len(),
        float.len()
    );
    let cosine = cosine(&load(&float).unwrap(), &load(&quantized).unwrap());
    assert!((0.99..0.999_999_9).contains(&cosine), "{cosine}");
}

/// The same with three linear layers behind it, their weights as the operators may have them.
fn with_linear_layers() -> ModelProto {
    let mut model = foreign();
    let graph = graph(&mut model);
    let output = graph.output[0].name.clone();
    let last = graph.node.last_mut().unwrap();
    last.output = vec!["before".into()];
    let mut noise = 1_u32;
    let mut weights = |dims: [i64; 2]| TensorProto {
        dims: dims.into(),
        data_type: DataType::Float as i32,
        float_data: (0..dims[0] * dims[1])
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise as f32 / u32::MAX as f32 - 0.5
            })
            .collect(),
        ..TensorProto::default()
    };
    let named = |name: &str, tensor: TensorProto| TensorProto {
        name: name.into(),
        ..tensor
    };
    graph.initializer.push(named("in-out", weights([32, 40])));
    graph.initializer.push(named("out-in", weights([24, 40])));
    let constant = AttributeProto {
        name: "value".into(),
        r#type: AttributeType::Tensor as i32,
        t: Some(weights([24, 32])),
        ..AttributeProto::default()
    };
    let transposed = AttributeProto {
        name: "transB".into(),
        r#type: AttributeType::Int as i32,
        i: 1,
        ..AttributeProto::default()
    };
    let node = |name: &str, operator: &str, input: &[&str], attribute| NodeProto {
        name: name.into(),
        op_type: operator.into(),
        input: input.iter().map(|i| (*i).into()).collect(),
        output: vec![name.into()],
        attribute,
        ..NodeProto::default()
    };
    graph.node.extend([
        node("constant", "Constant", &[], vec![constant]),
        node("a", "MatMul", &["before", "in-out"], vec![]),
        node("b", "Gemm", &["a", "out-in"], vec![transposed]),
        node(&output, "Gemm", &["b", "constant"], vec![]),
    ]);
    model
}

#[test]
fn weights_of_linear_layers_have_a_scale_for_each_output() {
    let float = with_linear_layers().encode_to_vec();
    let quantized = quantize(&float).unwrap();
    let model = ModelProto::decode(quantized.as_slice()).unwrap();
    let graph = model.graph.unwrap();
    let scales = |name: &str| {
        let found = graph
            .initializer
            .iter()
            .find(|t| t.name == format!("{name}.scale"));
        found.map(|t| t.dims.clone())
    };
    assert_eq!(scales("in-out/int8.1"), Some(vec![40]));
    assert_eq!(scales("out-in/int8.0"), Some(vec![24]));
    assert_eq!(scales("constant/int8.1"), Some(vec![32]));
    assert!(graph.node.iter().all(|n| n.name != "constant"));
    let cosine = cosine(&load(&float).unwrap(), &load(&quantized).unwrap());
    assert!((0.99..0.999_999_9).contains(&cosine), "{cosine}");
}

#[test]
fn what_cannot_be_quantized_is_told_by_its_node() {
    let check = |change: fn(&mut ModelProto), needles: &[&str]| {
        let mut model = foreign();
        change(&mut model);
        let told = quantize(&model.encode_to_vec()).unwrap_err().to_string();
        for needle in needles {
            assert!(told.contains(needle), "{needle}: {told}");
        }
    };
    check(
        |m| m.opset_import[0].version = 11,
        &["node \"conv1\"", "opset 13", "has 11", "--precision f32"],
    );
    check(|m| m.opset_import.clear(), &["node \"conv1\"", "has none"]);
    check(
        |m| {
            let tensor = &mut graph(m).initializer[0];
            tensor.raw_data[8..12].copy_from_slice(&f32::INFINITY.to_le_bytes());
        },
        &["node \"conv1\"", "weight 2 of \"conv1.weight\" is inf"],
    );
    check(
        |m| {
            graph(m).initializer[0].raw_data.pop();
        },
        &["node \"conv1\"", "shape [32, 3, 3, 3] says otherwise"],
    );
    check(
        |m| {
            let tensor = &mut graph(m).initializer[0];
            tensor.data_location = Some(DataLocation::External as i32);
            tensor.external_data = vec![StringStringEntryProto {
                key: "location".into(),
                value: "weights.bin".into(),
            }];
            tensor.raw_data.clear();
        },
        &["\"conv1.weight\" lie in another file"],
    );
    check(
        |m| {
            graph(m)
                .node
                .iter_mut()
                .for_each(|n| n.op_type = "Relu".into())
        },
        &["no convolution, Gemm or MatMul", "--precision f32"],
    );
    check(|m| m.graph = None, &["no graph"]);
    assert!(
        quantize(b"\xff\xff")
            .unwrap_err()
            .to_string()
            .contains("not ONNX")
    );
}

#[test]
fn what_does_not_run_is_told_by_its_node() {
    let check = |change: fn(&mut ModelProto), needles: &[&str]| {
        let mut model = foreign();
        change(&mut model);
        let told = load(&model.encode_to_vec())
            .map(|_| ())
            .unwrap_err()
            .to_string();
        for needle in needles {
            assert!(told.contains(needle), "{needle}: {told}");
        }
    };
    check(
        |m| {
            let node = &mut graph(m).node[1];
            (node.name, node.op_type) = ("odd one".into(), "Frobnicate".into());
        },
        &["odd one", "Frobnicate", "tract supports"],
    );
    check(
        |m| {
            // How many numbers there are is only known when it runs.
            let graph = graph(m);
            let last = graph.node.last_mut().unwrap();
            (last.name, last.op_type) = ("some of them".into(), "NonZero".into());
        },
        &["some of them"],
    );
    check(
        |m| {
            let tensor = &mut graph(m).initializer[0];
            tensor.data_location = Some(DataLocation::External as i32);
            tensor.raw_data.clear();
        },
        &["conv1.weight", "another file"],
    );
}
