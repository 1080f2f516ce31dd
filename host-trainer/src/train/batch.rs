//! From bytes of a batch to the network's input.

use crate::augment::augment;
use crate::config::Recipe;
use crate::dataset::loader::Batch;
use crate::native;
use shared::preprocess::{InputSpec, PixelOrder};
use tch::{Device, Kind, Tensor};

/// A batch as the network takes it: `[B, 3, H, W]` f32 with the channels innermost in memory,
/// normalized as [`InputSpec::prepare`] does.
pub fn images(batch: &Batch, input: &InputSpec, device: Device) -> Tensor {
    let faces = pixels(batch, input, device).to_kind(Kind::Float);
    normalized(&faces, input.pixel_order, input.mean, input.std)
}

/// The faces of a batch, changed as the recipe's augmentation says: `[B, 3, H, W]` f32, RGB in 0 to
/// 255.
///
/// - `first`: number of the batch's first image since the training began; with the recipe's seed it
///   fixes what is drawn
pub(super) fn augmented(
    batch: &Batch,
    recipe: &Recipe,
    input: &InputSpec,
    first: u64,
    device: Device,
) -> Tensor {
    let faces = pixels(batch, input, device);
    augment(&faces, &recipe.augmentation, recipe.seed, first)
}

/// `[B, 3, H, W]` bytes, RGB.
fn pixels(batch: &Batch, input: &InputSpec, device: Device) -> Tensor {
    let (height, width) = (input.template.height(), input.template.width());
    Tensor::from_slice(&batch.pixels)
        .view([-1, height as i64, width as i64, 3])
        .to_device(device)
        .permute([0, 3, 1, 2])
}

/// Orders the planes of `[B, 3, H, W]` f32, RGB in 0 to 255, and subtracts and divides.
pub(crate) fn normalized(
    faces: &Tensor,
    pixel_order: PixelOrder,
    mean: [f32; 3],
    std: [f32; 3],
) -> Tensor {
    let row = |values: [f32; 3]| {
        Tensor::from_slice(&values)
            .view([1, 3, 1, 1])
            .to_device(faces.device())
    };
    let planes = match pixel_order {
        PixelOrder::Rgb => faces.shallow_clone(),
        PixelOrder::Bgr => faces.flip([1]),
    };
    native::channels_last(&((planes - row(mean)) / row(std)))
}
