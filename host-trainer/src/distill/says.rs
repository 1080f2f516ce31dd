//! What a teacher says of a batch: what it said of the photographs, or what it sees in the crops.

use super::looking::Looking;
use super::{DistillError, FaceError};
use crate::config::InputConfig;
use crate::dataset::packed::PackedSet;
use crate::train::normalized;
use edge_runtime::network::Network;
use tch::{Device, Kind, Tensor};

/// Faces that libtorch and tract are compared on.
const CHECKED: usize = 4;
/// The least cosine; a GPU multiplies floats with fewer digits.
const AGREED: f64 = 0.999;

/// The faces of a batch.
pub struct Crops<'a> {
    /// Indices into the packed set, `[B]`.
    pub images: &'a [usize],
    /// As the augmentation left them: `[B, 3, H, W]` f32, RGB in 0 to 255.
    pub faces: &'a Tensor,
}

pub(super) enum Says {
    /// `[N, D]` f32, rows of unit length, in the order of a packed set.
    Once(Tensor),
    Always {
        network: Looking,
        input: InputConfig,
        mirror_sum: bool,
    },
}

impl Says {
    /// `[B, D]` f32.
    pub(super) fn of(&self, crops: &Crops<'_>) -> Result<Tensor, DistillError> {
        let (network, input, mirror_sum) = match self {
            Self::Once(embeddings) => {
                let rows: Vec<i64> = crops.images.iter().map(|i| *i as i64).collect();
                let rows = Tensor::from_slice(&rows).to_device(embeddings.device());
                return Ok(embeddings.index_select(0, &rows));
            }
            Self::Always {
                network,
                input,
                mirror_sum,
            } => (network, input, *mirror_sum),
        };
        let images = normalized(crops.faces, input.pixel_order, input.mean, input.std);
        let seen = network.forward(&images)?;
        match mirror_sum {
            true => Ok(seen + network.forward(&images.flip([3]))?),
            false => Ok(seen),
        }
    }

    /// # Errors
    /// [`DistillError::Differs`] if some faces have other embeddings than tract computes.
    pub(super) fn check(
        &self,
        network: &Network,
        set: &PackedSet,
        device: Device,
    ) -> Result<(), DistillError> {
        let images: Vec<usize> = (0..set.len().min(CHECKED)).collect();
        let face = |image: &usize| set.face(*image).map_err(FaceError::from);
        let faces: Vec<_> = images.iter().map(face).collect::<Result<_, _>>()?;
        let tract = |face| Ok::<_, FaceError>(network.embed(face)?.embedding);
        let theirs: Vec<_> = faces.iter().map(tract).collect::<Result<_, _>>()?;
        let theirs = theirs.iter().map(|e| Tensor::from_slice(e.as_slice()));
        let theirs = Tensor::stack(&theirs.collect::<Vec<_>>(), 0).to_device(device);
        let (height, width) = (set.template().height(), set.template().width());
        let pixels = faces.iter().map(|face| Tensor::from_slice(face.pixels()));
        let faces = Tensor::stack(&pixels.collect::<Vec<_>>(), 0)
            .view([-1, height as i64, width as i64, 3])
            .permute([0, 3, 1, 2])
            .to_kind(Kind::Float)
            .to_device(device);
        let crops = Crops {
            images: &images,
            faces: &faces,
        };
        let own = self.of(&crops)?;
        let cosine = Tensor::cosine_similarity(&own, &theirs, 1, 1e-12).min();
        let cosine = cosine.double_value(&[]);
        // Not a number is no agreement, either.
        match cosine >= AGREED {
            true => Ok(()),
            false => Err(DistillError::Differs { cosine }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::graph::Activation;
    use crate::backbone::{Module, mobilefacenet};
    use crate::dataset::{DataConfig, prepare};
    use crate::export;
    use crate::generator::Generator;
    use shared::bundle::Precision;
    use shared::preprocess::{InputSpec, PixelOrder};

    #[test]
    fn another_network_than_tract_runs_is_refused() {
        let graph = mobilefacenet(0.125, 32, Activation::Prelu);
        let onnx = |seed| {
            let module = Module::new(graph.clone(), Device::Cpu, &Generator::seeded(seed));
            export::onnx(&graph, &export::weights(&module), Precision::F32)
        };
        let dir = tempfile::tempdir().unwrap();
        let data = DataConfig::Synthetic {
            people: 2,
            pictures: 3,
            held_out: 0.0,
        };
        let set = prepare(&data, None, graph.template(), 3, dir.path()).unwrap();
        let input = InputSpec::rgb_128(graph.template());
        let network = Network::from_onnx(&onnx(1), &input, 32, true).unwrap();
        let check = |seed, pixel_order| {
            let says = Says::Always {
                network: Looking::new(&onnx(seed), Device::Cpu).unwrap(),
                input: InputConfig {
                    pixel_order,
                    mean: input.mean,
                    std: input.std,
                },
                mirror_sum: true,
            };
            says.check(&network, &set, Device::Cpu)
        };
        check(1, PixelOrder::Rgb).unwrap();
        let differs = |outcome| matches!(outcome, Err(DistillError::Differs { .. }));
        assert!(differs(check(2, PixelOrder::Rgb)));
        assert!(differs(check(1, PixelOrder::Bgr)));
    }
}
