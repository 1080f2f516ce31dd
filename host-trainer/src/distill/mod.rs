//! Learning from another network's embeddings of the same faces.

mod looking;
mod says;

use crate::checkpoint::{self, CheckpointError, Progress};
use crate::config::InputConfig;
use crate::dataset::packed::{PackError, PackedSet};
use crate::evaluate::embed_all;
use crate::progress::bar;
use edge_runtime::capped_file::{self, ReadError};
use edge_runtime::network::{Network, NetworkError};
use looking::Looking;
pub use says::Crops;
use says::Says;
use serde::{Deserialize, Serialize};
use shared::digest::Digest;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The largest teacher that is read.
const MAX_BYTES: u64 = 2 << 30;

/// A teacher, and how much it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationConfig {
    /// ONNX file, below the data directory of the command line unless absolute. It takes the crops
    /// of the recipe's backbone and gives embeddings of the same length.
    pub teacher: PathBuf,
    /// What the teacher was trained to see; it is not guessed.
    pub input: InputConfig,
    /// Learn the sum of its embeddings of a face and of the mirror image.
    pub mirror_sum: bool,
    /// The teacher looks at every crop as the augmentation left it, as the student does
    /// (consistent teaching, arXiv:2106.05237), instead of once at each photograph.
    #[serde(default)]
    pub consistent: bool,
    /// The second half of each batch is blended with the first, and the teacher alone tells of it
    /// (mixup, arXiv:1710.09412); only where the teaching is consistent.
    #[serde(default)]
    pub mixup: bool,
    /// Multiplies 1 - cosine between the two networks' embeddings, above 0.
    pub weight: f64,
    /// Multiplies the classification loss, at least 0; with 0 the teacher alone is learned from.
    pub classification_weight: f64,
}

/// Why there is no teacher.
#[derive(Debug, thiserror::Error)]
pub enum DistillError {
    /// No such file, or too large.
    #[error("[distillation] teacher {0}; its path is taken from --data DIR unless it is absolute")]
    Read(#[from] ReadError),
    /// The teacher does not run, or gives embeddings of another length.
    #[error(
        "[distillation] teacher {path}: {source}; its crops and embedding_len must be those of the recipe's backbone"
    )]
    Network {
        /// The file.
        path: PathBuf,
        /// What the runtime said.
        source: NetworkError,
    },
    /// A face that cannot be read or embedded.
    #[error("[distillation] teacher: {0}")]
    Face(#[from] FaceError),
    /// Something in the network that is not computed for consistent teaching.
    #[error(
        "[distillation] teacher: {node:?} is {what}, which consistent teaching does not compute; leave `consistent` out, or export the network for one image without it"
    )]
    Operator {
        /// Its name in the file.
        node: String,
        /// What it is.
        what: String,
    },
    /// libtorch and tract disagree about the teacher.
    #[error(
        "[distillation] teacher: computed by libtorch it gives other embeddings than in the door's runtime (cosine {cosine:.4}); leave `consistent` out, and report this"
    )]
    Differs {
        /// The least of some faces.
        cosine: f64,
    },
    /// The embeddings cannot be kept.
    #[error(
        "the teacher's embeddings: {0}; delete that file, they are made again, or put the cache elsewhere with XDG_CACHE_HOME"
    )]
    Cache(#[from] CheckpointError),
}

/// Why a face has no embedding.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// It cannot be read.
    #[error(transparent)]
    Data(#[from] PackError),
    /// The teacher failed on it.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl DistillationConfig {
    /// # Errors
    /// The field without meaning and its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let weight = self.weight > 0.0 && self.weight.is_finite();
        let other = self.classification_weight >= 0.0 && self.classification_weight.is_finite();
        if !(weight && other) {
            let range = "[distillation] weight must be above 0, classification_weight at least 0";
            return Err(range.into());
        }
        match self.mixup && !self.consistent {
            true => Err("[distillation] mixup needs consistent = true".into()),
            false => Ok(()),
        }
    }
}

/// What a teacher says of faces.
pub struct Teacher {
    says: Says,
    weight: f64,
    classification_weight: f64,
    /// Whether half of each batch is for it alone.
    pub(crate) mixup: bool,
    /// Digest of the network and of how it is fed.
    pub(crate) digest: String,
}

