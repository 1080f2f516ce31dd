//! ONNX bytes to something that runs.

use super::{Convolutions, NetworkError, direct, weights};
use crate::contained::contained;
use prost::Message;
use std::sync::Arc;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, tensor_proto::DataLocation, tensor_shape_proto::dimension,
    type_proto,
};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::bail;

/// The most numbers in a tensor while a network runs: 256 MiB of floats. Those of faces have a
/// hundredth.
const MAX_NUMBERS: usize = 1 << 26;

/// A network of one f32 input and f32 outputs.
pub(crate) struct Plan {
    pub(super) plan: Arc<TypedRunnableModel>,
    pub(super) shape: [usize; 4],
    names: Vec<String>,
    lens: Vec<usize>,
}

impl Plan {
    /// Checks and optimizes a network that takes `shape`, and runs it once on zeros.
    ///
    /// # Errors
    /// [`NetworkError`]; what only fails when run fails here.
    pub(crate) fn build(
        model: &[u8],
        shape: [usize; 4],
        convolutions: Convolutions,
    ) -> Result<Self, NetworkError> {
        let mut proto = read(model, shape)?;
        let graph = proto.graph.as_ref().ok_or(NetworkError::NoGraph)?;
        let names = graph.output.iter().map(|o| o.name.clone()).collect();
        let direct = match convolutions {
            Convolutions::Direct => direct::rewrite(graph),
            Convolutions::Tract => None,
        };
        let (plan, lens) = match direct {
            None => optimize(proto, shape)?,
            Some(graph) => {
                proto.graph = Some(graph);
                // What the rewrite does not understand after all runs as it is; read again, so
                // that the weights are not held twice meanwhile.
                optimize(proto, shape).or_else(|_| optimize(read(model, shape)?, shape))?
            }
        };
        Ok(Self {
            plan,
            shape,
            names,
            lens,
        })
    }

    /// Where among those that [`Self::run`] gives the output of that name is.
    ///
    /// # Errors
    /// [`NetworkError::NoOutput`], [`NetworkError::OutputLength`] if it has not `len` numbers.
    pub(crate) fn output(&self, name: &str, len: usize) -> Result<usize, NetworkError> {
        let at = self.names.iter().position(|n| n == name);
        let at = at.ok_or_else(|| NetworkError::NoOutput(name.into()))?;
        match self.lens[at] {
            found if found == len => Ok(at),
            found => Err(NetworkError::OutputLength {
                found,
                expected: len,
            }),
        }
    }

    /// How many numbers each output has.
    pub(crate) fn lens(&self) -> &[usize] {
        &self.lens
    }

    /// Whether the outputs have those numbers of numbers.
    ///
    /// # Errors
    /// [`NetworkError::Ports`], [`NetworkError::OutputLength`].
    pub(crate) fn check_outputs(&self, expected: &[usize]) -> Result<(), NetworkError> {
        if self.lens.len() != expected.len() {
            return Err(NetworkError::Ports {
                inputs: 1,
                outputs: self.lens.len(),
                expected: expected.len(),
            });
        }
        let mut pairs = self.lens.iter().zip(expected);
        match pairs.find(|(found, expected)| found != expected) {
            Some((found, expected)) => Err(NetworkError::OutputLength {
                found: *found,
                expected: *expected,
            }),
            None => Ok(()),
        }
    }

    /// The numbers of all outputs for as many planes as the input takes.
    ///
    /// # Errors
    /// [`NetworkError::Unsupported`].
    pub(crate) fn run(&self, planes: &[f32]) -> Result<Vec<Vec<f32>>, NetworkError> {
        run(&self.plan, &self.shape, planes).map_err(unsupported)
    }
}

fn run(
    plan: &Arc<TypedRunnableModel>,
    shape: &[usize],
    planes: &[f32],
) -> TractResult<Vec<Vec<f32>>> {
    let input = Tensor::from_shape(shape, planes)?;
    let numbers = |output: &TValue| -> TractResult<Vec<f32>> {
        let view = output.to_plain_array_view::<f32>()?;
        Ok(view.iter().copied().collect())
    };
    plan.run(tvec!(input.into()))?.iter().map(numbers).collect()
}

pub(super) fn unsupported(error: TractError) -> NetworkError {
    NetworkError::Unsupported(format!("{error:#}"))
}

/// A network that takes `shape`, its weights as floats.
fn read(model: &[u8], shape: [usize; 4]) -> Result<ModelProto, NetworkError> {
    let mut proto = ModelProto::decode(model)?;
    let graph = proto.graph.as_mut().ok_or(NetworkError::NoGraph)?;
    check_input(graph, shape)?;
    check_weights(graph)?;
    graph.node.iter().try_for_each(check_order)?;
    weights::unpack(graph)?;
    Ok(proto)
}

