//! Batch norm, over the batches of all ranks where there are several.

use crate::distributed;
use crate::native::{Statistics, normalize};
use tch::{Kind, Tensor};

/// Share of the newest batch in the running statistics, PyTorch's default.
const MOMENTUM: f64 = 0.1;
/// Added to the variance, PyTorch's default; the export folds with the same.
pub const NORM_EPSILON: f64 = 1e-5;

/// The tensors of a layer, each `[C]` f32.
pub(super) struct BatchNorm<'a> {
    pub(super) weight: &'a Tensor,
    pub(super) bias: &'a Tensor,
    pub(super) running_mean: &'a Tensor,
    pub(super) running_var: &'a Tensor,
}

impl BatchNorm<'_> {
    /// `[B, C, H, W]`. With `train`, by the batch's statistics, and the running ones are updated.
    pub(super) fn forward(&self, input: &Tensor, train: bool) -> Tensor {
        if train && distributed::ranks() > 1 {
            return self.of_all_ranks(input);
        }
        input.batch_norm(
            Some(self.weight),
            Some(self.bias),
            Some(self.running_mean),
            Some(self.running_var),
            train,
            MOMENTUM,
            NORM_EPSILON,
            true,
        )
    }

    fn of_all_ranks(&self, input: &Tensor) -> Tensor {
        let of = statistics(input);
        let unbiased = &of.variance * (of.count / (of.count - 1.0));
        let pairs = [(self.running_mean, &of.mean), (self.running_var, &unbiased)];
        for (running, newest) in pairs {
            let _ = running.shallow_clone().lerp_(newest, MOMENTUM);
        }
        normalize(input, [self.weight, self.bias], &of, NORM_EPSILON)
    }
}

/// Of `[B, C, H, W]` over all ranks, whose batches are of one size.
fn statistics(input: &Tensor) -> Statistics {
    let _guard = tch::no_grad_guard();
    let channels = input.size()[1];
    // Only the running statistics' kind matters: it is that of the result.
    let unused = || Tensor::zeros([channels], (Kind::Float, input.device()));
    let (mean, variance) = input.batch_norm_update_stats(Some(unused()), Some(unused()), 0.0);
    let all = distributed::rows(&Tensor::cat(&[mean, variance], 0)).view([-1, 2, channels]);
    let (means, variances) = (all.select(1, 0), all.select(1, 1));
    let over_ranks = |of: &Tensor| of.mean_dim([0].as_slice(), false, Kind::Float);
    let mean = over_ranks(&means);
    Statistics {
        variance: over_ranks(&(variances + (means - &mean).square())),
        mean,
        count: (input.numel() as i64 / channels) as f64 * distributed::ranks() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Generator;
    use tch::Device;

    /// Output, running statistics, and gradients of input, weight and bias.
    fn after_a_step(kind: Kind, by: impl Fn(&BatchNorm<'_>, &Tensor) -> Tensor) -> Vec<Tensor> {
        let _generator = Generator::seeded(7);
        let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let images = normal(&[6, 5, 4, 3]) * 2.0 + 1.0;
        let input = crate::native::channels_last(&images.to_kind(kind)).set_requires_grad(true);
        let [weight, bias] = [normal(&[5]), normal(&[5])].map(|t| t.set_requires_grad(true));
        let [running_mean, running_var] = [normal(&[5]), normal(&[5]).exp()];
        let norm = BatchNorm {
            weight: &weight,
            bias: &bias,
            running_mean: &running_mean,
            running_var: &running_var,
        };
        let output = by(&norm, &input);
        assert_eq!(output.kind(), kind);
        (&output * normal(&[6, 5, 4, 3]))
            .sum(Kind::Float)
            .backward();
        let gradients = [&input, &weight, &bias].map(Tensor::grad);
        [output, running_mean, running_var]
            .into_iter()
            .chain(gradients)
            .collect()
    }

    #[test]
    fn statistics_of_all_ranks_give_what_libtorch_gives_for_one() {
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::BFloat16, 0.05)] {
            let expected = after_a_step(kind, |norm, input| norm.forward(input, true));
            let found = after_a_step(kind, |norm, input| norm.of_all_ranks(input));
            for (i, (a, b)) in expected.iter().zip(&found).enumerate() {
                assert_eq!(a.kind(), b.kind());
                let apart = (a - b).abs().max().double_value(&[]);
                assert!(apart <= tolerance, "{kind:?} {i}: {apart}");
            }
        }
    }
}
