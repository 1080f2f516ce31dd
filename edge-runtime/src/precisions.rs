//! Which of a bundle's precisions a door runs: the fastest on this device of those that do what
//! its configuration asks for.

use crate::bundle::self_test;
use crate::network::Network;
use shared::align::AlignedFace;
use shared::bundle::{Bundle, NoOperatingPoint, OperatingPoint, Precision};
use std::time::{Duration, Instant};

/// How much slower than the fastest still counts as being as fast. Two precisions that compute the
/// same (8-bit weights become floats) differ by some 1 % when they take turns, and nobody sees 5 %.
const AS_FAST: f64 = 1.05;

/// Milliseconds for a face of each of a bundle's precisions, in its order; or why it does not run
/// here as it ran where it was measured. They take turns, and of the times the tenth from below in
/// a hundred is taken: whatever else the machine does makes times longer, never shorter, and on a
/// busy one medians differ by a third between networks that compute the same.
pub fn time(bundle: &Bundle, rounds: u32) -> Vec<(Precision, Result<f64, String>)> {
    let tried: Vec<_> = bundle
        .precisions()
        .map(|precision| (precision, prove(bundle, precision)))
        .collect();
    let mut times = vec![Vec::new(); tried.len()];
    for round in 0..rounds as usize {
        for (i, (_, tried)) in tried.iter().enumerate() {
            let Ok((network, faces)) = tried else {
                continue;
            };
            let face = &faces[round % faces.len()];
            let started = Instant::now();
            // It embedded each of them a moment ago.
            if network.embed(face).is_ok() {
                times[i].push(started.elapsed());
            }
        }
    }
    let rows = tried.into_iter().zip(times);
    rows.map(|((precision, tried), times)| (precision, tried.and_then(|_| quick_ms(times))))
        .collect()
}

fn prove(bundle: &Bundle, precision: Precision) -> Result<(Network, Vec<AlignedFace>), String> {
    let alone = bundle.select(precision).expect("it is one of the bundle's");
    let manifest = alone.manifest();
    let network = Network::load(&alone).map_err(|error| error.to_string())?;
    self_test(&network, manifest).map_err(|error| error.to_string())?;
    let faces = manifest.self_test.iter();
    let faces = faces.filter_map(|face| face.face(&manifest.input));
    Ok((network, faces.collect()))
}

fn quick_ms(mut times: Vec<Duration>) -> Result<f64, String> {
    times.sort();
    let quick = times.get(times.len() / 10).ok_or("it was not timed")?;
    Ok(1e3 * quick.as_secs_f64())
}

/// What is known of a precision when one is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which.
    pub precision: Precision,
    /// Milliseconds for a face on this device, or why it does not run there.
    pub embed_ms: Result<f64, String>,
    /// Measured for the false-accept rate asked for, or why there is none.
    pub point: Result<OperatingPoint, NoOperatingPoint>,
}

impl Candidate {
    /// Why a door must not run it, whose false-non-match rate may be at most `highest_fnmr`.
    pub fn objection(&self, highest_fnmr: Option<f64>) -> Option<String> {
        let point = match (&self.embed_ms, &self.point) {
            (Err(reason), _) => return Some(reason.clone()),
            (_, Err(none)) => return Some(none.to_string()),
            (Ok(_), Ok(point)) => point,
        };
        let highest = highest_fnmr.filter(|highest| point.fnmr > *highest)?;
        Some(format!(
            "false-non-match rate {:.4} at false-match rate {:.1e}, at most {highest} is asked for",
            point.fnmr, point.fmr
        ))
    }
}

/// Number of the candidate to run, the [`fastest`] to which there is no objection.
pub fn choose(candidates: &[Candidate], highest_fnmr: Option<f64>) -> Option<usize> {
    let ms = |candidate: &Candidate| {
        let usable = candidate.objection(highest_fnmr).is_none();
        candidate.embed_ms.as_ref().ok().copied().filter(|_| usable)
    };
    let times: Vec<_> = candidates.iter().map(ms).collect();
    fastest(&times)
}

