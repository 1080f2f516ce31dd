//! Finds faces and their landmarks in a frame of any size.

mod decode;
pub(crate) mod fuzzed;
mod only;
mod view;

pub use only::{NotOneFace, only};

use crate::network::{Convolutions, NetworkError, Plan};
use decode::Grid;
use image::RgbImage;
use shared::align::Landmarks;
use shared::bundle::Bundle;
use shared::detector::{DetectorManifest, FrameSpec, SelfTestFrame};
use view::View;

/// A self-test frame's landmarks may be that far from the recorded ones, in pixels of the
/// detector's frame, and the score by a tenth of that.
pub const SELF_TEST_TOLERANCE_PX: f32 = 0.05;

/// So many faces are looked at twice, the largest ones: whoever stands before the door is among
/// them, and a crowd costs no more.
const CLOSE_LOOKS: usize = 3;

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
    close_look: Option<f32>,
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
        let plan = Plan::build(model, manifest.input.shape(), Convolutions::default())?;
        let grids = Grid::all(&manifest.layout, &manifest.input, |name, len| {
            plan.output(name, len)
        })?;
        Ok(Self {
            plan,
            input: manifest.input.clone(),
            grids,
            threshold: manifest.threshold,
            close_look: manifest.close_look,
        })
    }

    /// The faces in a frame, the surest first. The frame is scaled to fit into what the network
    /// takes, and the rest of that is black. Then the largest faces are looked at again from
    /// nearby, if the manifest says how near: that tells where their landmarks are more exactly, and
    /// what is no face after all.
    ///
    /// # Errors
    /// [`NetworkError::Unsupported`] if the network does not run.
    pub fn detect(&self, frame: &RgbImage) -> Result<Vec<Detection>, NetworkError> {
        let mut found = self.look(&View::whole(frame, &self.input), frame)?;
        let Some(side) = self.close_look else {
            return Ok(found);
        };
        found.sort_by(|a, b| b.side.total_cmp(&a.side));
        let beyond = found.split_off(found.len().min(CLOSE_LOOKS));
        let mut faces = Vec::new();
        for face in &found {
            faces.extend(self.look_closer(frame, face, side)?);
        }
        faces.extend(beyond);
        faces.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(faces)
    }

    /// The same face from nearby, no surer than before; `None` if there is none.
    fn look_closer(
        &self,
        frame: &RgbImage,
        face: &Detection,
        side: f32,
    ) -> Result<Option<Detection>, NetworkError> {
        let found = match View::around(frame, face, side, &self.input) {
            Some(view) => self.look(&view, frame)?,
            None => Vec::new(),
        };
        let same = found.into_iter().find(|near| decode::is_same(near, face));
        Ok(same.map(|near| Detection {
            score: near.score.min(face.score),
            ..near
        }))
    }

    /// The faces in a view of a frame, in pixels of the frame.
    fn look(&self, view: &View, frame: &RgbImage) -> Result<Vec<Detection>, NetworkError> {
        let found = self.detect_fitted(&view.of(frame, &self.input))?;
        let back = |d: Detection| Detection {
            landmarks: Landmarks(d.landmarks.0.map(|p| view.back(p))),
            side: d.side / view.scale[0],
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
            let (width, height) = (self.input.width.into(), self.input.height.into());
            let image = RgbImage::from_raw(width, height, frame.pixels.clone());
            let found = self.detect(&image.expect("a manifest's frames are checked"))?;
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
