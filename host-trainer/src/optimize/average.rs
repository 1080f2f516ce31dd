//! An exponential moving average of the weights.

use tch::Tensor;

/// The averages of some tensors.
pub struct Average {
    decay: f64,
    /// Name, tensor, its average.
    pairs: Vec<(String, Tensor, Tensor)>,
}

impl Average {
    /// Begins with the tensors as they are.
    ///
    /// - `decay`: share of the old average that each step keeps, above 0 and below 1
    pub fn new(decay: f64, tensors: impl Iterator<Item = (String, Tensor)>) -> Self {
        let pair = |(name, tensor): (String, Tensor)| {
            let average = tensor.detach().copy();
            (name, tensor, average)
        };
        Self {
            decay,
            pairs: tensors.map(pair).collect(),
        }
    }

    /// Moves the averages towards the tensors after a step (the first is 0). Early ones keep less,
    /// so that the weights that a training began with are soon forgotten.
    pub fn step(&mut self, step: u64) {
        let _guard = tch::no_grad_guard();
        let kept = self.decay.min((1.0 + step as f64) / (10.0 + step as f64));
        for (_, tensor, average) in &mut self.pairs {
            *average *= kept;
            *average += &*tensor * (1.0 - kept);
        }
    }

    /// The averages by the names of their tensors.
    pub fn averages(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.pairs.iter().map(|(name, _, average)| (name, average))
    }

    /// Puts the averages, which are what is measured and exported, into the tensors; the second
    /// time puts both back where they were.
    pub fn exchange(&mut self) {
        let _guard = tch::no_grad_guard();
        for (_, tensor, average) in &mut self.pairs {
            let own = tensor.copy();
            tensor.copy_(average);
            average.copy_(&own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn the_average_is_that_computed_by_hand() {
        let mut weight = Tensor::full([1], 1.0, (Kind::Double, Device::Cpu));
        let named = std::iter::once(("w".to_string(), weight.shallow_clone()));
        let mut average = Average::new(0.5, named);
        // Kept: 0.1, 2/11, then min(0.5, 12/21) = 0.5.
        let mut expected = 1.0;
        for (step, kept, now) in [(0, 0.1, 2.0), (1, 2.0 / 11.0, 4.0), (11, 0.5, 8.0)] {
            let _ = weight.fill_(now);
            average.step(step);
            expected = expected * kept + now * (1.0 - kept);
            let (_, found) = average.averages().next().unwrap();
            assert!(
                (found.double_value(&[0]) - expected).abs() < 1e-12,
                "{step}"
            );
        }
        assert_eq!(weight.double_value(&[0]), 8.0);
        average.exchange();
        assert!((weight.double_value(&[0]) - expected).abs() < 1e-12);
        average.exchange();
        assert_eq!(weight.double_value(&[0]), 8.0);
    }
}
