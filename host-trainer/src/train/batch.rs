//! From bytes of a batch to the network's input.

use crate::augment::augment;
use crate::config::Recipe;
use crate::dataset::loader::Batch;
use crate::native;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
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

/// The second half of a batch, each face blended with one of the first half, drawn as above.
pub(super) fn blended(faces: &Tensor, seed: u64, first: u64) -> Tensor {
    let len = faces.size()[0];
    let half = len / 2;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(first);
    let shares: Vec<f32> = (0..half).map(|_| random.random()).collect();
    let shares = Tensor::from_slice(&shares).view([half, 1, 1, 1]);
    let shares = shares.to_device(faces.device());
    let (first, rest) = (
        faces.narrow(0, 0, len - half),
        faces.narrow(0, len - half, half),
    );
    let mixed = rest.lerp_tensor(&faces.narrow(0, 0, half), &shares);
    Tensor::cat(&[first, mixed], 0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_half_is_seen_through_the_first() {
        let face = |level: f64| Tensor::full([3, 4, 4], level, (Kind::Float, Device::Cpu));
        let faces = Tensor::stack(&[10.0, 20.0, 30.0, 100.0, 200.0].map(face), 0);
        let mixed = blended(&faces, 3, 5);
        assert_eq!(mixed.size(), faces.size());
        assert!(mixed.narrow(0, 0, 3).equal(&faces.narrow(0, 0, 3)));
        for (row, ends) in [(3, 10.0..100.0), (4, 20.0..200.0)] {
            let pixels = Vec::<f32>::try_from(mixed.get(row).flatten(0, -1)).unwrap();
            assert!(ends.contains(&pixels[0]), "{row}: {}", pixels[0]);
            assert!(pixels.iter().all(|p| *p == pixels[0]));
        }
        assert!(blended(&faces, 3, 5).equal(&mixed));
        assert!(!blended(&faces, 3, 6).equal(&mixed));
        assert!(!blended(&faces, 4, 5).equal(&mixed));
    }
}
