//! The arithmetic of a search through everybody, with the widest vectors of this processor.

use fearless_simd::{Level, dispatch};

/// [`shared::roster::products`], the same numbers, compiled for each kind of vectors that
/// processors have, and chosen when it runs.
///
/// For [`Roster::with_products`](shared::roster::Roster::with_products).
pub fn products(codes: &[i8], probe: &[i16], products: &mut [i32]) {
    dispatch!(Level::new(), _level => shared::roster::products(codes, probe, products));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_processor_has_the_same_products(
            codes in prop::collection::vec(any::<i8>(), 2_000),
            probe in prop::collection::vec(any::<i16>(), 1..200),
        ) {
            let sum = |code: &[i8]| -> i64 {
                let products = code.iter().zip(&probe).map(|(q, r)| i64::from(*q) * i64::from(*r));
                products.sum()
            };
            let expected: Vec<i64> = codes.chunks_exact(probe.len()).map(sum).collect();
            // There may be more room than codes, and less.
            for room in [expected.len(), expected.len() - 1] {
                let mut found = vec![0; room];
                products(&codes, &probe, &mut found);
                let found: Vec<i64> = found.into_iter().map(i64::from).collect();
                prop_assert_eq!(&found, &expected[..room]);
            }
        }
    }
}
