//! A network that was trained elsewhere: ONNX and a small file that says how it is fed, to a
//! bundle with thresholds measured here.

mod quantize;

pub(crate) use quantize::numbers;
pub use quantize::{QuantizeError, quantize};

use crate::dataset::{DataError, folder_set};
use crate::measure::{HeldOut, MeasureError, door_thresholds, self_test};
use edge_runtime::capped_file::{self, ReadError};
use edge_runtime::network::{Network, NetworkError};
use serde::Deserialize;
use shared::bundle::{Bundle, BundleError, Manifest, OperatingPoint, Precision, Provenance};
use shared::embedding::MAX_EMBEDDING_LEN;
use shared::envelope::Kind;
use shared::preprocess::InputSpec;
use std::path::{Path, PathBuf};

/// The longest description that is read, in bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

/// How a network is fed; `networks/mobilefacenet-ms1m.toml` explains every field.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFile {
    /// For people.
    pub name: String,
    /// Numbers in an embedding.
    pub embedding_len: u32,
    /// Whether a face and its mirror image are embedded and summed.
    pub mirror_sum: bool,
    /// What it takes.
    pub input: InputSpec,
}

/// Why a network becomes no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No such file, or too large.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not TOML, an unknown or missing field, a wrong type.
    #[error("{}: {source}; docs/networks.md explains the fields", path.display())]
    Parse {
        /// The description.
        path: PathBuf,
        /// Line, column and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A field that no network can have.
    #[error("{}: {field} is {found}, expected {expected}", path.display())]
    Impossible {
        /// The description.
        path: PathBuf,
        /// Its name.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// The network does not run, or is another than the one that is described.
    #[error("{} as {} describes it: {source}", onnx.display(), file.display())]
    Network {
        /// The network.
        onnx: PathBuf,
        /// The description.
        file: PathBuf,
        /// What does not fit.
        source: NetworkError,
    },
    /// Its weights.
    #[error("{}: {source}", onnx.display())]
    Quantize {
        /// The network.
        onnx: PathBuf,
        /// Which weights, and why not.
        source: QuantizeError,
    },
    /// No better than chance.
    #[error("{} tells nobody apart on these photographs: check pixel_order, mean and std in {}, and that they are faces", onnx.display(), file.display())]
    Blind {
        /// The network.
        onnx: PathBuf,
        /// The description.
        file: PathBuf,
    },
    /// The photographs.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Too few of them, or a network that fails on one.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The parts do not fit together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl NetworkFile {
    /// Reads and checks a description; also gives its text.
    ///
    /// # Errors
    /// [`ImportError::Read`], [`ImportError::Parse`] or [`ImportError::Impossible`].
    pub fn read(path: &Path) -> Result<(Self, String), ImportError> {
        let bytes = capped_file::read(path, MAX_FILE_LEN)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parsed = toml::from_str(&text).map_err(|source| ImportError::Parse {
            path: path.into(),
            source: source.into(),
        });
        let file: Self = parsed?;
        let impossible = |field, found, expected| ImportError::Impossible {
            path: path.into(),
            field,
            found,
            expected,
        };
        let len = file.embedding_len;
        if !(1..=MAX_EMBEDDING_LEN).contains(&(len as usize)) {
            let expected = format!("1 to {MAX_EMBEDDING_LEN}");
            return Err(impossible("embedding_len", len.to_string(), expected));
        }
        if !file.input.is_usable() {
            let found = format!("{:?} and {:?}", file.input.mean, file.input.std);
            let expected = "numbers, those of std above 0".into();
            return Err(impossible("[input] mean and std", found, expected));
        }
        Ok((file, text))
    }
}

/// A bundle of the float network `onnx` in that precision, which the description `file` tells how
/// to feed, with thresholds measured on all photographs of `folders`: none of a person it was trained on should
/// be there. `cache` keeps the aligned faces.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    onnx: &Path,
    file: &Path,
    precision: Precision,
    folders: &[PathBuf],
    cache: &Path,
    git_revision: String,
) -> Result<Bundle, ImportError> {
    let (described, text) = NetworkFile::read(file)?;
    let NetworkFile {
        name,
        embedding_len,
        mirror_sum,
        input,
    } = described;
    let mut model = capped_file::read(onnx, Kind::Bundle.max_len() as u64)?;
    let load = |model: &[u8]| {
        let network = Network::from_onnx(model, &input, embedding_len as usize, mirror_sum);
        network.map_err(|source| ImportError::Network {
            onnx: onnx.into(),
            file: file.into(),
            source,
        })
    };
    // As it is first: what is wrong with it is told of the file that the user has.
    let mut network = load(&model)?;
    if precision == Precision::Int8Weights {
        model = quantize(&model).map_err(|source| ImportError::Quantize {
            onnx: onnx.into(),
            source,
        })?;
        network = load(&model)?;
    }
    let set = folder_set(folders, input.template, cache)?;
    let operating_points = door_thresholds(&network, &HeldOut::all(&set))?;
    if is_blind(&operating_points) {
        return Err(ImportError::Blind {
            onnx: onnx.into(),
            file: file.into(),
        });
    }
    let manifest = Manifest {
        backbone: name.clone(),
        precision,
        input,
        embedding_len,
        mirror_sum,
        model_digest: network.model(),
        operating_points,
        self_test: self_test(&network).map_err(MeasureError::from)?,
        provenance: Provenance {
            recipe: name,
            recipe_toml: text,
            seed: 0,
            data_digest: set.digest(),
            git_revision,
            training_log: String::new(),
        },
        comparable: Vec::new(),
    };
    Ok(Bundle::new(manifest, model)?)
}

