//! From the bytes of an aligned face to the floats that the network takes.

use crate::align::{AlignTemplate, AlignedFace};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The order of the three planes of a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// What a network takes: which crop, in which order, normalized how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The crop.
    pub template: AlignTemplate,
    /// The order of the planes.
    pub pixel_order: PixelOrder,
    /// Subtracted from each plane, in units of the pixel (0 to 255) and in plane order.
    pub mean: [f32; 3],
    /// Divides each plane after the subtraction, likewise.
    pub std: [f32; 3],
}

/// The face was cut for one template, the network wants another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the face is aligned to {found:?}, the network takes {expected:?}; align it with the template of this bundle"
)]
pub struct WrongTemplate {
    /// Of the face.
    pub found: AlignTemplate,
    /// Of the network.
    pub expected: AlignTemplate,
}

impl InputSpec {
    /// `(x - 128) / 128` on RGB, as the AM-Softmax authors train.
    pub fn rgb_128(template: AlignTemplate) -> Self {
        Self {
            template,
            pixel_order: PixelOrder::Rgb,
            mean: [128.0; 3],
            std: [128.0; 3],
        }
    }

    /// The network's input shape, `[1, 3, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        [1, 3, self.template.height(), self.template.width()]
    }

    /// Whether every mean is finite and every divisor finite and above zero.
    pub fn is_usable(&self) -> bool {
        self.mean.iter().all(|m| m.is_finite())
            && self.std.iter().all(|s| s.is_finite() && *s > 0.0)
    }

    /// `[3, height, width]` floats, plane after plane.
    ///
    /// # Errors
    /// [`WrongTemplate`] if the face was aligned to another template.
    pub fn prepare(&self, face: &AlignedFace) -> Result<Vec<f32>, WrongTemplate> {
        if face.template() != self.template {
            return Err(WrongTemplate {
                found: face.template(),
                expected: self.template,
            });
        }
        Ok(planes(
            face.pixels(),
            self.pixel_order,
            &self.mean,
            &self.std,
        ))
    }
}

/// RGB bytes as floats, plane after plane.
pub(crate) fn planes(
    rgb: &[u8],
    pixel_order: PixelOrder,
    mean: &[f32; 3],
    std: &[f32; 3],
) -> Vec<f32> {
    let mut planes = Vec::with_capacity(rgb.len());
    for plane in 0..3 {
        let channel = match pixel_order {
            PixelOrder::Rgb => plane,
            PixelOrder::Bgr => 2 - plane,
        };
        let (mean, std) = (mean[plane], std[plane]);
        let bytes = rgb[channel..].iter().step_by(3);
        planes.extend(bytes.map(|byte| (f32::from(*byte) - mean) / std));
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn face(template: AlignTemplate, pixel: [u8; 3]) -> AlignedFace {
        let pixels = pixel
            .iter()
            .copied()
            .cycle()
            .take(template.rgb_len())
            .collect();
        AlignedFace::from_pixels(template, pixels).unwrap()
    }

    #[test]
    fn planes_follow_the_pixel_order() {
        let face = face(AlignTemplate::Sphereface112x96, [0, 128, 255]);
        let plane = 112 * 96;
        for (order, first, last) in [
            (PixelOrder::Rgb, -1.0, 127.0 / 128.0),
            (PixelOrder::Bgr, 127.0 / 128.0, -1.0),
        ] {
            let spec = InputSpec {
                pixel_order: order,
                ..InputSpec::rgb_128(face.template())
            };
            let input = spec.prepare(&face).unwrap();
            assert_eq!(input.len(), 3 * plane);
            assert_eq!(
                [input[0], input[plane], input[3 * plane - 1]],
                [first, 0.0, last]
            );
        }
    }

    #[test]
    fn each_plane_has_its_own_normalization() {
        let face = face(AlignTemplate::Arcface112x112, [10, 20, 30]);
        let spec = InputSpec {
            mean: [0.0, 10.0, 20.0],
            std: [1.0, 2.0, 5.0],
            ..InputSpec::rgb_128(face.template())
        };
        let input = spec.prepare(&face).unwrap();
        let plane = 112 * 112;
        assert_eq!(
            vec![input[0], input[plane], input[2 * plane]],
            vec![10.0, 5.0, 2.0]
        );
    }

    #[test]
    fn a_face_of_another_template_is_refused() {
        let spec = InputSpec::rgb_128(AlignTemplate::Arcface112x112);
        let error = spec
            .prepare(&face(AlignTemplate::Sphereface112x96, [0; 3]))
            .unwrap_err();
        assert_eq!(error.expected, AlignTemplate::Arcface112x112);
    }
}
