//! The network: ONNX bytes to a runnable plan, an aligned face to a template.

mod weights;

use prost::Message;
use shared::align::AlignedFace;
use shared::bundle::{Bundle, model_digest};
use shared::digest::Digest;
use shared::embedding::{DegenerateEmbedding, Embedding, Template};
use shared::preprocess::{InputSpec, WrongTemplate};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use tract_onnx::pb::{GraphProto, ModelProto, tensor_shape_proto::dimension, type_proto};
use tract_onnx::prelude::*;

/// Why a network does not load or run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No protobuf of ONNX.
    #[error("the model is not ONNX ({0}); export it again")]
    NotOnnx(#[from] prost::DecodeError),
    /// A model without a network in it.
    #[error("the model is not ONNX: it holds no graph; export it again")]
    NoGraph,
    /// More or fewer inputs or outputs than one each.
    #[error(
        "the network has {inputs} inputs and {outputs} outputs, expected one each; export the embedding alone"
    )]
    Ports {
        /// Inputs that are not initialized.
        inputs: usize,
        /// Outputs.
        outputs: usize,
    },
    /// Made for other images.
    #[error("the network takes {found}, the manifest says f32 [1, 3, {}, {}]; manifest and model are of two exports", expected[2], expected[3])]
    InputShape {
        /// Type and shape in the graph.
        found: String,
        /// `[1, 3, height, width]`.
        expected: [usize; 4],
    },
    /// An embedding of another length.
    #[error(
        "the network gives {found}, the manifest says {expected} numbers; manifest and model are of two exports"
    )]
    OutputLength {
        /// Shape of the output.
        found: String,
        /// Numbers of an embedding.
        expected: usize,
    },
    /// Weights whose scale does not fit them.
    #[error(
        "the quantized weights of node {node:?} are impossible: {reason}; export the model again"
    )]
    Weights {
        /// The node's name.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// The runtime refuses the graph.
    #[error("the network does not run here: {0}; export it with operators that tract supports")]
    Unsupported(String),
    /// The face was cut for another network.
    #[error(transparent)]
    Face(#[from] WrongTemplate),
    /// The embedding has no direction.
    #[error(transparent)]
    Dead(#[from] DegenerateEmbedding),
}

/// A network ready to run; shared by any number of threads.
pub struct Network {
    plan: Arc<TypedRunnableModel>,
    input: InputSpec,
    mirror_sum: bool,
    model: Digest,
}

impl Network {
    /// Builds a bundle's network. Whether it computes here what it computed where it was made is
    /// for [`crate::bundle::self_test`] to say.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn load(bundle: &Bundle) -> Result<Self, NetworkError> {
        let manifest = bundle.manifest();
        let len = manifest.embedding_len as usize;
        Self::from_onnx(bundle.model(), &manifest.input, len, manifest.mirror_sum)
    }

    /// Builds a network from ONNX: one f32 input of `input.shape()`, one output of
    /// `embedding_len` numbers. With `mirror_sum` a face and its mirror image are embedded and
    /// summed.
    ///
    /// # Errors
    /// [`NetworkError`]; a blank face is run, so what only fails when run fails here.
    pub fn from_onnx(
        model: &[u8],
        input: &InputSpec,
        embedding_len: usize,
        mirror_sum: bool,
    ) -> Result<Self, NetworkError> {
        let mut proto = ModelProto::decode(model)?;
        let graph = proto.graph.as_mut().ok_or(NetworkError::NoGraph)?;
        check_ports(graph, input.shape())?;
        weights::unpack(graph)?;
        // Tract answers some impossible graphs with a panic (an output that no node makes, say);
        // nothing of its half-built state outlives the closure.
        let built = panic::catch_unwind(AssertUnwindSafe(|| plan(&proto, input, embedding_len)));
        let plan =
            built.unwrap_or_else(|panic| Err(NetworkError::Unsupported(crate::said(&*panic))))?;
        Ok(Self {
            plan,
            input: input.clone(),
            mirror_sum,
            model: model_digest(input, mirror_sum, model),
        })
    }

    /// What its templates are comparable under; see [`model_digest`].
    pub fn model(&self) -> Digest {
        self.model
    }

    /// What faces must be aligned to.
    pub fn input(&self) -> &InputSpec {
        &self.input
    }

    /// Whether a face and its mirror image are embedded and summed.
    pub fn mirror_sum(&self) -> bool {
        self.mirror_sum
    }

    /// The template of a face.
    ///
    /// # Errors
    /// [`NetworkError::Face`] if it is aligned to another template, [`NetworkError::Dead`] if the
    /// network gives no direction, [`NetworkError::Unsupported`] if it does not run.
    pub fn embed(&self, face: &AlignedFace) -> Result<Template, NetworkError> {
        let mut raw = self.forward(face)?;
        if self.mirror_sum {
            // Added before they are scaled to unit length, as the AM-Softmax authors do.
            let mirrored = self.forward(&face.mirrored())?;
            raw.iter_mut().zip(mirrored).for_each(|(sum, x)| *sum += x);
        }
        let (model, embedding) = (self.model, Embedding::from_raw(raw)?);
        Ok(Template { model, embedding })
    }

    fn forward(&self, face: &AlignedFace) -> Result<Vec<f32>, NetworkError> {
        let planes = self.input.prepare(face)?;
        run(&self.plan, &self.input.shape(), &planes).map_err(unsupported)
    }
}

fn run(plan: &Arc<TypedRunnableModel>, shape: &[usize], planes: &[f32]) -> TractResult<Vec<f32>> {
    let input = Tensor::from_shape(shape, planes)?;
    let outputs = plan.run(tvec!(input.into()))?;
    Ok(outputs[0]
        .to_plain_array_view::<f32>()?
        .iter()
        .copied()
        .collect())
}

fn unsupported(error: TractError) -> NetworkError {
    NetworkError::Unsupported(format!("{error:#}"))
}

/// Optimizes the graph, checks its output and runs it once on a blank face.
fn plan(
    proto: &ModelProto,
    input: &InputSpec,
    embedding_len: usize,
) -> Result<Arc<TypedRunnableModel>, NetworkError> {
    let shape = input.shape();
    let build = || {
        let mut model = tract_onnx::onnx()
            // Shapes noted for a symbolic batch would contradict the batch of one.
            .with_ignore_value_info(true)
            .model_for_proto_model(proto)?;
        model.set_input_fact(0, f32::fact(shape).into())?;
        model.into_optimized()
    };
    let model = build().map_err(unsupported)?;
    let output = model.output_fact(0).map_err(unsupported)?;
    let len = output.shape.as_concrete().map(|dims| dims.iter().product());
    if len != Some(embedding_len) || output.datum_type != f32::datum_type() {
        return Err(NetworkError::OutputLength {
            found: format!("{output:?}"),
            expected: embedding_len,
        });
    }
    let plan = model.into_runnable().map_err(unsupported)?;
    run(&plan, &shape, &vec![0.0; shape.iter().product()]).map_err(unsupported)?;
    Ok(plan)
}

/// One input of that shape (dimensions may be left open), and one output.
fn check_ports(graph: &GraphProto, expected: [usize; 4]) -> Result<(), NetworkError> {
    // Older files list the weights among the inputs.
    let is_weight = |name: &str| graph.initializer.iter().any(|w| w.name == name);
    let inputs: Vec<_> = graph.input.iter().filter(|i| !is_weight(&i.name)).collect();
    let ([input], [_]) = (inputs.as_slice(), graph.output.as_slice()) else {
        return Err(NetworkError::Ports {
            inputs: inputs.len(),
            outputs: graph.output.len(),
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
