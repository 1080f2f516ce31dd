use super::rewrite;
use crate::network::{Convolutions, Plan};
use proptest::prelude::*;
use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_shape_proto, type_proto,
};

/// Splitmix64, in -1 to 1.
struct Noise(u64);

impl Noise {
    fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) as i64 as f64 / i64::MAX as f64) as f32
    }
}

/// A network of one input, put together node by node.
struct Network {
    noise: Noise,
    graph: GraphProto,
    shape: [usize; 4],
}

impl Network {
    fn new(shape: [usize; 4]) -> Self {
        let graph = GraphProto {
            name: "test".into(),
            input: vec![value("x", &shape.map(|n| n as i64))],
            ..GraphProto::default()
        };
        Self {
            noise: Noise(3),
            graph,
            shape,
        }
    }

    fn constant(&mut self, name: &str, dims: &[i64]) {
        let values = self.noise.numbers(dims.iter().product::<i64>() as usize);
        self.tensor(name, dims, values);
    }

    fn tensor(&mut self, name: &str, dims: &[i64], values: Vec<f32>) {
        self.graph.initializer.push(TensorProto {
            dims: dims.into(),
            data_type: 1,
            name: name.into(),
            raw_data: values.into_iter().flat_map(f32::to_le_bytes).collect(),
            ..TensorProto::default()
        });
    }

    fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|i| (*i).into()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: operator.into(),
            attribute,
            ..NodeProto::default()
        });
    }

    /// With random weights and bias.
    fn conv(&mut self, name: &str, input: &str, layer: &Layer) {
        let per_group = layer.inputs / layer.groups;
        let weights = [layer.outputs, per_group, layer.kernel[0], layer.kernel[1]];
        let [w, b] = ["w", "b"].map(|part| format!("{name}.{part}"));
        self.constant(&w, &weights.map(|n| n as i64));
        self.constant(&b, &[layer.outputs as i64]);
        let attributes = vec![
            ints("kernel_shape", &layer.kernel),
            ints("strides", &layer.stride),
            ints("pads", &layer.pads),
            int("group", layer.groups),
        ];
        self.node(name, "Conv", &[input, &w, &b], attributes);
    }

    fn output(&mut self, name: &str) {
        self.graph.output.push(value(name, &[]));
    }

    fn model(&self) -> Vec<u8> {
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 16,
            }],
            graph: Some(self.graph.clone()),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }

    /// The outputs of both ways on the same input, which must be nearly the same; how many nodes
    /// are direct.
    fn compare(&mut self) -> usize {
        let planes = self.noise.numbers(self.shape.iter().product());
        let run = |convolutions| {
            let plan = Plan::build(&self.model(), self.shape, convolutions).unwrap();
            plan.run(&planes).unwrap()
        };
        let (direct, tract) = (run(Convolutions::Direct), run(Convolutions::Tract));
        assert_eq!(direct.len(), tract.len());
        for (direct, tract) in direct.iter().zip(&tract) {
            assert_eq!(direct.len(), tract.len());
            let largest = tract.iter().fold(1e-3_f32, |m, x| m.max(x.abs()));
            for (i, (a, b)) in direct.iter().zip(tract).enumerate() {
                assert!((a - b).abs() <= 1e-4 * largest, "number {i}: {a}, {b}");
            }
        }
        let rewritten = rewrite(&self.graph);
        let nodes = rewritten.map_or(vec![], |graph| graph.node);
        nodes
            .iter()
            .filter(|n| n.op_type == super::op::OPERATOR)
            .count()
    }
}

#[derive(Debug, Clone)]
struct Layer {
    inputs: usize,
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [usize; 4],
    groups: usize,
}

impl Layer {
    fn three(inputs: usize, outputs: usize, stride: usize) -> Self {
        Self {
            inputs,
            outputs,
            kernel: [3; 2],
            stride: [stride; 2],
            pads: [1; 4],
            groups: 1,
        }
    }

    fn one(inputs: usize, outputs: usize) -> Self {
        Self {
            kernel: [1; 2],
            pads: [0; 4],
            ..Self::three(inputs, outputs, 1)
        }
    }

    fn depthwise(channels: usize, stride: usize) -> Self {
        Self {
            groups: channels,
            ..Self::three(channels, channels, stride)
        }
    }
}

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |n: &i64| Dimension {
        value: Some(Value::DimValue(*n)),
        ..Dimension::default()
    };
    let shape = (!dims.is_empty()).then(|| TensorShapeProto {
        dim: dims.iter().map(dim).collect(),
    });
    let tensor = type_proto::Tensor {
        elem_type: 1,
        shape,
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|n| *n as i64).collect(),
        ..AttributeProto::default()
    }
}

fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value as i64,
        ..AttributeProto::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Float as i32,
        f: value,
        ..AttributeProto::default()
    }
}

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
fn a_small_file_that_asks_for_much_memory_is_refused_by_its_node() {
    for (pads, stride) in [(1 << 20, 1), (1 << 14, 1 << 14)] {
        let mut network = Network::new([1, 8, 9, 9]);
        let layer = Layer {
            pads: [pads; 4],
            stride: [stride; 2],
            ..Layer::three(8, 8, 1)
        };
        network.conv("y", "x", &layer);
        network.output("y");
        let built = Plan::build(&network.model(), network.shape, Convolutions::Direct);
        let told = built.map(|_| ()).unwrap_err().to_string();
        assert!(
            told.contains("node \"y") && told.contains("are computed"),
            "{told}"
        );
    }
}

#[test]
fn an_order_of_dimensions_that_is_none_is_refused_by_its_node() {
    for order in [&[0, 1, 1, 3][..], &[0, 1, 2, 4], &[1, 2, 3, 4]] {
        let mut network = Network::new([1, 8, 9, 9]);
        network.node("y", "Transpose", &["x"], vec![ints("perm", order)]);
        network.output("y");
        let built = Plan::build(&network.model(), network.shape, Convolutions::Direct);
        let told = built.map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("node \"y\" has the order"), "{told}");
    }
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
    network.compare();
}

#[test]
fn a_file_cannot_bring_the_node_itself() {
    let mut network = Network::new([1, 8, 9, 9]);
    network.conv("y", "x", &Layer::three(8, 8, 1));
    network.output("y");
    network.graph.node[0].op_type = super::op::OPERATOR.into();
    assert!(rewrite(&network.graph).is_none());
    for layer in [
        &[][..],
        &[3, 3, 1, 1, 1, 1, 1, 1, 8, 0, 0, 1],
        &[1 << 40; 12],
    ] {
        network.graph.node[0].attribute = vec![ints("layer", layer)];
        assert!(Plan::build(&network.model(), network.shape, Convolutions::Direct).is_err());
    }
}
