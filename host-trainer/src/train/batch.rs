//! From bytes of a batch to the network's input.

use crate::dataset::loader::Batch;
use crate::native;
use shared::preprocess::{InputSpec, PixelOrder};
use tch::{Device, Kind, Tensor};

/// `[B, 3, H, W]` floats with the channels innermost, normalized as [`InputSpec::prepare`] does.
pub fn images(batch: &Batch, input: &InputSpec, device: Device) -> Tensor {
    let (height, width) = (
        input.template.height() as i64,
        input.template.width() as i64,
    );
    let bytes = Tensor::from_slice(&batch.pixels)
        .view([-1, height, width, 3])
        .to_device(device);
    let planes = bytes.permute([0, 3, 1, 2]);
    let planes = match input.pixel_order {
        PixelOrder::Rgb => planes,
        PixelOrder::Bgr => planes.flip([1]),
    };
    let row = |values: [f32; 3]| {
        Tensor::from_slice(&values)
            .view([1, 3, 1, 1])
            .to_device(device)
    };
    native::channels_last(&((planes.to_kind(Kind::Float) - row(input.mean)) / row(input.std)))
}
