//! A detector on its way into a bundle: a TOML file that says how to read the ONNX beside it.

use crate::dataset::synthetic::{self, Identity};
use edge_runtime::atomic_file::{self, WriteError};
use edge_runtime::capped_file::{self, ReadError};
use edge_runtime::detect::Detector;
use edge_runtime::network::NetworkError;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};
use shared::bundle::Precision;
use shared::detector::{DetectorLayout, DetectorManifest, FrameSpec, SelfTestFrame};
use shared::digest::Digest;
use std::path::{Path, PathBuf};

/// The longest file and the longest network that are read, in bytes.
const MAX_BYTES: [u64; 2] = [1 << 20, 64 << 20];
/// Self-test frames of a bundle.
const SELF_TEST_FRAMES: usize = 3;
/// Drawn people that are looked at for them.
const SELF_TEST_PEOPLE: u64 = 40;

/// A detector that is no part of a bundle yet. Whoever has a better one writes such a file for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorFile {
    /// For people.
    pub name: String,
    /// The ONNX file, relative to this one.
    pub model: PathBuf,
    /// How its weights are stored.
    pub precision: Precision,
    /// A face is one whose score is at least this, above 0 and below 1.
    pub threshold: f32,
    /// Side of a face, by the shorter side of what the network takes, above 0 and at most 1: the
    /// largest faces of a frame are looked at again from as near, which must confirm them. Without
    /// it they are looked at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_look: Option<f32>,
    /// Where it comes from.
    #[serde(default)]
    pub provenance: String,
    /// What it takes.
    pub input: FrameSpec,
    /// What it gives.
    pub layout: DetectorLayout,
}

/// Why a detector cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DetectorFileError {
    /// No such file, or too large.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Not TOML, an unknown or missing field, a wrong type.
    #[error("{path}: {source}; docs/detector.md explains the fields")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        source: Box<toml::de::Error>,
    },
    /// The network does not fit the file.
    #[error("{path}: {source}")]
    Network {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: NetworkError,
    },
    /// No face found in any drawn frame.
    #[error(
        "the detector finds no face in {SELF_TEST_PEOPLE} drawn frames, so nothing could show on a door that it works; check \
         input, layout and threshold"
    )]
    Blind,
}

impl DetectorFile {
    /// Reads a file and the network beside it, and makes of both what a bundle holds, with
    /// self-test frames of drawn people.
    ///
    /// # Errors
    /// [`DetectorFileError`].
    pub fn load(path: &Path) -> Result<(DetectorManifest, Vec<u8>), DetectorFileError> {
        let text = capped_file::read(path, MAX_BYTES[0])?;
        let file: Self = toml::from_str(&String::from_utf8_lossy(&text)).map_err(|source| {
            DetectorFileError::Parse {
                path: path.into(),
                source: source.into(),
            }
        })?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let model = capped_file::read(&beside.join(&file.model), MAX_BYTES[1])?;
        let mut manifest = DetectorManifest {
            name: file.name,
            precision: file.precision,
            input: file.input,
            layout: file.layout,
            threshold: file.threshold,
            close_look: file.close_look,
            digest: Digest::of(&model),
            self_test: Vec::new(),
            provenance: file.provenance,
        };
        let network = |source| DetectorFileError::Network {
            path: path.into(),
            source,
        };
        let detector = Detector::from_onnx(&model, &manifest).map_err(network)?;
        manifest.self_test = self_test_frames(&detector, &manifest.input).map_err(network)?;
        match manifest.self_test.is_empty() {
            true => Err(DetectorFileError::Blind),
            false => Ok((manifest, model)),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`DetectorFileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), DetectorFileError> {
        let text = toml::to_string(self).expect("plain tables");
        Ok(atomic_file::write(path, text.as_bytes(), None)?)
    }
}

/// Drawn people, and what the detector finds: nobody's face lies in a bundle.
///
/// # Errors
/// [`NetworkError`].
pub fn self_test_frames(
    detector: &Detector,
    input: &FrameSpec,
) -> Result<Vec<SelfTestFrame>, NetworkError> {
    let mut frames = Vec::new();
    for person in 0..SELF_TEST_PEOPLE {
        let picture = synthetic::render(&Identity::new(0, person), 0);
        let (width, height) = (input.width.into(), input.height.into());
        let frame = imageops::resize(&picture.frame, width, height, FilterType::Triangle);
        if let [best, ..] = detector.detect(&frame)?.as_slice() {
            frames.push(SelfTestFrame {
                pixels: frame.into_raw(),
                score: best.score,
                landmarks: best.landmarks,
            });
        }
        if frames.len() == SELF_TEST_FRAMES {
            break;
        }
    }
    Ok(frames)
}
