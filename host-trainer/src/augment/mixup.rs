//! Two faces in one picture (arXiv:1710.09412).

use super::step::{per_image, random};
use rand::RngExt;
use tch::Tensor;

/// Blends each face of the second half of a batch with one of the first half, a share drawn evenly.
///
/// - `images`: `[B, 3, H, W]` f32; of an odd number, the first half is the larger
/// - `first_image`: as of [`super::augment`]
pub fn mixup(images: &Tensor, seed: u64, first_image: u64) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let len = images.size()[0];
    let (whole, mixed) = (len - len / 2, len / 2);
    let share = |row: i64| {
        let image = first_image.wrapping_add((whole + row) as u64);
        [random(seed, "mixup", image).random()]
    };
    let shares = per_image((0..mixed).map(share), images.device());
    let second = images.narrow(0, whole, mixed);
    let blend = second.lerp_tensor(&images.narrow(0, 0, mixed), &shares);
    Tensor::cat(&[images.narrow(0, 0, whole), blend], 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn the_second_half_is_seen_through_the_first() {
        let face = |level: f64| Tensor::full([3, 4, 4], level, (Kind::Float, Device::Cpu));
        let faces = Tensor::stack(&[10.0, 20.0, 30.0, 100.0, 200.0].map(face), 0);
        let mixed = mixup(&faces, 3, 5);
        assert_eq!(mixed.size(), faces.size());
        assert!(mixed.narrow(0, 0, 3).equal(&faces.narrow(0, 0, 3)));
        for (row, ends) in [(3, 10.0..100.0), (4, 20.0..200.0)] {
            let pixels = Vec::<f32>::try_from(mixed.get(row).flatten(0, -1)).unwrap();
            assert!(ends.contains(&pixels[0]), "{row}: {}", pixels[0]);
            assert!(pixels.iter().all(|p| *p == pixels[0]));
        }
        assert!(mixup(&faces, 3, 5).equal(&mixed));
        assert!(!mixup(&faces, 3, 6).equal(&mixed));
        assert!(!mixup(&faces, 4, 5).equal(&mixed));
    }
}
