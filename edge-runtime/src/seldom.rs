//! What happens again and again, told once in a while.

use std::collections::BTreeMap;

/// When each was told last.
pub(crate) struct Seldom<K>(BTreeMap<K, u64>);

impl<K> Default for Seldom<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Seldom<K> {
    /// Whether it was not told within `once_in_ms` before `at_ms`; if so, it is told now.
    pub(crate) fn is_news(&mut self, what: K, at_ms: u64, once_in_ms: u64) -> bool {
        let told = self.0.get(&what);
        let is_news = told.is_none_or(|told| at_ms.saturating_sub(*told) >= once_in_ms);
        if is_news {
            self.0.insert(what, at_ms);
        }
        is_news
    }

    /// The next time it is news in any case.
    pub(crate) fn forget(&mut self, what: impl Fn(&K) -> bool) {
        self.0.retain(|told, _| !what(told));
    }
}
