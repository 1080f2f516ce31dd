//! Writes ONNX messages; knows the format and nothing of faces.

use crate::quantize::per_channel;
use prost::Message;
use shared::bundle::Precision;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataType, tensor_shape_proto, type_proto,
};

/// DequantizeLinear along an axis came with this one.
const OPSET: i64 = 13;
/// The ONNX file version that goes with it.
const IR_VERSION: i64 = 8;

pub(super) struct Writer {
    precision: Precision,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    outputs: Vec<ValueInfoProto>,
}

/// What a convolution's weights move over.
pub(super) struct Window {
    /// Side in pixels.
    pub(super) kernel: i64,
    /// Step in pixels.
    pub(super) stride: i64,
    /// Zeros added on each side, in pixels.
    pub(super) padding: i64,
    /// 1 for dense.
    pub(super) groups: i64,
}

impl Writer {
    pub(super) fn new(precision: Precision) -> Self {
        Self {
            precision,
            nodes: Vec::new(),
            initializers: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Appends a node with one output, named like the node.
    pub(super) fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|i| (*i).into()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: operator.into(),
            attribute,
            ..NodeProto::default()
        });
        name.into()
    }

    /// A convolution by `Conv`, or by one of the operators that compute it in integers.
    pub(super) fn conv(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        window: &Window,
    ) -> String {
        let attributes = vec![
            ints("kernel_shape", &[window.kernel; 2]),
            ints("strides", &[window.stride; 2]),
            ints("pads", &[window.padding; 4]),
            int("group", window.groups),
        ];
        self.node(name, operator, inputs, attributes)
    }

    pub(super) fn gemm(&mut self, name: &str, inputs: [&str; 3]) -> String {
        self.node(name, "Gemm", &inputs, vec![int("transB", 1)])
    }

    pub(super) fn leaky_relu(&mut self, name: &str, input: &str, slope: f32) -> String {
        let alpha = AttributeProto {
            f: slope,
            ..attribute("alpha", AttributeType::Float)
        };
        self.node(name, "LeakyRelu", &[input], vec![alpha])
    }

    /// A constant of 32-bit floats.
    pub(super) fn floats(&mut self, name: &str, shape: &[i64], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Float, shape, bytes)
    }

    /// A constant of signed bytes.
    pub(super) fn bytes(&mut self, name: &str, shape: &[i64], values: &[i8]) -> String {
        let bytes = values.iter().map(|b| *b as u8).collect();
        self.constant(name, DataType::Int8, shape, bytes)
    }

    /// A constant of 32-bit integers.
    pub(super) fn integers(&mut self, name: &str, shape: &[i64], values: &[i32]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Int32, shape, bytes)
    }

    /// A constant of 64-bit integers, as shapes are.
    pub(super) fn longs(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len() as i64], bytes)
    }

    /// Sums `[1, C, H, W]` to floats, with a scale for each channel.
    pub(super) fn dequantize_channels(&mut self, name: &str, inputs: &[&str]) -> String {
        self.node(name, "DequantizeLinear", inputs, vec![int("axis", 1)])
    }

    /// The weight of a layer, in the writer's precision; the first dimension is the output channel.
    pub(super) fn weight(&mut self, layer: &str, shape: &[i64], values: &[f32]) -> String {
        let name = format!("{layer}.weight");
        if self.precision == Precision::F32 {
            return self.floats(&name, shape, values);
        }
        let channels = shape[0];
        let quantized = per_channel(values, channels as usize);
        let zeros = vec![0; channels as usize];
        let inputs = [
            self.bytes(&format!("{name}.int8"), shape, &quantized.bytes),
            self.floats(&format!("{name}.scale"), &[channels], &quantized.scales),
            self.bytes(&format!("{name}.zero"), &[channels], &zeros),
        ];
        let inputs = [0, 1, 2].map(|i| inputs[i].as_str());
        self.node(&name, "DequantizeLinear", &inputs, vec![int("axis", 0)])
    }

    fn constant(&mut self, name: &str, kind: DataType, shape: &[i64], bytes: Vec<u8>) -> String {
        self.initializers.push(TensorProto {
            dims: shape.into(),
            data_type: kind as i32,
            name: name.into(),
            raw_data: bytes,
            ..TensorProto::default()
        });
        name.into()
    }

    /// Lets a value leave the model under that name.
    pub(super) fn output(&mut self, name: &str, value: &str, shape: &[i64]) {
        self.node(&format!("{name}.output"), "Identity", &[value], vec![]);
        let renamed = self.nodes.last_mut().expect("just written");
        renamed.output = vec![name.into()];
        self.outputs.push(value_info(name, shape));
    }

    /// The bytes of the model.
    pub(super) fn finish(self, name: &str, input: [i64; 4]) -> Vec<u8> {
        let graph = GraphProto {
            node: self.nodes,
            name: name.into(),
            initializer: self.initializers,
            input: vec![value_info("input", &input)],
            output: self.outputs,
            ..GraphProto::default()
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            producer_name: "facelatch".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: kind as i32,
        ..AttributeProto::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        i: value,
        ..attribute(name, AttributeType::Int)
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: values.into(),
        ..attribute(name, AttributeType::Ints)
    }
}

fn value_info(name: &str, shape: &[i64]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dimension = |n: &i64| Dimension {
        value: Some(Value::DimValue(*n)),
        ..Dimension::default()
    };
    let shape = TensorShapeProto {
        dim: shape.iter().map(dimension).collect(),
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(shape),
    };
    let kind = TypeProto {
        value: Some(type_proto::Value::TensorType(tensor)),
        ..TypeProto::default()
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(kind),
        ..ValueInfoProto::default()
    }
}
