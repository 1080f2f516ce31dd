use super::*;
use tract_onnx::pb::AttributeProto;

fn int8(name: &str, dims: &[i64], values: &[i32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: DataType::Int8 as i32,
        int32_data: values.into(),
        ..TensorProto::default()
    }
}

fn float(name: &str, values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: FLOAT,
        float_data: values.into(),
        ..TensorProto::default()
    }
}

fn dequantize(inputs: &[&str], axis: Option<i64>) -> NodeProto {
    let attribute = axis.map(|i| AttributeProto {
        name: "axis".into(),
        i,
        ..AttributeProto::default()
    });
    NodeProto {
        op_type: "DequantizeLinear".into(),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec!["w".into()],
        attribute: attribute.into_iter().collect(),
        ..NodeProto::default()
    }
}

/// What is left of a graph whose only other node takes the weights.
fn unpacked(initializer: Vec<TensorProto>, node: NodeProto) -> GraphProto {
    let user = NodeProto {
        input: vec!["w".into()],
        ..NodeProto::default()
    };
    let mut graph = GraphProto {
        initializer,
        node: vec![node, user],
        ..GraphProto::default()
    };
    unpack(&mut graph).unwrap();
    graph
}

#[test]
fn each_index_of_the_axis_has_its_scale_and_zero_point() {
    let weights = int8("q", &[2, 3], &[1, 2, 3, -4, 5, -128]);
    let check = |axis, scale: &[f32], zero: &[i32], expected: [f32; 6]| {
        let zero = int8("z", &[zero.len() as i64], zero);
        let tensors = vec![weights.clone(), float("s", scale), zero];
        let graph = unpacked(tensors, dequantize(&["q", "s", "z"], axis));
        assert_eq!((graph.node.len(), graph.initializer.len()), (1, 1));
        assert_eq!(graph.initializer[0].dims, [2, 3]);
        let found = f32_values(&graph.initializer[0]).unwrap();
        assert_eq!(found, expected, "{axis:?}");
    };
    let (rows, columns) = ([1.0, 0.5], [1.0, 2.0, 3.0]);
    check(Some(0), &rows, &[0, 0], [1.0, 2.0, 3.0, -2.0, 2.5, -64.0]);
    check(Some(0), &rows, &[1, -1], [0.0, 1.0, 2.0, -1.5, 3.0, -63.5]);
    check(None, &columns, &[0; 3], [1.0, 4.0, 9.0, -4.0, 10.0, -384.0]);
    check(
        Some(-1),
        &columns,
        &[1; 3],
        [0.0, 2.0, 6.0, -5.0, 8.0, -387.0],
    );
    check(Some(7), &[2.0], &[1], [0.0, 2.0, 4.0, -10.0, 8.0, -258.0]);
}

#[test]
fn what_is_not_int8_weights_is_left_alone() {
    let tensors = || vec![int8("q", &[1], &[1]), float("s", &[2.0])];
    for inputs in [&["x", "s"][..], &["q", "x"], &["q", "s", "x"], &["s", "s"]] {
        let graph = unpacked(tensors(), dequantize(inputs, None));
        assert_eq!(graph.node.len(), 2, "{inputs:?}");
    }
    let graph = unpacked(tensors(), dequantize(&["q", "s", ""], None));
    assert_eq!(graph.node.len(), 1);
}
