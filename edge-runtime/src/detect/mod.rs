//! Finds faces and their landmarks in a frame of any size.

mod decode;
pub(crate) mod fuzzed;
mod only;

pub use only::NotOneFace;

use crate::network::{NetworkError, Plan};
use decode::Grid;
use image::RgbImage;
use image::imageops::{self, FilterType};
use shared::align::{Landmarks, Point};
use shared::bundle::Bundle;
use shared::detector::{DetectorManifest, FrameSpec, SelfTestFrame};
use std::borrow::Cow;

/// A self-test frame's landmarks may be that far from the recorded ones, in pixels of the
/// detector's frame, and the score by a tenth of that.
pub const SELF_TEST_TOLERANCE_PX: f32 = 0.05;

/// A face that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// How sure the detector is, from its threshold to 1.
    pub score: f32,
    /// In pixels of the frame; they may lie outside.
    pub landmarks: Landmarks,
    /// Of the square that an aligned crop would show, in pixels.
    pub side: f32,
}

/// Why a detector does not prove itself.
#[derive(Debug, thiserror::Error)]
pub enum DetectorSelfTestError {
    /// Nothing to prove it by.
    #[error(
        "the bundle's detector has no self-test frames, so nothing shows that it works here; make the bundle again"
    )]
    NoFrames,
    /// It finds something else than where it was made.
    #[error(
        "in self-test frame {index} the detector finds {found}, recorded was {expected}; do not use this bundle on this device"
    )]
    Differs {
        /// Counted from 1.
        index: usize,
        /// For people.
        found: String,
        /// For people.
        expected: String,
    },
    /// It does not run.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// A detector ready to run; shared by any number of threads.
pub struct Detector {
    plan: Plan,
    input: FrameSpec,
    grids: Vec<Grid>,
    threshold: f32,
}

impl Detector {
    /// Builds a bundle's detector, if it has one.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn load(bundle: &Bundle) -> Result<Option<Self>, NetworkError> {
        let build = |(manifest, model)| Self::from_onnx(model, manifest);
        bundle.detector().map(build).transpose()
    }

    /// Builds a detector from ONNX with the outputs that the manifest's layout names, among
    /// others perhaps.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn from_onnx(model: &[u8], manifest: &DetectorManifest) -> Result<Self, NetworkError> {
        let plan = Plan::build(model, manifest.input.shape())?;
        let grids = Grid::all(&manifest.layout, &manifest.input, |name, len| {
            plan.output(name, len)
        })?;
        Ok(Self {
            plan,
            input: manifest.input.clone(),
            grids,
            threshold: manifest.threshold,
        })
    }

    /// The faces in a frame, the surest first. The frame is scaled to fit into what the network
    /// takes, and the rest of that is black.
    ///
    /// # Errors
    /// [`NetworkError::Unsupported`] if the network does not run.
    pub fn detect(&self, frame: &RgbImage) -> Result<Vec<Detection>, NetworkError> {
        let (fitted, fit) = Fit::new(frame, &self.input);
        let found = self.detect_fitted(&fitted)?;
        let back = |d: Detection| Detection {
            landmarks: Landmarks(d.landmarks.0.map(|p| fit.back(p))),
            side: d.side / fit.scale[0],
            ..d
        };
        Ok(found.into_iter().map(back).collect())
    }

    /// The same in a frame of the network's size.
    fn detect_fitted(&self, rgb: &[u8]) -> Result<Vec<Detection>, NetworkError> {
        let planes = self.input.prepare(rgb).expect("fitted to the input");
        let outputs = self.plan.run(&planes)?;
        let candidates = self
            .grids
            .iter()
            .flat_map(|grid| grid.candidates(&outputs, self.threshold));
        Ok(decode::merge(candidates.collect()))
    }

    /// Looks for the recorded faces again.
    ///
    /// # Errors
    /// [`DetectorSelfTestError`] at the first frame that differs.
    pub fn self_test(&self, manifest: &DetectorManifest) -> Result<usize, DetectorSelfTestError> {
        for (i, frame) in manifest.self_test.iter().enumerate() {
            let found = self.detect_fitted(&frame.pixels)?;
            let same = found.first().is_some_and(|found| same(found, frame));
            if !same {
                return Err(DetectorSelfTestError::Differs {
                    index: i + 1,
                    found: found.first().map_or("no face".into(), |d| format!("{d:?}")),
                    expected: format!("score {} at {:?}", frame.score, frame.landmarks),
                });
            }
        }
        match manifest.self_test.len() {
            0 => Err(DetectorSelfTestError::NoFrames),
            frames => Ok(frames),
        }
    }
}

/// Written so that what is not a number differs.
fn same(found: &Detection, expected: &SelfTestFrame) -> bool {
    let near = |a: f32, b: f32, tolerance: f32| (a - b).abs() <= tolerance;
    let points = found.landmarks.0.iter().zip(&expected.landmarks.0);
    near(found.score, expected.score, SELF_TEST_TOLERANCE_PX / 10.0)
        && points.into_iter().all(|(a, b)| {
            near(a.x, b.x, SELF_TEST_TOLERANCE_PX) && near(a.y, b.y, SELF_TEST_TOLERANCE_PX)
        })
}

/// How a frame lies in what the network takes.
struct Fit {
    /// Pixels of the network for one of the frame.
    scale: [f32; 2],
    left: u32,
    top: u32,
}

impl Fit {
    /// RGB bytes of the network's frame, and how the frame lies in it.
    fn new<'a>(frame: &'a RgbImage, input: &FrameSpec) -> (Cow<'a, [u8]>, Self) {
        let (width, height) = (u32::from(input.width), u32::from(input.height));
        if frame.dimensions() == (width, height) {
            let fit = Self {
                scale: [1.0; 2],
                left: 0,
                top: 0,
            };
            return (Cow::Borrowed(frame.as_raw()), fit);
        }
        let [from_width, from_height] = [frame.width().max(1), frame.height().max(1)];
        let scale = f64::min(
            f64::from(width) / f64::from(from_width),
            f64::from(height) / f64::from(from_height),
        );
        let scaled =
            |side: u32, most: u32| ((f64::from(side) * scale).round() as u32).clamp(1, most);
        let (w, h) = (scaled(from_width, width), scaled(from_height, height));
        // Averages over what becomes one pixel, so that no detail turns into a false one.
        let small = imageops::resize(frame, w, h, FilterType::Triangle);
        let (left, top) = ((width - w) / 2, (height - h) / 2);
        let mut fitted = RgbImage::new(width, height);
        imageops::replace(&mut fitted, &small, left.into(), top.into());
        let fit = Self {
            scale: [w as f32 / from_width as f32, h as f32 / from_height as f32],
            left,
            top,
        };
        (Cow::Owned(fitted.into_raw()), fit)
    }

    /// From the network's pixels to the frame's; the middle of the first pixel is 0 in both.
    fn back(&self, p: Point) -> Point {
        let back = |at: f32, start: u32, scale: f32| (at - start as f32 + 0.5) / scale - 0.5;
        Point::new(
            back(p.x, self.left, self.scale[0]),
            back(p.y, self.top, self.scale[1]),
        )
    }
}