/// Number of the shortest of the times that there are. What is a little longer counts as just as
/// short, and of such the first is taken, as the bundle's maker prefers: a door that is deployed
/// again does not change its precision by chance.
pub fn fastest(times: &[Option<f64>]) -> Option<usize> {
    let shortest = times.iter().flatten().copied().min_by(f64::total_cmp)?;
    let as_short = |time: &Option<f64>| time.is_some_and(|time| time <= AS_FAST * shortest);
    times.iter().position(as_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds (0: does not run) and false-non-match rate (above 1: not measured).
    fn candidate(precision: Precision, (ms, fnmr): (f64, f64)) -> Candidate {
        let point = OperatingPoint {
            threshold: 0.4,
            fmr: 1e-3,
            fnmr,
            impostor_pairs: 100_000,
            genuine_pairs: 1000,
        };
        let none = NoOperatingPoint {
            far: 1e-3,
            gallery: 1,
            needed: 1e-3,
            strictest: Some(1e-2),
        };
        Candidate {
            precision,
            embed_ms: if ms > 0.0 {
                Ok(ms)
            } else {
                Err("broken".into())
            },
            point: if fnmr > 1.0 { Err(none) } else { Ok(point) },
        }
    }

    #[test]
    fn the_fastest_that_does_what_is_asked_for_is_chosen() {
        type Known = (f64, f64);
        let check = |first: Known, second: Known, highest: Option<f64>, chosen| {
            let first = candidate(Precision::Int8Weights, first);
            let second = candidate(Precision::F32, second);
            assert_eq!(choose(&[first, second], highest), chosen);
        };
        check((9.0, 0.05), (5.0, 0.05), None, Some(1));
        check((5.0, 0.05), (9.0, 0.05), None, Some(0));
        // As fast: the maker's order.
        check((5.2, 0.05), (5.0, 0.05), None, Some(0));
        check((5.3, 0.05), (5.0, 0.05), None, Some(1));
        // Too many misses, by a little; just as many as may be.
        check((9.0, 0.05), (5.0, 0.0501), Some(0.05), Some(0));
        check((9.0, 0.05), (5.0, 0.05), Some(0.05), Some(1));
        check((9.0, 0.06), (5.0, 0.06), Some(0.05), None);
        // No threshold is strict enough.
        check((9.0, 0.05), (5.0, 2.0), None, Some(0));
        check((9.0, 2.0), (5.0, 2.0), None, None);
        // Fails its self-test here.
        check((9.0, 0.05), (0.0, 0.01), None, Some(0));
        check((0.0, 0.05), (0.0, 0.05), None, None);
        check((0.0, 0.05), (5.0, 0.06), Some(0.05), None);
        assert_eq!(choose(&[], None), None);
    }

    #[test]
    fn what_slows_some_faces_does_not_count() {
        let ms = |n: u64| Duration::from_millis(n);
        for slowed in [8, 9, 20, 500] {
            let one = |i| if i % 3 == 0 { ms(8) } else { ms(slowed) };
            assert_eq!(quick_ms((0..30).map(one).collect()), Ok(8.0));
        }
        assert_eq!(quick_ms(vec![ms(5)]), Ok(5.0));
        assert!(quick_ms(vec![]).is_err());
    }

    #[test]
    fn each_objection_says_what_is_wrong() {
        let check = |known, highest, expected: Option<&str>| {
            let said = candidate(Precision::F32, known).objection(highest);
            let fits = match (&said, expected) {
                (Some(said), Some(expected)) => said.contains(expected),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(fits, "{said:?}");
        };
        check((5.0, 0.05), None, None);
        check((5.0, 0.05), Some(0.05), None);
        check((0.0, 0.05), None, Some("broken"));
        check((5.0, 2.0), None, Some("strictest is 1.0e-2"));
        let expected = "rate 0.0812 at false-match rate 1.0e-3, at most 0.08 is asked for";
        check((5.0, 0.0812), Some(0.08), Some(expected));
    }
}