/// The plan and how many numbers each output has.
fn optimize(
    proto: ModelProto,
    shape: [usize; 4],
) -> Result<(Arc<TypedRunnableModel>, Vec<usize>), NetworkError> {
    let build = || -> TractResult<_> {
        let mut onnx = tract_onnx::onnx();
        direct::register(&mut onnx);
        let mut model = onnx
            // Shapes noted for a symbolic batch would contradict the batch of one.
            .with_ignore_value_info(true)
            .model_for_proto_model(&proto)?;
        drop(proto);
        model.set_input_fact(0, f32::fact(shape).into())?;
        let typed = model.into_typed()?;
        check_sizes(&typed)?;
        check_outputs(&typed)?;
        let optimized = typed.into_optimized()?;
        // With what padding and the like need between.
        check_sizes(&optimized)?;
        let plan = optimized.into_runnable()?;
        let zeros = vec![0.0; shape.iter().product()];
        let outputs = run(&plan, &shape, &zeros)?;
        Ok((plan, outputs.iter().map(Vec::len).collect()))
    };
    // Tract answers some impossible graphs with a panic (an output that no node makes, say);
    // nothing of its half-built state outlives the closure.
    match contained(|| build().map_err(unsupported)) {
        Ok(built) => built,
        Err(said) => Err(NetworkError::Unsupported(said)),
    }
}

/// Floats, and as many each time.
fn check_outputs(model: &TypedModel) -> TractResult<()> {
    for output in model.output_outlets()? {
        let (name, fact) = (&model.node(output.node).name, model.outlet_fact(*output)?);
        let (kind, shape) = (fact.datum_type, &fact.shape);
        if kind != f32::datum_type() || shape.as_concrete().is_none() {
            bail!("node {name:?} gives {kind:?} of shape {shape:?}, expected F32 of a known shape");
        }
    }
    Ok(())
}

/// None in a file of its own.
fn check_weights(graph: &GraphProto) -> Result<(), NetworkError> {
    let external = Some(DataLocation::External as i32);
    let mut tensors = graph.initializer.iter();
    match tensors.find(|t| t.data_location == external) {
        Some(tensor) => Err(NetworkError::External(tensor.name.clone())),
        None => Ok(()),
    }
}

/// An order of dimensions that names one twice would keep tract busy until no memory is left.
fn check_order(node: &NodeProto) -> Result<(), NetworkError> {
    let perm = node.attribute.iter().find(|a| a.name == "perm");
    let Some(perm) = perm.filter(|_| node.op_type == "Transpose") else {
        return Ok(());
    };
    let mut order = perm.ints.clone();
    order.sort_unstable();
    if order.into_iter().eq(0..perm.ints.len() as i64) {
        return Ok(());
    }
    let (name, found) = (&node.name, &perm.ints);
    Err(NetworkError::Unsupported(format!(
        "node {name:?} has the order of dimensions {found:?}, which is none"
    )))
}

/// A few bytes of a file may ask for any amount of memory.
fn check_sizes(model: &TypedModel) -> TractResult<()> {
    for node in &model.nodes {
        for output in &node.outputs {
            let Some(shape) = output.fact.shape.as_concrete() else {
                continue;
            };
            let numbers = shape
                .iter()
                .try_fold(1, |n: usize, dim| n.checked_mul(*dim));
            if numbers.is_none_or(|numbers| numbers > MAX_NUMBERS) {
                let name = &node.name;
                bail!(
                    "node {name:?} gives a tensor of {shape:?} numbers, at most {MAX_NUMBERS} are computed"
                );
            }
        }
    }
    Ok(())
}

/// One input of that shape (dimensions may be left open).
fn check_input(graph: &GraphProto, expected: [usize; 4]) -> Result<(), NetworkError> {
    // Older files list the weights among the inputs.
    let is_weight = |name: &str| graph.initializer.iter().any(|w| w.name == name);
    let inputs: Vec<_> = graph.input.iter().filter(|i| !is_weight(&i.name)).collect();
    let [input] = inputs.as_slice() else {
        return Err(NetworkError::Ports {
            inputs: inputs.len(),
            outputs: graph.output.len(),
            expected: 1,
        });
    };
    let tensor = input.r#type.as_ref().and_then(|t| t.value.as_ref());
    let shape = |found: String| NetworkError::InputShape { found, expected };
    let Some(type_proto::Value::TensorType(tensor)) = tensor else {
        return Err(shape("something that is no tensor".into()));
    };
    let dims: Option<Vec<_>> = tensor.shape.as_ref().map(|shape| {
        let fixed = |value: &Option<dimension::Value>| match value {
            Some(dimension::Value::DimValue(n)) => Some(*n),
            _ => None,
        };
        shape.dim.iter().map(|d| fixed(&d.value)).collect()
    });
    let fits = |dims: &Vec<Option<i64>>| {
        let same = |(dim, want): (&Option<i64>, &usize)| dim.is_none_or(|d| d == *want as i64);
        dims.len() == 4 && dims.iter().zip(&expected).all(same)
    };
    let is_float = tensor.elem_type == weights::FLOAT;
    if is_float && dims.as_ref().is_none_or(fits) {
        return Ok(());
    }
    let element = if is_float { "f32" } else { "no f32" };
    let number = |d: &Option<i64>| d.map_or("?".into(), |n| n.to_string());
    let dims: Vec<_> = dims.iter().flatten().map(number).collect();
    Err(shape(format!("{element} [{}]", dims.join(", "))))
}
