//! The learning rate over a training.

use serde::{Deserialize, Serialize};

/// How the learning rate changes, after a warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum RateSchedule {
    /// Multiplied by a factor at given steps.
    Multistep {
        /// Ascending.
        drop_at: Vec<u64>,
        /// 0 to 1.
        drop_factor: f64,
    },
    /// `(1 - progress) ^ power`, down to 0 at the last step.
    Polynomial {
        /// Above 0.
        power: f64,
    },
    /// Half a cosine wave, down to 0 at the last step.
    Cosine {},
}

impl RateSchedule {
    /// What multiplies the learning rate at a step (the first is 0) of a training of `steps`, whose
    /// first `warmup_steps` climb to it evenly.
    pub fn factor(&self, step: u64, warmup_steps: u64, steps: u64) -> f64 {
        if step < warmup_steps {
            return (step + 1) as f64 / warmup_steps as f64;
        }
        let progress =
            (step - warmup_steps) as f64 / steps.saturating_sub(warmup_steps).max(1) as f64;
        match self {
            Self::Multistep {
                drop_at,
                drop_factor,
            } => {
                let drops = drop_at.iter().filter(|at| step >= **at).count();
                drop_factor.powi(drops as i32)
            }
            Self::Polynomial { power } => (1.0 - progress).max(0.0).powf(*power),
            Self::Cosine {} => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let good = match self {
            Self::Multistep {
                drop_at,
                drop_factor,
            } => drop_at.is_sorted() && (0.0..=1.0).contains(drop_factor),
            Self::Polynomial { power } => *power > 0.0 && power.is_finite(),
            Self::Cosine {} => true,
        };
        let reason =
            "[optimizer.schedule] drop_at must be ascending, drop_factor in 0 to 1, power above 0";
        good.then_some(()).ok_or_else(|| reason.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &RateSchedule, warmup_steps: u64, expected: &[(u64, f64)]) {
        for (step, factor) in expected {
            let found = schedule.factor(*step, warmup_steps, 100);
            assert!(
                (found - factor).abs() < 1e-12,
                "{schedule:?} {step}: {found}"
            );
        }
    }

    #[test]
    fn the_rate_drops_at_its_steps() {
        let multistep = RateSchedule::Multistep {
            drop_at: vec![2, 4],
            drop_factor: 0.1,
        };
        check(
            &multistep,
            0,
            &[
                (0, 1.0),
                (1, 1.0),
                (2, 0.1),
                (3, 0.1),
                (4, 0.01),
                (99, 0.01),
            ],
        );
    }

    #[test]
    fn polynomial_and_cosine_end_at_nothing() {
        let power = 2.0;
        let polynomial = RateSchedule::Polynomial { power };
        check(
            &polynomial,
            0,
            &[(0, 1.0), (50, 0.25), (100, 0.0), (101, 0.0)],
        );
        let half = 0.5 * (1.0 + std::f64::consts::FRAC_1_SQRT_2);
        let cosine = RateSchedule::Cosine {};
        check(
            &cosine,
            0,
            &[(0, 1.0), (25, half), (50, 0.5), (100, 0.0), (200, 0.0)],
        );
    }

    #[test]
    fn a_warm_up_climbs_to_the_rate_and_the_schedule_begins_after_it() {
        let cosine = RateSchedule::Cosine {};
        check(
            &cosine,
            20,
            &[
                (0, 0.05),
                (9, 0.5),
                (19, 1.0),
                (20, 1.0),
                (60, 0.5),
                (100, 0.0),
            ],
        );
    }
}
