//! Small networks as ONNX: average pooling over 8x8 pixels, then one projection.

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, type_proto,
};

/// How the weights of the projection are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weights {
    /// As floats, rounded to what the int8 ones stand for.
    Float,
    /// `DequantizeLinear` with a scale for each row and a zero point for each row.
    Rows,
    /// The same without zero points, and the axis counted from the end.
    RowsNoZero,
    /// `DequantizeLinear` with one scale.
    Tensor,
}

/// A network for crops of that width (112 high) that gives `len` numbers; `seed` makes the weights.
pub(crate) fn projection(width: usize, len: usize, seed: u64, weights: Weights) -> ModelProto {
    let inputs = 3 * 14 * (width / 8);
    let mut noise = Noise(seed);
    let int8: Vec<i8> = (0..inputs * len)
        .map(|_| (noise.next() * 120.0) as i8)
        .collect();
    let eights = |name| ints(name, vec![8, 8]);
    let pooling = vec![eights("kernel_shape"), eights("strides")];
    let mut graph = GraphProto {
        name: "projection".into(),
        input: vec![port("face", &[1, 3, 112, width])],
        output: vec![port("embedding", &[1, len])],
        node: vec![
            node("pool", "AveragePool", &["face"], pooling),
            node("flat", "Flatten", &["pool"], vec![]),
        ],
        ..GraphProto::default()
    };
    add_weights(&mut graph, weights, [len, inputs], &int8);
    graph.node.push(node(
        "embedding",
        "Gemm",
        &["flat", "w"],
        vec![int("transB", 1)],
    ));
    model(graph)
}

/// Scale and zero point of a row; one scale for all has neither.
fn row_scale(row: usize) -> f32 {
    0.01 + row as f32 * 1e-4
}

fn row_zero(row: usize) -> i8 {
    (row % 5) as i8 - 2
}

fn add_weights(graph: &mut GraphProto, weights: Weights, [rows, columns]: [usize; 2], int8: &[i8]) {
    let dims = vec![rows as i64, columns as i64];
    let scales: Vec<f32> = (0..rows).map(row_scale).collect();
    let zeros: Vec<i8> = (0..rows).map(row_zero).collect();
    let per_row = vec![rows as i64];
    let value = |(i, w): (usize, &i8)| {
        let row = i / columns;
        f32::from(i16::from(*w) - i16::from(zeros[row])) * scales[row]
    };
    let (scale, zero, axis) = match weights {
        Weights::Float => {
            let floats: Vec<f32> = int8.iter().enumerate().map(value).collect();
            graph.initializer.push(float_tensor("w", dims, &floats));
            return;
        }
        Weights::Rows => {
            let zero = int8_tensor("w_zero", per_row.clone(), &zeros);
            (float_tensor("w_scale", per_row, &scales), Some(zero), 0)
        }
        Weights::RowsNoZero => (float_tensor("w_scale", per_row, &scales), None, -2),
        Weights::Tensor => (float_tensor("w_scale", vec![], &[0.01]), None, 0),
    };
    let inputs = &["w_int8", "w_scale", "w_zero"][..2 + usize::from(zero.is_some())];
    graph
        .initializer
        .extend([int8_tensor("w_int8", dims, int8), scale]);
    graph.initializer.extend(zero);
    graph.node.push(node(
        "w",
        "DequantizeLinear",
        inputs,
        vec![int("axis", axis)],
    ));
}

/// The bytes of a model's file.
pub(crate) fn bytes(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// A node whose one output has its name.
pub(crate) fn node(
    name: &str,
    op: &str,
    inputs: &[&str],
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        name: name.into(),
        op_type: op.into(),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec![name.into()],
        attribute,
        ..NodeProto::default()
    }
}

fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 13,
        }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i,
        r#type: attribute_proto::AttributeType::Int as i32,
        ..AttributeProto::default()
    }
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints,
        r#type: attribute_proto::AttributeType::Ints as i32,
        ..AttributeProto::default()
    }
}

fn int8_tensor(name: &str, dims: Vec<i64>, values: &[i8]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims,
        data_type: DataType::Int8 as i32,
        raw_data: values.iter().map(|v| *v as u8).collect(),
        ..TensorProto::default()
    }
}

fn float_tensor(name: &str, dims: Vec<i64>, values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims,
        data_type: DataType::Float as i32,
        float_data: values.into(),
        ..TensorProto::default()
    }
}

/// An f32 input or output.
pub(crate) fn port(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dim = |d: &usize| Dimension {
        value: Some(dimension::Value::DimValue(*d as i64)),
        ..Dimension::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto {
            dim: dims.iter().map(dim).collect(),
        }),
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

/// Numbers from a fixed seed (splitmix64), even in -1 to 1.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) as i64 as f64 / i64::MAX as f64) as f32
    }
}

/// Outputs of cells of 8x8 pixels: `score`, the mean of all planes, and `landmarks`, always
/// `offsets`; `[1, numbers, rows, columns]`, or `[1, cells, numbers]` with `cells_first`.
pub(crate) fn bright_cells(
    [height, width]: [usize; 2],
    offsets: &[f32],
    cells_first: bool,
) -> ModelProto {
    let eights = |name| ints(name, vec![8, 8]);
    let conv = || vec![eights("kernel_shape"), eights("strides")];
    let numbers = offsets.len();
    let weights = |name: &str, outputs: usize, value: f32| {
        let dims = vec![outputs as i64, 3, 8, 8];
        float_tensor(name, dims, &vec![value; outputs * 192])
    };
    let grids = [
        node("score_grid", "Conv", &["frame", "w1"], conv()),
        node("landmarks_grid", "Conv", &["frame", "w2", "b2"], conv()),
    ];
    let mut graph = GraphProto {
        name: "bright_cells".into(),
        input: vec![port("frame", &[1, 3, height, width])],
        initializer: vec![
            weights("w1", 1, 1.0 / 192.0),
            weights("w2", numbers, 0.0),
            float_tensor("b2", vec![numbers as i64], offsets),
            int64_tensor("shape1", &[1, 1, -1]),
            int64_tensor("shape2", &[1, numbers as i64, -1]),
        ],
        node: grids.into(),
        ..GraphProto::default()
    };
    let cells = height / 8 * (width / 8);
    for (name, shape, count) in [("score", "shape1", 1), ("landmarks", "shape2", numbers)] {
        let grid = format!("{name}_grid");
        let dims = if cells_first {
            let flat = format!("{name}_flat");
            graph
                .node
                .push(node(&flat, "Reshape", &[&grid, shape], vec![]));
            let order = vec![ints("perm", vec![0, 2, 1])];
            graph.node.push(node(name, "Transpose", &[&flat], order));
            vec![1, cells, count]
        } else {
            graph.node.push(node(name, "Identity", &[&grid], vec![]));
            vec![1, count, height / 8, width / 8]
        };
        graph.output.push(port(name, &dims));
    }
    model(graph)
}

fn int64_tensor(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.into(),
        ..TensorProto::default()
    }
}
