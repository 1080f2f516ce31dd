mod network;
mod refused;

use super::rewrite;
use crate::network::{Convolutions, Plan};
use network::{Layer, Network, float, int, ints};
use proptest::prelude::*;
use tract_onnx::pb::{AttributeProto, TensorProto, attribute_proto::AttributeType};

fn layers() -> impl Strategy<Value = (Layer, [usize; 2])> {
    let side = 1..=4_usize;
    let kernel = [side.clone(), side.clone()];
    let channels = (1..=70_usize, 1..=70_usize, any::<bool>());
    let pads = [0..=3_usize, 0..=3_usize, 0..=3_usize, 0..=3_usize];
    let sizes = [4..=15_usize, 4..=15_usize];
    let stride = [1..=3_usize, 1..=3_usize];
    (channels, kernel, stride, pads, sizes).prop_map(
        |((inputs, outputs, depthwise), kernel, stride, pads, size)| {
            let (inputs, groups) = if depthwise {
                (outputs, outputs)
            } else {
                (inputs, 1)
            };
            let most = [kernel[0], kernel[1], kernel[0], kernel[1]];
            let layer = Layer {
                inputs,
                outputs,
                kernel,
                stride,
                pads: std::array::from_fn(|i| pads[i].min(most[i] - 1)),
                groups,
            };
            (layer, size)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_convolution_is_that_of_tract((layer, [rows, columns]) in layers()) {
        let mut network = Network::new([1, layer.inputs, rows, columns]);
        network.conv("y", "x", &layer);
        network.output("y");
        prop_assert_eq!(network.compare(), 1);
    }
}

/// Appends nodes.
type Append = fn(&mut Network);

/// A convolution, the nodes that `activate` appends, and another convolution.
fn activated(channels: usize, activate: impl Fn(&mut Network)) -> Network {
    let mut network = Network::new([1, 5, 9, 7]);
    network.conv("c", "x", &Layer::three(5, channels, 1));
    activate(&mut network);
    network.conv("y", "a", &Layer::one(channels, 3));
    network.output("y");
    network
}

#[test]
fn activations_are_those_of_tract() {
    let slopes: Append = |n| {
        n.constant("s", &[40, 1, 1]);
        n.node("a", "PRelu", &["c", "s"], vec![]);
    };
    let maximum: Append = |n| {
        let slopes = (0..40).map(|i| i as f32 / 40.0).collect();
        n.tensor("s", &[40, 1, 1], slopes);
        n.node("m", "Mul", &["s", "c"], vec![]);
        n.node("a", "Max", &["c", "m"], vec![]);
    };
    let clip: Append = |n| {
        n.tensor("low", &[], vec![-0.1]);
        n.tensor("high", &[], vec![0.4]);
        n.node("a", "Clip", &["c", "low", "high"], vec![]);
    };
    let all: [(&str, Append); 6] = [
        ("none", |n| n.node("a", "Identity", &["c"], vec![])),
        ("relu", |n| n.node("a", "Relu", &["c"], vec![])),
        ("leaky", |n| {
            n.node("a", "LeakyRelu", &["c"], vec![float("alpha", 0.3)]);
        }),
        ("slopes", slopes),
        ("maximum", maximum),
        ("clip", clip),
    ];
    for (name, activate) in all {
        let mut network = activated(40, activate);
        assert_eq!(network.compare(), 2, "{name}");
        let rewritten = rewrite(&network.graph).unwrap();
        let left = ["Relu", "LeakyRelu", "PRelu", "Max", "Mul", "Clip"];
        let left = rewritten
            .node
            .iter()
            .find(|n| left.contains(&n.op_type.as_str()));
        assert!(left.is_none(), "{name}: {left:?}");
    }
}

#[test]
fn slopes_that_are_no_prelu_stay_a_maximum() {
    let mut network = activated(40, |n| {
        n.tensor("s", &[40, 1, 1], vec![1.5; 40]);
        n.node("m", "Mul", &["s", "c"], vec![]);
        n.node("a", "Max", &["c", "m"], vec![]);
    });
    assert_eq!(network.compare(), 2);
    let rewritten = rewrite(&network.graph).unwrap();
    assert!(rewritten.node.iter().any(|n| n.op_type == "Max"));
}

#[test]
fn a_bottleneck_with_its_residual_is_three_nodes_and_no_transposition() {
    let mut network = Network::new([1, 24, 14, 14]);
    network.conv("wide", "x", &Layer::one(24, 48));
    network.node("wide.a", "Relu", &["wide"], vec![]);
    network.conv("depth", "wide.a", &Layer::depthwise(48, 1));
    network.node("depth.a", "Relu", &["depth"], vec![]);
    network.conv("narrow", "depth.a", &Layer::one(48, 24));
    network.node("sum", "Add", &["x", "narrow"], vec![]);
    network.conv("half", "sum", &Layer::depthwise(24, 2));
    network.node("flat", "Flatten", &["half"], vec![]);
    network.output("flat");
    assert_eq!(network.compare(), 4);
    let nodes = rewrite(&network.graph).unwrap().node;
    let transposed = nodes.iter().filter(|n| n.op_type == "Transpose");
    // At the beginning and at the end.
    assert_eq!((nodes.len(), transposed.count()), (7, 2));
}

#[test]
fn a_value_that_is_used_twice_or_leaves_stays() {
    let mut network = Network::new([1, 8, 6, 6]);
    network.conv("c", "x", &Layer::three(8, 16, 1));
    network.node("r", "Relu", &["c"], vec![]);
    network.conv("d", "r", &Layer::three(16, 16, 1));
    // Both branches of a sum are convolutions, one of them used again.
    network.conv("e", "c", &Layer::one(16, 16));
    network.node("sum", "Add", &["d", "e"], vec![]);
    network.node("again", "Mul", &["sum", "c"], vec![]);
    for output in ["r", "sum", "again"] {
        network.output(output);
    }
    assert_eq!(network.compare(), 3);
}

#[test]
fn what_is_not_understood_is_left_to_tract() {
    let check = |change: Append| {
        let mut network = Network::new([1, 8, 9, 9]);
        network.conv("y", "x", &Layer::three(8, 8, 1));
        change(&mut network);
        network.output("y");
        assert_eq!(network.compare(), 0);
    };
    check(|n| n.graph.node[0].attribute.push(ints("dilations", &[2, 2])));
    check(|n| {
        // Two groups.
        n.graph.node[0].attribute.retain(|a| a.name != "group");
        n.graph.node[0].attribute.push(int("group", 2));
        n.graph.initializer.retain(|t| t.name != "y.w");
        n.constant("y.w", &[8, 4, 3, 3]);
    });
    check(|n| {
        n.graph.node[0].attribute.retain(|a| a.name != "pads");
        n.graph.node[0].attribute.push(AttributeProto {
            name: "auto_pad".into(),
            r#type: AttributeType::String as i32,
            s: b"SAME_UPPER".to_vec(),
            ..AttributeProto::default()
        });
    });
}

#[test]
fn nodes_without_outputs_are_none_of_ours() {
    for gone in 0..2 {
        let mut network = activated(40, |n| n.node("a", "Relu", &["c"], vec![]));
        network.graph.node[gone].output.clear();
        let rewritten = rewrite(&network.graph).unwrap();
        let left = rewritten.node.iter().filter(|n| n.output.is_empty());
        assert_eq!(left.count(), 1);
        assert!(Plan::build(&network.model(), network.shape, Convolutions::Direct).is_err());
    }
}

#[test]
fn a_residual_of_another_shape_falls_back() {
    let mut network = Network::new([1, 8, 1, 1]);
    network.conv("c", "x", &Layer::one(8, 8));
    // It is the convolution that is broadcast.
    network.node("wide", "Expand", &["x", "shape"], vec![]);
    network.graph.initializer.push(TensorProto {
        dims: vec![4],
        data_type: 7,
        name: "shape".into(),
        int64_data: vec![1, 8, 3, 3],
        ..TensorProto::default()
    });
    network.node("y", "Add", &["c", "wide"], vec![]);
    network.output("y");
    assert_eq!(network.compare(), 0);
}
