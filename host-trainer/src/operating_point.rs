//! Thresholds for stated false-match rates, measured on pairs of people the network never saw.

use crate::evaluate::confidence::{Counted, ErrorRates};
use crate::evaluate::verification::Sorted;
use crate::report;
use shared::bundle::OperatingPoint;

/// False matches that must be behind a threshold for its rate to mean anything. Were all pairs
/// independent, the 95 % confidence interval of ten would be about half to twice the rate; many
/// pairs of a few people carry less than that.
const FALSE_MATCHES_NEEDED: f64 = 10.0;
/// Impostor pairs that even the most permissive point, 1e-1, needs.
pub const IMPOSTOR_PAIRS_NEEDED: u64 = FALSE_MATCHES_NEEDED as u64 * 10;

/// A point for each of 1e-1, 1e-2, ... as far down as the impostor pairs carry, and the halves
/// and fifths between, so that a gallery of a few people does not jump a whole decade.
pub fn operating_points(scores: &Sorted) -> Vec<OperatingPoint> {
    let pairs = scores.impostor().len();
    let rates = (1..=9).flat_map(|decade| [10.0, 5.0, 2.0].map(|f| f / 10_f64.powi(decade + 1)));
    rates
        .take_while(|fmr| fmr * pairs as f64 >= FALSE_MATCHES_NEEDED)
        .map(|fmr| {
            let threshold = scores.threshold_at(fmr);
            OperatingPoint {
                threshold,
                fmr,
                fnmr: scores.fnmr(threshold),
                impostor_pairs: pairs as u64,
                genuine_pairs: scores.genuine().len() as u64,
            }
        })
        .collect()
}

/// What the pairs behind a reported point say of its rates.
pub fn error_rates(point: &report::OperatingPoint) -> ErrorRates {
    let matched = Counted {
        count: (point.fmr * point.impostor_pairs as f64 + 1e-9).floor() as u64,
        of: point.impostor_pairs,
    };
    let missed = Counted {
        count: (point.fnmr * point.genuine_pairs as f64).round() as u64,
        of: point.genuine_pairs,
    };
    ErrorRates::counted(point.fmr, point.threshold as f32, matched, missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::verification::Scores;

    #[test]
    fn a_point_has_the_bounds_of_its_pairs() {
        let rates = error_rates(&report::OperatingPoint {
            threshold: 0.5,
            fmr: 0.001,
            fnmr: 0.5,
            impostor_pairs: 3999,
            genuine_pairs: 10,
        });
        // Three of 3,999 pairs and five of ten; the ends are those of confidence's table.
        assert_eq!(rates.fmr_measured, 3.0 / 3999.0);
        assert!(rates.fmr_upper_95 > 0.0019 && rates.fmr_upper_95 < 0.002);
        assert!((rates.fnmr_lower_95 - 0.187086).abs() < 1e-5);
        assert!((rates.fnmr_upper_95 - 0.812914).abs() < 1e-5);
    }

    #[test]
    fn rates_go_as_far_down_as_the_pairs_carry() {
        for (pairs, lowest) in [
            (IMPOSTOR_PAIRS_NEEDED, 0.1),
            (1_000, 0.01),
            (6_000, 0.002),
            (IMPOSTOR_PAIRS_NEEDED - 1, f64::NAN),
        ] {
            let impostor = (0..pairs).map(|i| i as f32 / pairs as f32).collect();
            let scores = Scores {
                genuine: vec![0.2, 1.0],
                impostor,
            }
            .sorted()
            .unwrap();
            let points = operating_points(&scores);
            assert_eq!(
                points.last().map(|p| p.fmr),
                Some(lowest).filter(|l| !l.is_nan())
            );
            for point in points {
                assert!(scores.fmr(point.threshold) <= point.fmr + 1e-9);
                assert_eq!(point.fnmr, 0.5);
            }
        }
    }
}
