use super::*;
use crate::backbone::graph::{Activation, Graph};
use crate::backbone::{Module, mobilefacenet, sphereface20};
use crate::export;
use crate::generator::Generator;
use shared::bundle::Precision;

fn exported(graph: Graph) -> (Module, Vec<u8>) {
    let module = Module::new(graph, Device::Cpu, &Generator::seeded(3));
    let weights = export::weights(&module);
    let onnx = export::onnx(module.graph(), &weights, Precision::F32);
    (module, onnx)
}

#[test]
fn a_network_says_what_it_says_where_it_was_made() {
    let graphs = [
        mobilefacenet(0.125, 32, Activation::Prelu),
        mobilefacenet(0.125, 32, Activation::SharedPrelu),
        sphereface20(),
    ];
    for graph in graphs {
        let name = graph.name.clone();
        let [height, width] = graph.size;
        let (module, onnx) = exported(graph);
        let images = Tensor::randn([3, 3, height, width], (Kind::Float, Device::Cpu));
        let own = module.forward(&images, false);
        let looking = Looking::new(&onnx, Device::Cpu).unwrap();
        let seen = looking.forward(&images).unwrap();
        let apart = (&seen - &own).abs().max().double_value(&[]);
        let largest = own.abs().max().double_value(&[]);
        assert!(apart < 1e-4 * largest, "{name}: {apart} of {largest}");
    }
}

/// What an operator makes of these inputs.
fn computed(operator: &str, inputs: &[&Tensor]) -> Vec<f32> {
    let node = NodeProto {
        op_type: operator.into(),
        ..NodeProto::default()
    };
    let input = |i: usize| inputs.get(i).map(|t| t.shallow_clone());
    let value = compute(&node, &input).unwrap();
    Vec::try_from(value.contiguous().flatten(0, -1)).unwrap()
}

#[test]
fn operators_that_our_own_networks_lack_are_those_of_onnx() {
    let x = Tensor::from_slice(&[-1.0_f32, 2.0, 7.0, 9.0]).view([1, 2, 1, 2]);
    let number = |n: f32| Tensor::from(n);
    let each = |a: f32, b: f32| Tensor::from_slice(&[a, b]);
    let clipped = computed("Clip", &[&x, &number(0.0), &number(6.0)]);
    assert_eq!(clipped, [0.0, 2.0, 6.0, 6.0]);
    assert_eq!(computed("Identity", &[&x]), [-1.0, 2.0, 7.0, 9.0]);
    assert_eq!(computed("GlobalAveragePool", &[&x]), [0.5, 8.0]);
    assert_eq!(computed("LeakyRelu", &[&x]), [-0.01, 2.0, 7.0, 9.0]);
    let shape = Tensor::from_slice(&[1_i64, 4]);
    assert_eq!(computed("Reshape", &[&x, &shape]), [-1.0, 2.0, 7.0, 9.0]);
    // Scale, offset, mean, variance of each channel.
    let norm = [
        each(2.0, 1.0),
        each(0.5, 0.0),
        each(1.0, 8.0),
        each(1.0, 4.0),
    ];
    let [scale, offset, mean, variance] = &norm;
    let normal = computed("BatchNormalization", &[&x, scale, offset, mean, variance]);
    for (got, expected) in normal.iter().zip([-3.5, 2.5, -0.5, 0.5]) {
        assert!((got - expected).abs() < 1e-4, "{normal:?}");
    }
}

fn refused(change: impl Fn(&mut NodeProto)) -> String {
    let (_, onnx) = exported(mobilefacenet(0.125, 32, Activation::Prelu));
    let mut model = ModelProto::decode(&onnx[..]).unwrap();
    let nodes = &mut model.graph.as_mut().unwrap().node;
    change(nodes.iter_mut().find(|n| n.op_type == "Conv").unwrap());
    let looked = Looking::new(&model.encode_to_vec(), Device::Cpu).and_then(|looking| {
        looking.forward(&Tensor::zeros([1, 3, 112, 112], (Kind::Float, Device::Cpu)))
    });
    looked.unwrap_err().to_string()
}

#[test]
fn what_is_not_computed_is_named() {
    let message = refused(|conv| conv.op_type = "Softmax".into());
    assert!(
        message.contains("is Softmax, which consistent teaching"),
        "{message}"
    );
    let message = refused(|conv| {
        let pads = conv
            .attribute
            .iter_mut()
            .find(|a| a.name == "pads")
            .unwrap();
        pads.ints = vec![0, 0, 1, 1];
    });
    assert!(message.contains("Conv with these attributes"), "{message}");
    let message = refused(|conv| conv.input[0] = "nobody's".into());
    assert!(message.contains("Conv with these attributes"), "{message}");
    assert!(Looking::new(b"no network", Device::Cpu).is_err());
}
