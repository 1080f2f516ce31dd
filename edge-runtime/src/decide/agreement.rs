//! Whether enough of the last frames agree on one person, soon enough.

use super::Observation;
use std::collections::VecDeque;
use std::time::Duration;

const MAX_FRAMES: usize = 1000;
const WINDOW_MS: std::ops::RangeInclusive<u64> = 1..=60_000;

/// How many of how many frames must agree, within what time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    needed: usize,
    of_last: usize,
    window: Duration,
}

/// A rule that nothing, or anything, would satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImpossibleRule {
    /// The frames do not fit each other.
    #[error(
        "agreeing_frames is {needed} and of_last_frames is {of_last}, expected 1 <= agreeing_frames <= of_last_frames <= {MAX_FRAMES}"
    )]
    Frames {
        /// Frames that must agree.
        needed: usize,
        /// Of how many.
        of_last: usize,
    },
    /// No time, or more than a person stands before a door.
    #[error("window_ms is {found}, expected {} to {}", WINDOW_MS.start(), WINDOW_MS.end())]
    Window {
        /// Milliseconds.
        found: u64,
    },
}

impl Rule {
    /// `needed` of the `of_last` last frames, within `window_ms` milliseconds.
    ///
    /// # Errors
    /// [`ImpossibleRule`].
    pub fn new(needed: usize, of_last: usize, window_ms: u64) -> Result<Self, ImpossibleRule> {
        if !(1..=of_last).contains(&needed) || of_last > MAX_FRAMES {
            return Err(ImpossibleRule::Frames { needed, of_last });
        }
        if !WINDOW_MS.contains(&window_ms) {
            return Err(ImpossibleRule::Window { found: window_ms });
        }
        let window = Duration::from_millis(window_ms);
        Ok(Self {
            needed,
            of_last,
            window,
        })
    }

    /// How many frames must agree.
    pub fn needed(&self) -> usize {
        self.needed
    }
}

/// The last frames, judged by a [`Rule`].
pub(super) struct Agreement<S> {
    rule: Rule,
    /// When each was seen, and who; the newest last.
    frames: VecDeque<(Duration, Observation<S>)>,
}

impl<S: Clone + PartialEq> Agreement<S> {
    /// Nothing seen yet.
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            frames: VecDeque::new(),
        }
    }

    /// Takes in one frame, seen at `now` since some start. A second person, or time that runs
    /// backwards, is doubt: what was seen before no longer counts.
    ///
    /// Returns how many of the frames that count show what this one does, be it a person or a
    /// stranger; 0 if it shows nobody.
    pub(super) fn step(&mut self, now: Duration, seen: &Observation<S>) -> usize {
        let in_order = self.frames.back().is_none_or(|(last, _)| *last <= now);
        if !in_order || self.shows_another(seen) {
            self.forget();
        }
        self.frames.push_back((now, seen.clone()));
        let (window, of_last) = (self.rule.window, self.rule.of_last);
        self.frames.retain(|(at, _)| now - *at <= window);
        while self.frames.len() > of_last {
            self.frames.pop_front();
        }
        if *seen == Observation::Nobody {
            return 0;
        }
        self.frames.iter().filter(|frame| frame.1 == *seen).count()
    }

    /// What was seen no longer counts.
    pub(super) fn forget(&mut self) {
        self.frames.clear();
    }

    fn shows_another(&self, seen: &Observation<S>) -> bool {
        let is_match = |seen: &Observation<S>| matches!(seen, Observation::Match(_));
        let mut matches = self.frames.iter().filter(|frame| is_match(&frame.1));
        is_match(seen) && matches.any(|frame| frame.1 != *seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Observation::{Match, Nobody};
    use proptest::prelude::*;

    /// The frames (milliseconds, person or 0 for nobody) at which enough agree; they are forgotten.
    fn agreed(rule: (usize, usize, u64), frames: &[(u64, u8)]) -> Vec<usize> {
        let mut agreement = Agreement::new(Rule::new(rule.0, rule.1, rule.2).unwrap());
        let mut step = |(at, who): (u64, u8)| {
            let seen = if who == 0 { Nobody } else { Match(who) };
            let enough = agreement.step(Duration::from_millis(at), &seen) >= rule.0;
            if enough {
                agreement.forget();
            }
            enough
        };
        (0..frames.len()).filter(|i| step(frames[*i])).collect()
    }

    #[test]
    fn enough_frames_agree() {
        let every = |people: &[u8]| -> Vec<(u64, u8)> {
            let frames = people.iter().enumerate();
            frames.map(|(i, who)| (i as u64 * 100, *who)).collect()
        };
        let check = |people: &[u8], at: &[usize]| {
            assert_eq!(agreed((2, 3, 1000), &every(people)), at, "{people:?}");
        };
        check(&[1, 1], &[1]);
        check(&[1], &[]);
        check(&[1, 0, 1], &[2]);
        check(&[1, 0, 0, 1], &[]);
        check(&[0, 0, 0, 0], &[]);
        // Once forgotten, as many frames again.
        check(&[1, 1, 1, 1], &[1, 3]);
        check(&[1, 1, 1], &[1]);
        // A second person is doubt.
        check(&[1, 2, 1, 2], &[]);
        check(&[1, 2, 2], &[2]);
        assert_eq!(agreed((1, 1, 1), &[(0, 1)]), [0]);
    }

    #[test]
    fn what_was_seen_too_long_ago_does_not_count() {
        assert_eq!(agreed((2, 9, 500), &[(0, 1), (500, 1)]), [1]);
        assert!(agreed((2, 9, 500), &[(0, 1), (501, 1)]).is_empty());
        // A clock that jumps back gives no agreement.
        assert!(agreed((2, 9, 500), &[(100, 1), (50, 1)]).is_empty());
    }

    #[test]
    fn impossible_rules_are_refused() {
        for (needed, of_last, window) in [
            (0, 3, 9),
            (4, 3, 9),
            (1, 1001, 9),
            (1, 1, 0),
            (1, 1, 60_001),
        ] {
            assert!(Rule::new(needed, of_last, window).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_sequence_passes_without_agreement(
            needed in 1..5_usize,
            more in 0..4_usize,
            window in 1..900_u64,
            steps in prop::collection::vec((0..400_u64, 0..3_u8), 0..40),
        ) {
            let of_last = needed + more;
            let mut at = 0;
            let frames: Vec<_> = steps.iter().map(|(wait, who)| {
                at += wait;
                (at, *who)
            }).collect();
            let mut since = 0;
            for i in agreed((needed, of_last, window), &frames) {
                let (now, who) = frames[i];
                let counted = &frames[since.max((i + 1).saturating_sub(of_last))..=i];
                let agree = |f: &&(u64, u8)| f.1 == who && now - f.0 <= window;
                prop_assert!(who != 0);
                prop_assert!(counted.iter().filter(agree).count() >= needed);
                since = i + 1;
            }
        }
    }
}
