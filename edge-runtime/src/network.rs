//! The network: ONNX bytes to a runnable plan, an aligned face to a template.

mod direct;
mod plan;
mod profile;
pub(crate) mod weights;

pub(crate) use plan::Plan;
pub use profile::{LayerTime, Profile, Profiler, peak_multiply_adds_per_s};

use shared::align::AlignedFace;
use shared::bundle::{Bundle, model_digest};
use shared::digest::Digest;
use shared::embedding::{DegenerateEmbedding, Embedding, Template};
use shared::preprocess::{InputSpec, WrongTemplate};

/// Why a network does not load or run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No protobuf of ONNX.
    #[error("the model is not ONNX ({0}); export it again")]
    NotOnnx(#[from] prost::DecodeError),
    /// A model without a network in it.
    #[error("the model is not ONNX: it holds no graph; export it again")]
    NoGraph,
    /// More or fewer inputs than one, or other outputs.
    #[error(
        "the network has {inputs} inputs and {outputs} outputs, expected 1 and {expected}; export it without the others"
    )]
    Ports {
        /// Inputs that are not initialized.
        inputs: usize,
        /// Outputs.
        outputs: usize,
        /// How many outputs there should be.
        expected: usize,
    },
    /// No output of a name that the detector's layout gives.
    #[error(
        "the network has no output {0:?}, which the detector's layout names; give them the same names"
    )]
    NoOutput(String),
    /// Made for other images.
    #[error("the network takes {found}, the manifest says f32 [1, 3, {}, {}]; manifest and model are of two exports", expected[2], expected[3])]
    InputShape {
        /// Type and shape in the graph.
        found: String,
        /// `[1, 3, height, width]`.
        expected: [usize; 4],
    },
    /// An output of another length.
    #[error(
        "the network gives {found}, the manifest says {expected} numbers; manifest and model are of two exports"
    )]
    OutputLength {
        /// Numbers in the output.
        found: usize,
        /// Numbers in it.
        expected: usize,
    },
    /// Weights in a file of their own, which no bundle has room for.
    #[error(
        "the numbers of {0:?} lie in another file; save the network with its weights inside it"
    )]
    External(String),
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

/// How convolutions are computed; the results differ by rounding alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convolutions {
    /// Directly where they are understood, by tract otherwise.
    #[default]
    Direct,
    /// All by tract, to compare with.
    Tract,
}

/// A network ready to run; shared by any number of threads.
pub struct Network {
    plan: Plan,
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
        let convolutions = Convolutions::default();
        Self::from_onnx_with(model, input, embedding_len, mirror_sum, convolutions)
    }

    /// The same with a choice of how convolutions are computed.
    ///
    /// # Errors
    /// As [`Self::from_onnx`].
    pub fn from_onnx_with(
        model: &[u8],
        input: &InputSpec,
        embedding_len: usize,
        mirror_sum: bool,
        convolutions: Convolutions,
    ) -> Result<Self, NetworkError> {
        let plan = Plan::build(model, input.shape(), convolutions)?;
        plan.check_outputs(&[embedding_len])?;
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
        Ok(self.plan.run(&planes)?.swap_remove(0))
    }
}
