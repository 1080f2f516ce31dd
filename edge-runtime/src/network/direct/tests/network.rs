//! Small networks, put together node by node.

use crate::network::{Convolutions, Plan};
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
pub(super) struct Network {
    noise: Noise,
    pub(super) graph: GraphProto,
    pub(super) shape: [usize; 4],
}

impl Network {
    pub(super) fn new(shape: [usize; 4]) -> Self {
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

    pub(super) fn constant(&mut self, name: &str, dims: &[i64]) {
        let values = self.noise.numbers(dims.iter().product::<i64>() as usize);
        self.tensor(name, dims, values);
    }

    pub(super) fn tensor(&mut self, name: &str, dims: &[i64], values: Vec<f32>) {
        self.graph.initializer.push(TensorProto {
            dims: dims.into(),
            data_type: 1,
            name: name.into(),
            raw_data: values.into_iter().flat_map(f32::to_le_bytes).collect(),
            ..TensorProto::default()
        });
    }

    pub(super) fn node(
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
    pub(super) fn conv(&mut self, name: &str, input: &str, layer: &Layer) {
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

    pub(super) fn output(&mut self, name: &str) {
        self.graph.output.push(value(name, &[]));
    }

    pub(super) fn model(&self) -> Vec<u8> {
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

    /// Runs both ways on the same input, which must give nearly the same; how many convolutions
    /// were computed directly.
    pub(super) fn compare(&mut self) -> usize {
        let planes = self.noise.numbers(self.shape.iter().product());
        let run = |convolutions| {
            let plan = Plan::build(&self.model(), self.shape, convolutions).unwrap();
            let layers = plan.layers(&planes, 1).unwrap().into_iter();
            let direct = layers.filter(|l| l.operator == "DirectConv").count();
            (plan.run(&planes).unwrap(), direct)
        };
        let (direct, tract) = (run(Convolutions::Direct), run(Convolutions::Tract));
        assert_eq!(tract.1, 0);
        assert_eq!(direct.0.len(), tract.0.len());
        for (direct, tract) in direct.0.iter().zip(&tract.0) {
            assert_eq!(direct.len(), tract.len());
            let largest = tract.iter().fold(1e-3_f32, |m, x| m.max(x.abs()));
            for (i, (a, b)) in direct.iter().zip(tract).enumerate() {
                assert!((a - b).abs() <= 1e-4 * largest, "number {i}: {a}, {b}");
            }
        }
        direct.1
    }
}

#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) pads: [usize; 4],
    pub(super) groups: usize,
}

impl Layer {
    pub(super) fn three(inputs: usize, outputs: usize, stride: usize) -> Self {
        Self {
            inputs,
            outputs,
            kernel: [3; 2],
            stride: [stride; 2],
            pads: [1; 4],
            groups: 1,
        }
    }

    pub(super) fn one(inputs: usize, outputs: usize) -> Self {
        Self {
            kernel: [1; 2],
            pads: [0; 4],
            ..Self::three(inputs, outputs, 1)
        }
    }

    pub(super) fn depthwise(channels: usize, stride: usize) -> Self {
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

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|n| *n as i64).collect(),
        ..AttributeProto::default()
    }
}

pub(super) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value as i64,
        ..AttributeProto::default()
    }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Float as i32,
        f: value,
        ..AttributeProto::default()
    }
}
