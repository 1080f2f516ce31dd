//! Augmentation: training images as other cameras would have taken them, drawn from a seed and
//! changed in batches on the device that trains.
//!
//! Light falls on a face that is partly hidden, passes an optic and a sensor, and is compressed:
//! the steps come in that order. Each is a table of the recipe's `[augmentation]`, off when absent.

mod degrade;
mod geometry;
mod jpeg;
mod light;
mod mixup;
mod occlude;
mod step;

pub use degrade::{Blur, LowResolution};
pub use geometry::{Crop, Jitter};
pub use jpeg::Jpeg;
pub use light::{Color, Exposure, LowLight};
pub use mixup::mixup;
pub use occlude::Occlusion;

use geometry::Mirror;
use serde::{Deserialize, Serialize};
use step::Faces;
use tch::{Kind, Tensor};

/// Which changes are drawn, each for itself; without any, images are as they were packed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Mirror each image with probability one half.
    pub mirror: bool,
    /// The face a little turned, scaled and shifted, as landmarks that are a little off leave it.
    pub jitter: Option<Jitter>,
    /// A part of the image at the size of the whole.
    pub crop: Option<Crop>,
    /// A patch over the face.
    pub occlusion: Option<Occlusion>,
    /// Another white balance and saturation.
    pub color: Option<Color>,
    /// Brighter or darker, with another contrast.
    pub exposure: Option<Exposure>,
    /// Out of focus.
    pub blur: Option<Blur>,
    /// A face far from the camera.
    pub low_resolution: Option<LowResolution>,
    /// Little light, and the noise of the sensor in it.
    pub low_light: Option<LowLight>,
    /// What strong compression leaves.
    pub jpeg: Option<Jpeg>,
}

impl AugmentConfig {
    /// # Errors
    /// The field and what it must be, for the recipe's reader.
    pub(crate) fn check(&self) -> Result<(), String> {
        step::check(self.jitter.as_ref())?;
        step::check(self.crop.as_ref())?;
        step::check(self.occlusion.as_ref())?;
        step::check(self.color.as_ref())?;
        step::check(self.exposure.as_ref())?;
        step::check(self.blur.as_ref())?;
        step::check(self.low_resolution.as_ref())?;
        step::check(self.low_light.as_ref())?;
        step::check(self.jpeg.as_ref())
    }
}

/// Changes a batch as the recipe says.
///
/// - `images`: `[B, 3, H, W]`, u8 or f32 in 0 to 255, RGB, on any device, in any memory order;
///   H and W multiples of 16, as those of the templates are
/// - `first_image`: the number of the first of them among all that the run shows, the step times
///   the batch size. What is drawn for an image is a function of `seed` and its number alone, so
///   neither a resumed run nor one that splits its batches changes it.
///
/// Returns f32 in 0 to 255, equal to the input where nothing was drawn. All numbers are drawn on
/// the CPU, and no generator of libtorch is touched; on a GPU, matrix products in TF32 may move a
/// level by some tenths.
pub fn augment(images: &Tensor, config: &AugmentConfig, seed: u64, first_image: u64) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    if *config == AugmentConfig::default() {
        return images.to_kind(Kind::Float);
    }
    Faces::new(images, seed, first_image)
        .step(config.mirror.then_some(&Mirror))
        .step(config.jitter.as_ref())
        .step(config.crop.as_ref())
        .step(config.occlusion.as_ref())
        .step(config.color.as_ref())
        .step(config.exposure.as_ref())
        .step(config.blur.as_ref())
        .step(config.low_resolution.as_ref())
        .step(config.low_light.as_ref())
        .step(config.jpeg.as_ref())
        .images
}

#[cfg(test)]
mod tests;
