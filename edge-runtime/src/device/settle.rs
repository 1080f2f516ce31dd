//! What is in force proves healthy, or what was there before comes back.

use super::links::Link;
use super::service::{Health, Service};
use super::slot::{RELEASE, Slot};
use super::{Device, DeviceError};
use crate::atomic_file;
use crate::release::{self, TrustedKey};
use std::thread;
use std::time::{Duration, Instant};

const LOOKS_EVERY: Duration = Duration::from_millis(250);

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// So long the door must be up without a start in between.
    pub healthy: Duration,
    /// So long it may take until it has been.
    pub within: Duration,
    /// More starts by itself than this are a verdict.
    pub restarts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // Longer than the unit's watchdog: a door without a picture is not healthy.
            healthy: Duration::from_secs(35),
            within: Duration::from_secs(180),
            restarts: 4,
        }
    }
}

/// What became of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Settled(Slot),
    /// It is not healthy, for this reason, and the slot before is in force again.
    Reverted(Slot, String),
}

/// A door that is watched until it proves healthy or not.
struct Watch {
    patience: Patience,
    /// Since when it is up, and under which name.
    up: Option<(Duration, String)>,
}

impl Watch {
    /// Takes how the door is so long after the watch began; the verdict, once there is one.
    fn step(&mut self, now: Duration, health: Health) -> Option<Result<(), String>> {
        let late = now >= self.patience.within;
        match health {
            Health::Up(start) => {
                let same = self.up.take().filter(|(_, before)| *before == start);
                let (since, start) = same.unwrap_or((now, start));
                if now - since >= self.patience.healthy {
                    return Some(Ok(()));
                }
                self.up = Some((since, start));
                late.then(|| Err("it does not stay up: it was started again and again".into()))
            }
            Health::Down { reason, restarts } => {
                self.up = None;
                let failing = restarts > self.patience.restarts;
                (late || failing).then(|| {
                    let after = now.as_secs();
                    Err(format!(
                        "it was not up after {after} s and {restarts} starts by itself: {reason}"
                    ))
                })
            }
        }
    }
}

impl Device {
    /// Settles what is in force, if it is not: waits until the door is healthy, or puts back what
    /// was settled. Where everything is settled the system's files are made those of that program.
    ///
    /// # Errors
    /// [`DeviceError::FirstUnhealthy`] where there is nothing to put back, or another.
    pub fn settle(&self, service: &dyn Service) -> Result<Option<Verdict>, DeviceError> {
        // Whoever starts the service holds it for a moment longer.
        let wait = service.patience().within;
        let _lock = self.lock_within("the service that settles deployments", wait)?;
        if self.follow(Link::Current) == self.follow(Link::Settled) {
            service.set_up(self)?;
            return Ok(None);
        }
        self.settle_again(service).map(Some)
    }

    /// The same with the lock held, where there is something to settle.
    pub(super) fn settle_again(&self, service: &dyn Service) -> Result<Verdict, DeviceError> {
        let nothing = || DeviceError::Nothing(self.programs());
        let slot = self.follow(Link::Current).ok_or_else(nothing)?;
        // The power may have been cut before it was.
        self.link_config()?;
        let Err(reason) = watch(service)? else {
            self.raise_counter(slot)?;
            // Told first: whoever sees the links agree finds it.
            self.tell(slot, "is healthy and stays")?;
            self.point(Link::Settled, slot)?;
            return Ok(Verdict::Settled(slot));
        };
        let Some(before) = self.follow(Link::Settled) else {
            self.tell(slot, &format!("is not healthy: {reason}"))?;
            return Err(DeviceError::FirstUnhealthy(reason));
        };
        self.tell(slot, &format!("was taken out of force again: {reason}"))?;
        self.point(Link::Current, before)?;
        // Its own files for the system, too; what they are is no reason to stay.
        let set_up = self.set_up_by(before);
        service.restart()?;
        set_up?;
        Ok(Verdict::Reverted(slot, reason))
    }

    /// Leaves word of what became of a slot.
    fn tell(&self, slot: Slot, what: &str) -> Result<(), DeviceError> {
        let outcome = format!("{} {what}\n", slot.name());
        let path = self.outcome();
        Ok(atomic_file::write(&path, outcome.as_bytes(), Some(0o644))?)
    }

    /// Written before the link: a release that is settled is never below it.
    fn raise_counter(&self, slot: Slot) -> Result<(), DeviceError> {
        let key = TrustedKey::read(&self.trusted_key())?;
        let release = release::read(&self.slot(slot).join(RELEASE), &key)?;
        let highest = self.highest().max(release.counter);
        let text = format!("{highest}\n");
        Ok(atomic_file::write(
            &self.counter(),
            text.as_bytes(),
            Some(0o644),
        )?)
    }
}

/// Watches until there is a verdict; the reason where it is against the door.
fn watch(service: &dyn Service) -> Result<Result<(), String>, DeviceError> {
    let patience = service.patience();
    let began = Instant::now();
    let mut watch = Watch { patience, up: None };
    loop {
        if let Some(verdict) = watch.step(began.elapsed(), service.health()?) {
            return Ok(verdict);
        }
        thread::sleep(LOOKS_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(start: &str) -> Health {
        Health::Up(start.into())
    }

    fn down(restarts: u32) -> Health {
        Health::Down {
            reason: "activating (auto-restart)".into(),
            restarts,
        }
    }

    #[test]
    fn only_a_door_that_stays_up_is_healthy() {
        const WITHIN: u64 = 180;
        // Seconds, and how the door is then; the verdict comes with the last.
        type Row = (Vec<(u64, Health)>, Option<bool>);
        let rows: [Row; 7] = [
            (vec![(0, down(0)), (5, up("a")), (14, up("a"))], None),
            (vec![(0, down(0)), (5, up("a")), (15, up("a"))], Some(true)),
            (vec![(5, up("a")), (10, up("b")), (19, up("b"))], None),
            (
                vec![(5, up("a")), (10, down(1)), (15, up("b")), (24, up("b"))],
                None,
            ),
            (vec![(5, up("a")), (10, down(5))], Some(false)),
            (vec![(0, down(0)), (WITHIN, down(0))], Some(false)),
            (vec![(0, up("a")), (WITHIN, up("b"))], Some(false)),
        ];
        for (steps, expected) in rows {
            let mut watch = Watch {
                patience: Patience {
                    healthy: Duration::from_secs(10),
                    within: Duration::from_secs(WITHIN),
                    restarts: 4,
                },
                up: None,
            };
            let last = steps.len() - 1;
            for (i, (at, health)) in steps.into_iter().enumerate() {
                let verdict = watch.step(Duration::from_secs(at), health);
                let verdict = verdict.map(|verdict| verdict.is_ok());
                assert_eq!(verdict, expected.filter(|_| i == last), "step {i}");
            }
        }
    }
}
