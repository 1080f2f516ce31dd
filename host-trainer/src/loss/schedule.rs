//! Numbers of a loss that may change while training.

use serde::{Deserialize, Serialize};

/// A number, or one that moves evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, or { from = A, to = B, steps = N }"
)]
pub enum Schedule {
    /// The same at every step.
    Constant(f64),
    /// `from` at step 0, `to` from step `steps` on, a straight line between.
    Ramp(Ramp),
}

/// See [`Schedule::Ramp`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    from: f64,
    to: f64,
    steps: u64,
}

impl Schedule {
    /// The value at a step (the first is 0).
    pub fn at(&self, step: u64) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Ramp(Ramp { from, to, steps }) => {
                from + (to - from) * (step as f64 / steps.max(1) as f64).min(1.0)
            }
        }
    }

    /// The value that it comes to.
    pub(super) fn at_its_end(&self) -> Self {
        Self::Constant(self.at(u64::MAX))
    }

    /// Whether every value that it takes passes.
    pub(super) fn all(&self, good: impl Fn(f64) -> bool) -> bool {
        good(self.at(0)) && good(self.at(u64::MAX))
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Ramp(Ramp { from, to, steps }) => write!(f, "{from}..{to} in {steps} steps"),
        }
    }
}

/// What multiplies the cosines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, { from = A, to = B, steps = N }, or \"feature-norm\""
)]
pub enum Scale {
    /// A number: features are normalized, their length plays no part.
    Fixed(Schedule),
    /// Features are not normalized: each scales its own cosines by its length.
    Feature(FeatureNorm),
}

/// See [`Scale::Feature`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum FeatureNorm {
    /// As a recipe writes it.
    #[serde(rename = "feature-norm")]
    FeatureNorm,
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(scale) => scale.fmt(f),
            Self::Feature(_) => write!(f, "|f|"),
        }
    }
}

/// How A-Softmax's margin comes in: `lambda` shares of the plain cosine are mixed into the target,
/// `max(to, from / (1 + decay * step))` (SphereFace's solver: 1000, 0.12, 5).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    /// At step 0, at least 0.
    pub from: f64,
    /// How fast it falls, at least 0.
    pub decay: f64,
    /// The least, at least 0.
    pub to: f64,
}

impl Lambda {
    /// The value at a step (the first is 0).
    pub fn at(&self, step: u64) -> f64 {
        (self.from / (1.0 + self.decay * step as f64)).max(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_goes_straight_and_stays() {
        let ramp = Schedule::Ramp(Ramp {
            from: 0.1,
            to: 0.5,
            steps: 4,
        });
        for (step, value) in [(0, 0.1), (1, 0.2), (3, 0.4), (4, 0.5), (1_000, 0.5)] {
            assert!((ramp.at(step) - value).abs() < 1e-12, "{step}");
        }
        assert_eq!(Schedule::Constant(0.3).at(99), 0.3);
        assert!(ramp.all(|x| x < 0.6) && !ramp.all(|x| x < 0.4) && !ramp.all(|x| x > 0.2));
    }

    #[test]
    fn lambda_is_that_of_spherefaces_solver() {
        let lambda = Lambda {
            from: 1000.0,
            decay: 0.12,
            to: 5.0,
        };
        // base * (1 + gamma * iteration) ^ -power with gamma = 0.12, power = 1, at least 5.
        for (step, value) in [
            (0, 1000.0),
            (100, 1000.0 / 13.0),
            (1_658, 5.0),
            (9_999, 5.0),
        ] {
            assert!(
                (lambda.at(step) - value).abs() < 1e-2,
                "{step} {}",
                lambda.at(step)
            );
        }
    }
}
