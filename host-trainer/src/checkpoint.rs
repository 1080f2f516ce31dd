//! Checkpoints: weights, momentum and the step in one safetensors file.

use edge_runtime::atomic_file::{self, WriteError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// The largest file that is read: the network of the largest recipe, thrice over.
const MAX_BYTES: u64 = 8 << 30;

/// What a checkpoint belongs to and how far it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Digest of the recipe and the data, in hexadecimal: a run goes on under the same alone.
    pub run_digest: String,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error("{0}; the previous checkpoint is as it was, and the same command goes on from it")]
    Write(#[from] WriteError),
    /// The weights are lost to infinity.
    #[error(
        "{name} is not finite at step {step}: lower [optimizer] learning_rate; the previous checkpoint is as it was"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// Steps done.
        step: u64,
    },
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Damaged, or not a checkpoint.
    #[error("{path}: not a usable checkpoint ({reason}); move it away to start again from nothing")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Of another recipe or other data.
    #[error(
        "{path}: made by another recipe, other data, or with another [training] batch_size times the number of processes; \
         give another --out, or move it away to start again from nothing"
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
    },
    /// Beside the record of a run that another one made.
    #[error(
        "{path}: not the checkpoint of the run that run.json beside it records: its recipe, faces, teacher or version of this program was another; \
         put the run's own checkpoint there, or train again"
    )]
    NotOfTheRun {
        /// The file.
        path: PathBuf,
    },
    /// Not of the last step.
    #[error(
        "{path}: of step {done}, the run that run.json beside it records ends at {steps}: train to the end first, with the command of the run"
    )]
    NotTheEnd {
        /// The file.
        path: PathBuf,
        /// Steps done.
        done: u64,
        /// Steps of the run.
        steps: u64,
    },
}

/// Saves tensors by name; the file is the old one or the new one, never a part.
///
/// # Errors
/// [`CheckpointError::Write`]; [`CheckpointError::NotFinite`] before anything is written.
pub fn save(
    path: &Path,
    progress: &Progress,
    tensors: &[(String, Tensor)],
) -> Result<(), CheckpointError> {
    let mut contents: Vec<(&String, Vec<usize>, Vec<u8>)> = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let numbers = floats(tensor);
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err(CheckpointError::NotFinite {
                name: name.clone(),
                step: progress.step,
            });
        }
        let shape = tensor.size().iter().map(|n| *n as usize).collect();
        contents.push((
            name,
            shape,
            numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ));
    }
    let views = contents.iter().map(|(name, shape, data)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), data);
        (
            name.as_str(),
            view.expect("the bytes are those of the shape"),
        )
    });
    let named = contents
        .iter()
        .map(|(name, _, data)| (name.as_str(), data.as_slice()));
    let checksum = checksum(progress, named);
    let header = HashMap::from([
        ("step".to_string(), progress.step.to_string()),
        ("run".to_string(), progress.run_digest.clone()),
        ("sha256".to_string(), checksum),
    ]);
    let file = serialize(views, Some(header)).expect("names and shapes of tensors make a header");
    Ok(atomic_file::write(path, &file, None)?)
}

/// SHA-256 over the progress, then names and numbers in the order of the names, in hexadecimal. A
/// step that flipped would otherwise end a run early, or never.
fn checksum<'a>(
    progress: &Progress,
    contents: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let sorted: BTreeMap<&str, &[u8]> = contents.collect();
    let mut hash = Sha256::new();
    hash.update(progress.step.to_le_bytes());
    hash.update(Sha256::digest(&progress.run_digest));
    for (name, data) in sorted {
        hash.update(name);
        hash.update(Sha256::digest(data));
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The numbers of a tensor in row-major order, whatever its layout and device.
pub fn floats(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor
        .detach()
        .to_kind(Kind::Float)
        .contiguous()
        .flatten(0, -1);
    Vec::try_from(flat).expect("a flat tensor of floats")
}

/// Fills `tensors` from the file and says how far the run was; `None` if there is no file.
///
/// # Errors
/// [`CheckpointError`], any variant but `Write`; `tensors` may then be partly filled.
pub fn load(
    path: &Path,
    run_digest: &str,
    tensors: &[(String, Tensor)],
) -> Result<Option<u64>, CheckpointError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let bytes = bytes(path)?;
    let (progress, stored) = open(path, &bytes)?;
    if progress.run_digest != run_digest {
        return Err(CheckpointError::OtherRun { path: path.into() });
    }
    for (name, tensor) in tensors {
        fill(tensor, name, &stored).map_err(|reason| damaged(path, reason))?;
    }
    Ok(Some(progress.step))
}

/// What a checkpoint of whatever run belongs to, and the numbers of all its tensors, by name.
///
/// # Errors
/// [`CheckpointError::Read`], [`CheckpointError::Damaged`].
pub fn read(path: &Path) -> Result<(Progress, BTreeMap<String, Vec<f32>>), CheckpointError> {
    let bytes = bytes(path)?;
    let (progress, stored) = open(path, &bytes)?;
    let views = stored.tensors().into_iter();
    let read = |(name, view): (String, TensorView<'_>)| match view.dtype() {
        Dtype::F32 => Ok((name, numbers(&view))),
        other => Err(damaged(path, format!("{name} is {other:?}, expected F32"))),
    };
    Ok((progress, views.map(read).collect::<Result<_, _>>()?))
}

fn damaged(path: &Path, reason: String) -> CheckpointError {
    CheckpointError::Damaged {
        path: path.into(),
        reason,
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let read = |source| CheckpointError::Read {
        path: path.into(),
        source,
    };
    match std::fs::metadata(path).map_err(read)?.len() {
        len if len > MAX_BYTES => Err(damaged(path, "too large".into())),
        _ => std::fs::read(path).map_err(read),
    }
}

/// What a file holds, its checksum compared.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Progress, SafeTensors<'a>), CheckpointError> {
    let damaged = |reason: String| damaged(path, reason);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let entry = |key| header.metadata().as_ref().and_then(|m| m.get(key));
    let step = entry("step").and_then(|s| s.parse().ok());
    let progress = Progress {
        step: step.ok_or_else(|| damaged("no step".into()))?,
        run_digest: entry("run").cloned().unwrap_or_default(),
    };
    let stored = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let views = stored.tensors();
    let named = views
        .iter()
        .map(|(name, view)| (name.as_str(), view.data()));
    if entry("sha256") != Some(&checksum(&progress, named)) {
        return Err(damaged("the checksum does not match".into()));
    }
    Ok((progress, stored))
}

fn numbers(view: &TensorView<'_>) -> Vec<f32> {
    let (chunks, _) = view.data().as_chunks::<4>();
    chunks.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn fill(tensor: &Tensor, name: &str, stored: &SafeTensors<'_>) -> Result<(), String> {
    let view = stored
        .tensor(name)
        .map_err(|error| format!("{name}: {error}"))?;
    let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
    if view.dtype() != Dtype::F32 || shape != tensor.size() {
        return Err(format!(
            "{name} is {:?} {shape:?}, expected F32 {:?}",
            view.dtype(),
            tensor.size()
        ));
    }
    let numbers = numbers(&view);
    let _guard = tch::no_grad_guard();
    tensor
        .shallow_clone()
        .copy_(&Tensor::from_slice(&numbers).view(shape.as_slice()));
    Ok(())
}

#[cfg(test)]
mod tests;
