//! Networks, as a bundle holds them.

use crate::network::{Convolutions, Plan, weights};
use prost::Message;
use std::collections::HashSet;
use tract_onnx::pb::ModelProto;

/// The shape that the examples take.
const SHAPE: [usize; 4] = [1, 3, 16, 16];

/// ONNX, with its packed weights unpacked.
pub(super) fn weights(bytes: &[u8]) -> bool {
    let model = ModelProto::decode(bytes).ok();
    let Some(mut graph) = model.and_then(|model| model.graph) else {
        return false;
    };
    let before: HashSet<_> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    if weights::unpack(&mut graph).is_err() {
        return false;
    }
    let mut unpacked = graph
        .initializer
        .iter()
        .filter(|t| !before.contains(&t.name));
    assert!(unpacked.all(|tensor| {
        let numbers: i64 = tensor.dims.iter().product();
        tensor.data_type == weights::FLOAT && tensor.float_data.len() as i64 == numbers
    }));
    true
}

/// ONNX to what runs. Whatever it is, it ends with an error or gives as many numbers each time.
pub(super) fn network(bytes: &[u8]) -> bool {
    let Ok(plan) = Plan::build(bytes, SHAPE, Convolutions::default()) else {
        return false;
    };
    let planes = vec![1.0; SHAPE.iter().product()];
    if let Ok(outputs) = plan.run(&planes) {
        let lens: Vec<_> = outputs.iter().map(Vec::len).collect();
        assert_eq!(lens, plan.lens());
    }
    true
}
