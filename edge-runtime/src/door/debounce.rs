//! From the readings of a contact to what it tells: levels that last, and faults.

use super::settings::Contact;
use std::time::Duration;

/// However slowly a contact is read, it takes so many equal readings to believe it.
const LEAST_READINGS: u32 = 3;
/// A contact that does not settle for so long is broken.
const UNSETTLED: Duration = Duration::from_secs(2);
/// A contact that was broken is believed again after so long a time without a change.
const RESTORED: Duration = Duration::from_secs(1);

/// A contact and its past.
pub(super) struct Debounce {
    over: Duration,
    /// What it told last; `None` until it first settled.
    settled: Option<bool>,
    /// The latest level, since when it lasts, and how often it was read.
    candidate: Option<(bool, Duration, u32)>,
    /// Since when it has not settled.
    unsettled: Option<Duration>,
    broken: bool,
}

/// What a reading changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// What it tells from now on.
    pub(super) to: Option<bool>,
    /// It was nothing before, rather than the opposite.
    pub(super) first: bool,
    /// It broke: why.
    pub(super) broke: Option<String>,
    /// It is believed again.
    pub(super) restored: bool,
}

impl Debounce {
    pub(super) fn new(contact: &Contact) -> Self {
        Self {
            over: contact.debounce,
            settled: None,
            candidate: None,
            unsettled: None,
            broken: false,
        }
    }

    /// Since when it has shown the level that it was read last.
    pub(super) fn since(&self) -> Option<Duration> {
        self.candidate.map(|(_, since, _)| since)
    }

    /// What it tells.
    pub(super) fn settled(&self) -> Option<bool> {
        self.settled
    }

    /// Time was lost: what was read before proves nothing of what is read next.
    pub(super) fn restart(&mut self) {
        (self.candidate, self.unsettled) = (None, None);
    }

    /// What it told is not true any more.
    pub(super) fn forget(&mut self) {
        self.settled = None;
    }

    /// Takes a reading.
    pub(super) fn step(&mut self, now: Duration, reading: Result<bool, String>) -> Change {
        let level = match reading {
            Ok(level) => level,
            Err(reason) => {
                self.restart();
                return self.fault(format!("it cannot be read: {reason}"));
            }
        };
        let (since, readings) = match self.candidate {
            Some((same, since, readings)) if same == level => (since, readings.saturating_add(1)),
            _ => (now, 1),
        };
        self.candidate = Some((level, since, readings));
        let lasted = now.saturating_sub(since);
        let needed = if self.broken { RESTORED } else { self.over };
        if lasted < needed || readings < LEAST_READINGS {
            let unsettled = *self.unsettled.get_or_insert(now);
            if now.saturating_sub(unsettled) < UNSETTLED + needed {
                return Change::default();
            }
            return self.fault("its level does not settle".into());
        }
        self.unsettled = None;
        let before = self.settled.replace(level);
        Change {
            to: (before != Some(level)).then_some(level),
            first: before.is_none(),
            broke: None,
            restored: std::mem::take(&mut self.broken),
        }
    }

    fn fault(&mut self, reason: String) -> Change {
        let was_broken = std::mem::replace(&mut self.broken, true);
        Change {
            broke: (!was_broken).then_some(reason),
            ..Change::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{ActiveLevel, Pull};
    use super::*;
    use std::iter::repeat_n;

    fn debounce() -> Debounce {
        Debounce::new(&Contact {
            pin: 0,
            active_level: ActiveLevel::High,
            pull: Pull::Up,
            debounce: Duration::from_millis(50),
        })
    }

    /// Reads every 10 ms; the times and what they changed.
    fn read(
        debounce: &mut Debounce,
        from_ms: u64,
        readings: impl IntoIterator<Item = Result<bool, String>>,
    ) -> Vec<(u64, Change)> {
        let times = (from_ms..).step_by(10);
        let changes = times.zip(readings).map(|(ms, reading)| {
            let change = debounce.step(Duration::from_millis(ms), reading);
            (ms, change)
        });
        let changed = |(_, change): &(u64, Change)| *change != Change::default();
        changes.filter(changed).collect()
    }

    fn to(level: bool, first: bool) -> Change {
        Change {
            to: Some(level),
            first,
            ..Change::default()
        }
    }

    #[test]
    fn a_level_counts_when_it_has_lasted() {
        let mut contact = debounce();
        let readings = [false; 10].into_iter().chain([true; 5]);
        let readings = readings.chain([false]).chain([true; 10]).map(Ok);
        let changes = read(&mut contact, 0, readings);
        assert_eq!(changes, [(50, to(false, true)), (210, to(true, false))]);
        assert_eq!(contact.since(), Some(Duration::from_millis(160)));
    }

    #[test]
    fn few_readings_prove_nothing_however_long_they_took() {
        let mut contact = debounce();
        for (ms, changed) in [(0, false), (400, false), (800, true)] {
            let change = contact.step(Duration::from_millis(ms), Ok(true));
            assert_eq!(change != Change::default(), changed, "{ms}");
        }
    }

    #[test]
    fn a_contact_that_cannot_be_read_breaks_once_and_is_believed_after_a_second() {
        let mut contact = debounce();
        read(&mut contact, 0, repeat_n(Ok(false), 10));
        let failing = repeat_n(Err("gone".into()), 3);
        let changes = read(&mut contact, 100, failing.chain(repeat_n(Ok(true), 120)));
        let broke = Change {
            broke: Some("it cannot be read: gone".into()),
            ..Change::default()
        };
        let restored = Change {
            restored: true,
            ..to(true, false)
        };
        assert_eq!(changes, [(100, broke), (1130, restored)]);
    }

    #[test]
    fn a_contact_that_bounces_on_and_on_is_broken() {
        let mut contact = debounce();
        let bouncing = (0..400).map(|i| Ok(i % 2 == 0));
        let changes = read(&mut contact, 0, bouncing);
        assert_eq!(changes.len(), 1);
        let broke = changes[0].1.broke.as_deref();
        assert_eq!(
            (changes[0].0, broke),
            (2050, Some("its level does not settle"))
        );
    }
}