/// Whether it matches people with themselves hardly more often than with others, where that is
/// measured best: as a network does that is fed otherwise than it was trained.
fn is_blind(points: &[OperatingPoint]) -> bool {
    let loosest = points.iter().max_by(|a, b| a.fmr.total_cmp(&b.fmr));
    loosest.is_none_or(|point| 1.0 - point.fnmr < 2.0 * point.fmr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("networks/mobilefacenet-ms1m.toml")
    }

    #[test]
    fn the_projects_description_is_usable() {
        let (file, text) = NetworkFile::read(&anchor()).unwrap();
        assert_eq!((file.embedding_len, file.mirror_sum), (128, true));
        assert!(text.contains("MS-Celeb-1M"));
    }

    #[test]
    fn chance_is_not_taken_for_a_network_whatever_its_rarest_matches_say() {
        let point = |fmr, tar| OperatingPoint {
            threshold: 0.5,
            fmr,
            fnmr: 1.0 - tar,
            impostor_pairs: 1_000_000,
            genuine_pairs: 5000,
        };
        // By chance one of 5,000 pairs is above the highest of a million.
        assert!(is_blind(&[point(1e-2, 0.012), point(1e-6, 2e-4)]));
        assert!(!is_blind(&[point(1e-6, 0.01), point(1e-2, 0.3)]));
        assert!(is_blind(&[]));
    }

    #[test]
    fn what_no_network_has_is_refused_by_name() {
        let text = std::fs::read_to_string(anchor()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("network.toml");
        for (old, new, needle) in [
            ("= 128", "= 0", "embedding_len is 0, expected 1 to 4096"),
            ("= 128", "= 5000", "embedding_len is 5000"),
            ("58.395", "0.0", "std above 0"),
            ("103.53", "nan", "[input] mean and std is"),
            ("\"rgb\"", "\"rbg\"", "rbg"),
            ("mirror_sum = true", "mirror = true", "mirror"),
            ("mirror_sum = true", "", "mirror_sum"),
        ] {
            std::fs::write(&path, text.replace(old, new)).unwrap();
            let error = NetworkFile::read(&path).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
            assert!(error.contains("network.toml"), "{error}");
        }
    }
}
