//! The detector of a bundle: a network that finds faces and their landmarks in a frame, and how
//! its outputs are to be read.

use crate::align::Landmarks;
use crate::bundle::Precision;
use crate::digest::Digest;
use crate::preprocess::PixelOrder;
use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// The largest side of a frame in pixels.
const MAX_SIDE: u16 = 2048;

/// What a detector takes: frames of one size, normalized.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSpec {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The order of the planes.
    pub pixel_order: PixelOrder,
    /// Subtracted from each plane, in units of the pixel (0 to 255) and in plane order.
    pub mean: [f32; 3],
    /// Divides each plane after the subtraction, likewise.
    pub std: [f32; 3],
}

impl FrameSpec {
    /// The network's input shape, `[1, 3, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        [1, 3, self.height.into(), self.width.into()]
    }

    /// Bytes of an RGB frame.
    pub fn rgb_len(&self) -> usize {
        usize::from(self.width) * usize::from(self.height) * 3
    }

    /// `[3, height, width]` floats of RGB bytes, plane after plane; `None` if their number is not
    /// [`Self::rgb_len`].
    pub fn prepare(&self, rgb: &[u8]) -> Option<Vec<f32>> {
        let planes = || crate::preprocess::planes(rgb, self.pixel_order, &self.mean, &self.std);
        (rgb.len() == self.rgb_len()).then(planes)
    }

    fn is_usable(&self) -> bool {
        let side = |n: u16| (16..=MAX_SIDE).contains(&n);
        side(self.width)
            && side(self.height)
            && self.mean.iter().all(|m| m.is_finite())
            && self.std.iter().all(|s| s.is_finite() && *s > 0.0)
    }
}

/// The order of the numbers in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellOrder {
    /// `[1, numbers, rows, columns]`.
    NumbersFirst,
    /// `[1, rows * columns, numbers]`.
    CellsFirst,
}

/// What a score output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreKind {
    /// The logarithm of the odds.
    Logit,
    /// 0 to 1.
    Probability,
}

/// The outputs of one grid of cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorLevel {
    /// Pixels from cell to cell; the grid covers the frame.
    pub stride: u16,
    /// Names of the outputs of one number a cell; the score is their geometric mean.
    pub scores: Vec<String>,
    /// Name of the output of ten numbers a cell: x and y of the five landmarks from the cell's
    /// anchor, in units of the stride. As in `landmarks.csv` the frame's corner is 0, not the middle
    /// of its first pixel.
    pub landmarks: String,
}

/// How the outputs are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorLayout {
    /// In all outputs.
    pub order: CellOrder,
    /// In the score outputs.
    pub score: ScoreKind,
    /// Where in its cell the anchor lies, right and down, in strides: 0 is the corner, 0.5 the
    /// middle.
    pub anchor: f32,
    /// At least one.
    pub levels: Vec<DetectorLevel>,
}

impl DetectorLayout {
    fn is_usable(&self, input: &FrameSpec) -> bool {
        let level = |l: &DetectorLevel| {
            (1..=input.width.min(input.height)).contains(&l.stride) && !l.scores.is_empty()
        };
        !self.levels.is_empty() && self.levels.iter().all(level) && self.anchor.is_finite()
    }
}

/// A frame, and the best face that the detector found in it when the bundle was made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTestFrame {
    /// RGB bytes of the size that the network takes.
    #[serde(with = "serde_bytes")]
    pub pixels: Vec<u8>,
    /// Its score.
    pub score: f32,
    /// In pixels of the frame.
    pub landmarks: Landmarks,
}

/// Everything about a detector but its bytes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorManifest {
    /// For people.
    pub name: String,
    /// How the weights are stored.
    pub precision: Precision,
    /// What the network takes.
    pub input: FrameSpec,
    /// What it gives.
    pub layout: DetectorLayout,
    /// A face is one whose score is at least this, 0 to 1.
    pub threshold: f32,
    /// Side of a face, by the shorter side of what the network takes, above 0 and at most 1: the
    /// largest faces of a frame are looked at again from as near, which must confirm them.
    pub close_look: Option<f32>,
    /// Of the model's bytes.
    pub digest: Digest,
    /// What `selftest` looks for again.
    pub self_test: Vec<SelfTestFrame>,
    /// Where it comes from: the recipe, or what its maker says.
    pub provenance: String,
}

impl fmt::Debug for DetectorManifest {
    /// Leaves out frames and recipe.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DetectorManifest({} {:?})", self.name, self.precision)
    }
}

impl DetectorManifest {
    /// The first field without meaning.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let frame = |f: &SelfTestFrame| f.pixels.len() == self.input.rgb_len();
        let checks = [
            ("detector's input", self.input.is_usable()),
            ("detector's layout", self.layout.is_usable(&self.input)),
            (
                "detector's threshold",
                self.threshold > 0.0 && self.threshold < 1.0,
            ),
            (
                "detector's close look",
                self.close_look.is_none_or(|side| side > 0.0 && side <= 1.0),
            ),
            (
                "detector's self-test frame",
                self.self_test.iter().all(frame),
            ),
        ];
        checks.iter().find(|(_, good)| !good).map(|(name, _)| *name)
    }
}
