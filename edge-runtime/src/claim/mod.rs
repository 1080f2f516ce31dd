//! Claims: who a person says to be, by a PIN or the number of a card. A claim is a line of text.

pub(crate) mod lines;
mod source;

pub use source::{ClaimError, Source};

use crate::decide::Access;
use crate::event::Event;
use serde::Deserialize;
use shared::digest::Digest;
use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

const LASTS_MS: std::ops::RangeInclusive<u64> = 100..=600_000;
const MIN_SALT_LEN: usize = 8;
/// Claims that wait for the door's loop; their reader waits beyond.
const WAITING: usize = 16;
/// Nobody can be enrolled under this name.
const NOBODY: &str = "";

/// How people claim who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ClaimsToml")]
pub struct ClaimsConfig {
    /// Where they come from.
    pub source: Source,
    lasts: Duration,
    /// Whether the door looks at nobody without a claim.
    pub required: bool,
    salt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimsToml {
    source: Source,
    lasts_ms: u64,
    required: bool,
    salt: String,
}

impl TryFrom<ClaimsToml> for ClaimsConfig {
    type Error = String;

    fn try_from(toml: ClaimsToml) -> Result<Self, String> {
        let ClaimsToml { lasts_ms, .. } = toml;
        if !LASTS_MS.contains(&lasts_ms) {
            let (least, most) = (LASTS_MS.start(), LASTS_MS.end());
            return Err(format!(
                "lasts_ms is {lasts_ms}, expected {least} to {most}"
            ));
        }
        if toml.salt.len() < MIN_SALT_LEN {
            return Err(format!(
                "salt has {} characters, expected at least {MIN_SALT_LEN}, by chance",
                toml.salt.len()
            ));
        }
        Ok(Self {
            source: toml.source,
            lasts: Duration::from_millis(lasts_ms),
            required: toml.required,
            salt: toml.salt,
        })
    }
}

/// Whose each number is, by its digest.
struct Numbers {
    salt: String,
    subjects: BTreeMap<String, String>,
}

impl Numbers {
    /// Numbers that nobody has, and lines that are no number, are nobody's all alike.
    fn subject(&self, line: Option<&[u8]>) -> String {
        let salted = |line| [self.salt.as_bytes(), line].concat();
        let digest = line.map(|line| Digest::of(&salted(line)).to_string());
        let subject = digest.and_then(|digest| self.subjects.get(&digest));
        subject.map_or(NOBODY, String::as_str).into()
    }
}

/// What a source says.
enum Told {
    Claim {
        at: Instant,
        subject: String,
    },
    /// No claims come for now, or any more.
    Fault(String),
    /// They come again.
    Restored,
}

/// Whom the next look is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// At everybody enrolled (1:N).
    Everybody,
    /// At this person (1:1), who may not be enrolled.
    Claimed(String),
    /// At nobody: a claim must come first.
    Nobody,
}

/// The claim of the moment.
pub struct Claims(Kind);

enum Kind {
    None,
    Fixed(String),
    Told {
        told: Receiver<Told>,
        required: bool,
        lasts: Duration,
        latest: Option<(Instant, String)>,
    },
}

impl Claims {
    /// Nobody claims anything.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// Everybody claims to be this person.
    pub fn fixed(subject: String) -> Self {
        Self(Kind::Fixed(subject))
    }

    /// Begins to listen to the configured source, on a thread of its own; `access` knows whose
    /// each number is.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn listen(config: &ClaimsConfig, access: &Access) -> Result<Self, ClaimError> {
        let own = |(digest, subject): (&str, &str)| (digest.to_owned(), subject.to_owned());
        let numbers = Numbers {
            salt: config.salt.clone(),
            subjects: access.claims().map(own).collect(),
        };
        let (claims, told) = Self::told(config);
        config.source.listen(numbers, told)?;
        Ok(claims)
    }

    fn told(config: &ClaimsConfig) -> (Self, SyncSender<Told>) {
        let (sender, told) = mpsc::sync_channel(WAITING);
        let kind = Kind::Told {
            told,
            required: config.required,
            lasts: config.lasts,
            latest: None,
        };
        (Self(kind), sender)
    }

    /// Whether every look is at a claim.
    pub fn only(&self) -> bool {
        match &self.0 {
            Kind::None => false,
            Kind::Fixed(_) => true,
            Kind::Told { required, .. } => *required,
        }
    }

    /// Whom to look at `now`: the latest claim counts, for its time. That its source is gone, or
    /// there again, goes to `tell`.
    pub fn whom(&mut self, now: Instant, mut tell: impl FnMut(Event)) -> Whom {
        match &mut self.0 {
            Kind::None => Whom::Everybody,
            Kind::Fixed(subject) => Whom::Claimed(subject.clone()),
            Kind::Told {
                told,
                required,
                lasts,
                latest,
            } => {
                for told in told.try_iter() {
                    match told {
                        Told::Claim { at, subject } => *latest = Some((at, subject)),
                        Told::Fault(reason) => tell(Event::ClaimsLost { reason }),
                        Told::Restored => tell(Event::ClaimsFound),
                    }
                }
                latest.take_if(|(at, _)| now.saturating_duration_since(*at) > *lasts);
                match latest {
                    Some((_, subject)) => Whom::Claimed(subject.clone()),
                    None if *required => Whom::Nobody,
                    None => Whom::Everybody,
                }
            }
        }
    }

    /// The claim has served: the next person makes one's own.
    pub fn end(&mut self) {
        if let Kind::Told { latest, .. } = &mut self.0 {
            *latest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_claim_counts_for_its_time() {
        for required in [true, false] {
            let config = ClaimsConfig {
                source: Source::Stdin,
                lasts: Duration::from_secs(10),
                required,
                salt: String::new(),
            };
            let without = if required {
                Whom::Nobody
            } else {
                Whom::Everybody
            };
            let (mut claims, told) = Claims::told(&config);
            let start = Instant::now();
            let claim = |after_s, subject: &str| {
                let at = start + Duration::from_secs(after_s);
                let subject = subject.into();
                told.send(Told::Claim { at, subject }).unwrap();
            };
            let whom = |claims: &mut Claims, after_s| {
                claims.whom(start + Duration::from_secs(after_s), |_| ())
            };
            let claimed = |subject: &str| Whom::Claimed(subject.into());
            assert_eq!(whom(&mut claims, 0), without);
            claim(1, "ada");
            claim(2, "ben");
            assert_eq!(whom(&mut claims, 12), claimed("ben"));
            assert_eq!(whom(&mut claims, 13), without);
            claim(20, "ada");
            assert_eq!(whom(&mut claims, 20), claimed("ada"));
            claim(21, NOBODY);
            assert_eq!(whom(&mut claims, 21), claimed(NOBODY));
            claims.end();
            assert_eq!(whom(&mut claims, 21), without);
            assert_eq!(claims.only(), required);
        }
    }

    #[test]
    fn a_number_is_found_by_its_salted_digest_and_nothing_else_is() {
        // printf %s%s sea 1234 | sha256sum
        let digest = Digest::of(b"sea1234").to_string();
        let numbers = Numbers {
            salt: "sea".into(),
            subjects: [(digest.clone(), "ada".into())].into(),
        };
        assert_eq!(numbers.subject(Some(b"1234")), "ada");
        for line in [Some(&b"1235"[..]), Some(b""), Some(digest.as_bytes()), None] {
            assert_eq!(numbers.subject(line), NOBODY);
        }
    }
}
