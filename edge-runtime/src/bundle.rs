//! The bundle's file: read, proved by its self-test faces, written.

use crate::atomic_file::{self, WriteError};
use crate::capped_file::{self, ReadError};
use crate::detect::{Detector, DetectorSelfTestError};
use crate::enroll::Eyes;
use crate::network::{Network, NetworkError};
use shared::bundle::{Bundle, BundleError, Manifest, SelfTestFace};
use shared::digest::Digest;
use shared::envelope::{EnvelopeError, Kind};
use std::path::{Path, PathBuf};

/// Bytes around the payload of an envelope are a few dozen; this leaves room for them.
const MAX_FILE_LEN: u64 = Kind::Bundle.max_len() as u64 + 1024;
/// How far a self-test embedding may be from the recorded one: 1 - cosine, and each number's
/// difference. Rounding on another processor stays a hundred times below.
pub const SELF_TEST_TOLERANCE: f32 = 1e-3;

/// Why a bundle's file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleFileError {
    /// The file cannot be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its content is no bundle.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BundleError,
    },
    /// The bundle is over the limit.
    #[error("{}: {source}", path.display())]
    Encode {
        /// The file that was to be.
        path: PathBuf,
        /// The limit.
        source: EnvelopeError,
    },
    /// The file was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Reads and checks a bundle's file.
///
/// # Errors
/// [`BundleFileError`], each variant with the path.
pub fn read(path: &Path) -> Result<Bundle, BundleFileError> {
    let bytes = capped_file::read(path, MAX_FILE_LEN)?;
    Bundle::decode(&bytes).map_err(|source| BundleFileError::Content {
        path: path.into(),
        source,
    })
}

/// Writes a bundle's file; a power cut leaves the old one or the new one.
///
/// # Errors
/// [`BundleFileError::Encode`] or [`BundleFileError::Write`].
pub fn write(path: &Path, bundle: &Bundle) -> Result<(), BundleFileError> {
    let bytes = bundle.encode().map_err(|source| BundleFileError::Encode {
        path: path.into(),
        source,
    })?;
    Ok(atomic_file::write(path, &bytes, None)?)
}

/// What the self-test found.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SelfTestReport {
    /// Faces that were embedded again, at least one.
    pub faces: usize,
    /// The lowest cosine between an embedding and the recorded one.
    pub lowest_cosine: f32,
    /// The largest difference of one number of an embedding (which has unit length).
    pub largest_difference: f32,
}

/// Why a network does not prove itself.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// Nothing to prove it by.
    #[error(
        "the bundle has no self-test faces, so nothing shows that it works here; export it again"
    )]
    NoFaces,
    /// The network was loaded from another bundle.
    #[error(
        "the network's model is {found:?}, the manifest says {expected:?}; load both from one bundle"
    )]
    WrongModel {
        /// Of the network.
        found: Digest,
        /// Of the manifest.
        expected: Digest,
    },
    /// The network gives something else than where it was measured.
    #[error(
        "self-test face {index} of {faces} gives another embedding than when the bundle was made: cosine {cosine}, \
         expected at least {}, largest difference {difference}, expected at most {SELF_TEST_TOLERANCE}; \
         do not use this bundle on this device", 1.0 - SELF_TEST_TOLERANCE
    )]
    Differs {
        /// Counted from 1.
        index: usize,
        /// How many there are.
        faces: usize,
        /// Between the two embeddings.
        cosine: f32,
        /// Of the number that differs most.
        difference: f32,
    },
    /// The network does not run.
    #[error("self-test face {index}: {source}")]
    Network {
        /// Counted from 1.
        index: usize,
        /// Why not.
        source: NetworkError,
    },
}

