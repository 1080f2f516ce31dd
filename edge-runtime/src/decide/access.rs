//! Who may come in when: weekly schedules and dates of validity, in local time.

use super::Refusal;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 24 * 60;

/// The people whose access is bounded; everybody else may come in at all times.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "AccessToml")]
pub struct Access {
    zone: TimeZone,
    people: BTreeMap<String, Person>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            people: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone)]
struct Person {
    valid_from: Option<Date>,
    valid_until: Option<Date>,
    schedule: Option<Vec<Span>>,
    claim_sha256: Option<String>,
}

/// Times of the days of a week.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    /// From Monday on.
    days: [bool; 7],
    /// Minutes of the day; the end is not in it.
    minutes: std::ops::Range<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessToml {
    time_zone: Option<String>,
    #[serde(default)]
    schedules: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    people: BTreeMap<String, PersonToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonToml {
    valid_from: Option<Date>,
    valid_until: Option<Date>,
    schedule: Option<String>,
    claim_sha256: Option<String>,
}

impl TryFrom<AccessToml> for Access {
    type Error = String;

    fn try_from(toml: AccessToml) -> Result<Self, String> {
        let schedules = toml.schedules.iter().map(|(name, spans)| {
            let spans: Result<Vec<_>, _> = spans.iter().map(|span| parse_span(span)).collect();
            Ok((name.clone(), spans?))
        });
        let schedules: BTreeMap<_, _> = schedules.collect::<Result<_, String>>()?;
        let people = toml.people.into_iter().map(|(name, person)| {
            let made = person.with(&schedules);
            let made = made.map_err(|reason| format!("people.{name}: {reason}"))?;
            Ok((name, made))
        });
        let people: BTreeMap<_, _> = people.collect::<Result<_, String>>()?;
        let digests = || people.values().filter_map(|p| p.claim_sha256.as_ref());
        if digests().collect::<BTreeSet<_>>().len() < digests().count() {
            return Err("two people have one claim_sha256".into());
        }
        let zone = match toml.time_zone {
            Some(name) => TimeZone::get(&name).map_err(|_| {
                format!("time_zone is {name:?}, expected one such as \"Europe/Vienna\" that this system knows (package tzdata)")
            })?,
            None if people.values().any(Person::needs_time) => {
                return Err("schedules and dates need time_zone, such as \"Europe/Vienna\"".into());
            }
            None => TimeZone::UTC,
        };
        Ok(Self { zone, people })
    }
}

impl PersonToml {
    fn with(self, schedules: &BTreeMap<String, Vec<Span>>) -> Result<Person, String> {
        if let (Some(from), Some(until)) = (self.valid_from, self.valid_until)
            && from > until
        {
            return Err(format!("valid_from {from} is after valid_until {until}"));
        }
        let known = |name: String| {
            let unknown = || format!("schedule {name:?} is not in [access.schedules]");
            schedules.get(&name).cloned().ok_or_else(unknown)
        };
        if let Some(digest) = &self.claim_sha256
            && !(digest.len() == 64
                && digest
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        {
            return Err("claim_sha256 is not 64 digits 0 to 9 and a to f".into());
        }
        Ok(Person {
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            schedule: self.schedule.map(known).transpose()?,
            claim_sha256: self.claim_sha256,
        })
    }
}

/// Reads `mon-fri 08:00-18:00`.
fn parse_span(text: &str) -> Result<Span, String> {
    let span = || {
        let (days, times) = text.split_once(' ')?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let day = |name| DAYS.iter().position(|day| *day == name);
        let (first, last) = (day(first)?, day(last)?);
        let (start, end) = times.split_once('-')?;
        let minutes = parse_minute(start)?..parse_minute(end)?;
        // From Friday to Monday goes over the week's end.
        let open = |day| (day + 7 - first) % 7 <= (last + 7 - first) % 7;
        let days = std::array::from_fn(open);
        (!minutes.is_empty()).then_some(Span { days, minutes })
    };
    span().ok_or_else(|| {
        format!("schedule {text:?} is none, expected for example \"mon-fri 08:00-18:00\"; a night is two, up to 24:00 and from 00:00")
    })
}

fn parse_minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| -> Option<u16> {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

impl Person {
    fn needs_time(&self) -> bool {
        self.valid_from.is_some() || self.valid_until.is_some() || self.schedule.is_some()
    }

    fn check(&self, now: &Zoned) -> Result<(), Refusal> {
        let today = now.date();
        if self.valid_from.is_some_and(|from| today < from) {
            return Err(Refusal::NotYetValid);
        }
        if self.valid_until.is_some_and(|until| today > until) {
            return Err(Refusal::Expired);
        }
        let day = now.weekday().to_monday_zero_offset() as usize;
        let minute = now.hour() as u16 * 60 + now.minute() as u16;
        let open = |span: &Span| span.days[day] && span.minutes.contains(&minute);
        let open = |spans: &Vec<Span>| spans.iter().any(open);
        let open = self.schedule.as_ref().is_none_or(open);
        open.then_some(()).ok_or(Refusal::OutsideSchedule)
    }
}

impl Access {
    /// Whether that person may come in at a time, in seconds since 1970 UTC.
    ///
    /// # Errors
    /// Why not; a time that no calendar has is outside every schedule.
    pub fn check(&self, subject: &str, unix_s: i64) -> Result<(), Refusal> {
        let Some(person) = self.people.get(subject).filter(|p| p.needs_time()) else {
            return Ok(());
        };
        let now = Timestamp::from_second(unix_s).map_err(|_| Refusal::OutsideSchedule)?;
        person.check(&now.to_zoned(self.zone.clone()))
    }

    /// Everybody it names.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.people.keys().map(String::as_str)
    }

    /// The digests of claims, and whose each is.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        let people = self.people.iter();
        people.filter_map(|(name, person)| Some((person.claim_sha256.as_deref()?, name.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(toml: &str) -> Access {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn the_door_keeps_local_hours_through_summer_time() {
        let access = access(
            r#"
            time_zone = "Europe/Vienna"
            schedules.office = ["mon-fri 08:00-18:00", "sat 09:00-24:00"]
            people.ada.schedule = "office"
            "#,
        );
        for (time, may) in [
            ("2026-01-05T07:00:00Z", true),
            ("2026-01-05T06:59:59Z", false),
            ("2026-07-06T06:00:00Z", true),
            ("2026-07-06T05:59:59Z", false),
            ("2026-07-06T15:59:59Z", true),
            ("2026-07-06T16:00:00Z", false),
            ("2026-07-04T21:59:59Z", true),
            ("2026-07-04T22:00:00Z", false),
        ] {
            let time: Timestamp = time.parse().unwrap();
            let refused = (!may).then_some(Refusal::OutsideSchedule);
            assert_eq!(
                access.check("ada", time.as_second()).err(),
                refused,
                "{time}"
            );
            assert_eq!(access.check("ben", time.as_second()), Ok(()));
        }
        assert!(access.check("ada", i64::MAX).is_err());
    }

    #[test]
    fn validity_is_from_its_first_day_to_its_last() {
        let access = access(
            r#"
            time_zone = "Asia/Tokyo"
            people.ada = { valid_from = "2026-03-01", valid_until = "2026-03-02" }
            "#,
        );
        for (time, refused) in [
            ("2026-02-28T14:59:59Z", Some(Refusal::NotYetValid)),
            ("2026-02-28T15:00:00Z", None),
            ("2026-03-02T14:59:59Z", None),
            ("2026-03-02T15:00:00Z", Some(Refusal::Expired)),
        ] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(
                access.check("ada", time.as_second()).err(),
                refused,
                "{time}"
            );
        }
    }

    #[test]
    fn days_may_go_over_the_end_of_the_week() {
        let days = |text| parse_span(text).unwrap().days.map(u8::from);
        assert_eq!(days("fri-mon 00:00-24:00"), [1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(days("sun 10:00-10:01"), [0, 0, 0, 0, 0, 0, 1]);
        for text in [
            "",
            "mon",
            "mon 8:00-9:00",
            "mon 09:00-09:00",
            "mon 22:00-06:00",
            "mon 00:00-24:01",
            "mon 00:60-02:00",
            "day 08:00-09:00",
            "mon +8:00-09:00",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