impl Teacher {
    #[cfg(test)]
    pub(crate) fn of(embeddings: Tensor) -> Self {
        Self {
            says: Says::Once(embeddings),
            weight: 10.0,
            classification_weight: 0.5,
            mixup: false,
            digest: String::new(),
        }
    }

    /// Runs the teacher over all of a set with tract, or reads what it said last time; or has it
    /// ready to look at every crop.
    ///
    /// - `embedding_len`: of the student
    ///
    /// # Errors
    /// [`DistillError`].
    pub fn prepare(
        config: &DistillationConfig,
        data: Option<&Path>,
        set: &PackedSet,
        embedding_len: usize,
        cache: &Path,
        device: Device,
    ) -> Result<Self, DistillError> {
        let path = data.map_or_else(|| config.teacher.clone(), |data| data.join(&config.teacher));
        let model = capped_file::read(&path, MAX_BYTES)?;
        let input = config.input.spec(set.template());
        let failed = |source| DistillError::Network { path, source };
        let network =
            Network::from_onnx(&model, &input, embedding_len, config.mirror_sum).map_err(failed)?;
        let says = if config.consistent {
            let says = Says::Always {
                network: Looking::new(&model, device)?,
                input: config.input.clone(),
                mirror_sum: config.mirror_sum,
            };
            says.check(&network, set, device)?;
            says
        } else {
            Says::Once(kept(&network, set, embedding_len, cache)?.to_device(device))
        };
        Ok(Self {
            says,
            weight: config.weight,
            classification_weight: config.classification_weight,
            mixup: config.mixup,
            digest: network.model().to_string(),
        })
    }

    /// The classification loss with what the teacher adds to it, a scalar.
    ///
    /// - `embeddings`: `[B, D]` f32, raw
    pub fn beside(&self, classified: &Tensor, embeddings: &Tensor, crops: &Crops<'_>) -> Tensor {
        let theirs = self.says.of(crops).expect("it has looked at faces before");
        let apart = -Tensor::cosine_similarity(embeddings, &theirs, 1, 1e-12) + 1.0;
        classified * self.classification_weight + apart.mean(Kind::Float) * self.weight
    }
}

/// `[N, D]`; made once for each teacher and set.
fn kept(
    network: &Network,
    set: &PackedSet,
    len: usize,
    cache: &Path,
) -> Result<Tensor, DistillError> {
    // The network's digest covers how it is fed.
    let key = Digest::of(format!("teacher {} {}", network.model(), set.digest()).as_bytes());
    let key = key.to_string();
    let path = cache.join(format!("{}.teacher", &key[..16]));
    let shape = [set.len() as i64, len as i64];
    let tensor = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let named = [("embeddings".to_string(), tensor.shallow_clone())];
    if checkpoint::load(&path, &key, &named)?.is_some() {
        return Ok(tensor);
    }
    let bar = bar(set.len() as u64, "the teacher looks");
    let face = |i: usize| set.face(i).map_err(FaceError::from);
    let embeddings = embed_all(network, set.len(), &bar, face)?;
    bar.finish_and_clear();
    let rows: Vec<f32> = embeddings
        .iter()
        .flat_map(|e| e.as_slice().to_vec())
        .collect();
    let named = [(
        "embeddings".to_string(),
        Tensor::from_slice(&rows).view(shape),
    )];
    let progress = Progress {
        step: 0,
        run_digest: key,
    };
    checkpoint::save(&path, &progress, &named)?;
    let [(_, tensor)] = named;
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_teacher_adds_one_minus_the_cosine() {
        let teacher = Teacher::of(Tensor::from_slice2(&[
            [1.0_f32, 0.0],
            [0.0, 1.0],
            [0.6, 0.8],
        ]));
        let student = Tensor::from_slice2(&[[3.0_f32, 0.0], [3.0, 0.0]]);
        let crops = Crops {
            images: &[2, 1],
            faces: &Tensor::zeros([2, 3, 1, 1], (Kind::Float, Device::Cpu)),
        };
        let loss = teacher.beside(&Tensor::from(2.0_f32), &student, &crops);
        // Cosines 0.6 and 0: half of 2, and ten times (0.4 + 1) / 2.
        assert!((loss.double_value(&[]) - 8.0).abs() < 1e-6);
    }
}