/// Embeds every self-test face again and compares with what was recorded.
///
/// # Errors
/// [`SelfTestError`] at the first face that differs.
pub fn self_test(network: &Network, manifest: &Manifest) -> Result<SelfTestReport, SelfTestError> {
    if network.model() != manifest.model_digest {
        return Err(SelfTestError::WrongModel {
            found: network.model(),
            expected: manifest.model_digest,
        });
    }
    let faces = manifest.self_test.len();
    if faces == 0 {
        return Err(SelfTestError::NoFaces);
    }
    let mut report = SelfTestReport {
        faces,
        lowest_cosine: 1.0,
        largest_difference: 0.0,
    };
    for (i, recorded) in manifest.self_test.iter().enumerate() {
        let index = i + 1;
        let (cosine, difference) = again(network, manifest, recorded)
            .map_err(|source| SelfTestError::Network { index, source })?;
        // Written so that a difference that is not a number fails, too.
        let same = cosine >= 1.0 - SELF_TEST_TOLERANCE && difference <= SELF_TEST_TOLERANCE;
        if !same {
            return Err(SelfTestError::Differs {
                index,
                faces,
                cosine,
                difference,
            });
        }
        report.lowest_cosine = report.lowest_cosine.min(cosine);
        report.largest_difference = report.largest_difference.max(difference);
    }
    Ok(report)
}

/// Cosine and largest difference between a face's embedding now and the recorded one.
fn again(
    network: &Network,
    manifest: &Manifest,
    recorded: &SelfTestFace,
) -> Result<(f32, f32), NetworkError> {
    let face = recorded
        .face(&manifest.input)
        .expect("a bundle is checked to hold faces that fit its input");
    let now = network.embed(&face)?.embedding;
    let then = recorded.embedding();
    let cosine = now.cosine(then).unwrap_or(f32::NAN);
    let pairs = now.as_slice().iter().zip(then.as_slice());
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    Ok((cosine, difference))
}

/// Why the door cannot use a bundle.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its file.
    #[error(transparent)]
    File(#[from] BundleFileError),
    /// Its network.
    #[error("{}: {source}", path.display())]
    Network {
        /// The bundle.
        path: PathBuf,
        /// Why it does not load.
        source: NetworkError,
    },
    /// Its self-test.
    #[error("{}: {source}", path.display())]
    SelfTest {
        /// The bundle.
        path: PathBuf,
        /// How it failed.
        source: SelfTestError,
    },
    /// Its detector, or that one's self-test.
    #[error("{}: {source}", path.display())]
    Detector {
        /// The bundle.
        path: PathBuf,
        /// What is wrong with it.
        source: DetectorSelfTestError,
    },
}

/// A bundle's manifest and its networks, proved on this device.
pub struct Loaded {
    /// Everything about the network.
    pub manifest: Manifest,
    /// The network, ready to run.
    pub network: Network,
    /// What finds faces, if the bundle has it.
    pub detector: Option<Detector>,
    /// How closely it gives its self-test faces again.
    pub self_test: SelfTestReport,
}

impl Loaded {
    /// What looks at photographs.
    pub fn eyes(&self) -> Eyes<'_> {
        Eyes {
            network: &self.network,
            detector: self.detector.as_ref(),
        }
    }
}

fn detector(bundle: &Bundle) -> Result<Option<Detector>, DetectorSelfTestError> {
    let detector = Detector::load(bundle)?;
    if let (Some(detector), Some((manifest, _))) = (&detector, bundle.detector()) {
        detector.self_test(manifest)?;
    }
    Ok(detector)
}

/// Reads a bundle, builds its networks and proves them by their self-tests; of several precisions
/// the first.
///
/// # Errors
/// [`LoadError`], each variant with the path.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    prove(&read(path)?, path)
}

/// The same of a bundle that was read from `path`.
///
/// # Errors
/// [`LoadError`], any variant but `File`.
pub fn prove(bundle: &Bundle, path: &Path) -> Result<Loaded, LoadError> {
    let network = Network::load(bundle).map_err(|source| LoadError::Network {
        path: path.into(),
        source,
    })?;
    let self_test =
        self_test(&network, bundle.manifest()).map_err(|source| LoadError::SelfTest {
            path: path.into(),
            source,
        })?;
    let detector = detector(bundle).map_err(|source| LoadError::Detector {
        path: path.into(),
        source,
    })?;
    Ok(Loaded {
        manifest: bundle.manifest().clone(),
        network,
        detector,
        self_test,
    })
}
