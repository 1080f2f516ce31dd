//! What a device says of its slots, and how a deployment ended there.

use super::device::CURRENT;
use super::parcel::Signed;
use super::ssh::Ssh;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than the device itself waits for a door to be healthy, and to be back.
const SETTLES_WITHIN: Duration = Duration::from_secs(420);
/// So long a device may be silent meanwhile: a network that is gone for a moment, a reboot.
const SILENT_FOR: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(3);

/// What a device says of its slots.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Status {
    current: String,
    settled: Option<String>,
    outcome: Option<String>,
    slots: Vec<Slot>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Slot {
    slot: String,
    counter: Option<u64>,
    runtime: Option<String>,
    bundle: Option<String>,
    config: Option<String>,
    fault: Option<String>,
}

impl Status {
    /// Asks a device on which something is deployed.
    ///
    /// # Errors
    /// If the connection fails, or its program is another than ours.
    pub(super) fn of(ssh: &Ssh) -> Result<Self> {
        let told = ssh.root(&format!("{CURRENT} --json device status"))?;
        serde_json::from_str(&told).context("what the device said of its slots")
    }

    fn current(&self) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.slot == self.current)
    }

    fn is_settled(&self) -> bool {
        self.settled.as_ref() == Some(&self.current)
    }

    /// Whether what is in force, and settled, is just that; `config` is a configuration's digest.
    pub(super) fn is(&self, signed: &Signed, config: Option<&String>) -> bool {
        self.current().is_some_and(|slot| {
            self.is_settled()
                && slot.fault.is_none()
                && (config.is_none() || slot.config.as_ref() == config)
                && slot.runtime.as_ref() == Some(&signed.runtime)
                && slot.bundle.as_ref() == signed.bundles.first()
        })
    }

    /// What a deployment came to, once the device has made up its mind; the reason where the slot
    /// before is in force again.
    fn verdict(&self) -> Option<Result<String, String>> {
        let outcome = self.outcome.as_ref().filter(|_| self.is_settled())?;
        if !outcome.starts_with(&self.current) {
            let reason = format!("{outcome}; {} is in force as before", self.current);
            return Some(Err(reason));
        }
        let number = self.current().and_then(|slot| slot.counter);
        Some(Ok(format!("release {} in {outcome}", number.unwrap_or(0))))
    }
}

/// Waits until the device has made up its mind, and tells what it came to.
///
/// # Errors
/// If the slot before is in force again, with the reason; or the device is silent, with what
/// happens then.
pub(super) fn settled(ssh: &Ssh) -> Result<String> {
    waited(|| Status::of(ssh), SILENT_FOR, PAUSE)
}

fn waited(
    ask: impl Fn() -> Result<Status>,
    silent_for: Duration,
    pause: Duration,
) -> Result<String> {
    let start = Instant::now();
    let mut heard = start;
    loop {
        match ask() {
            Ok(status) => {
                heard = Instant::now();
                if let Some(verdict) = status.verdict() {
                    return verdict.map_err(anyhow::Error::msg);
                }
            }
            Err(silence) if heard.elapsed() >= silent_for => {
                return Err(silence.context(
                    "the device goes on by itself, and goes back if the door is not healthy; `cargo xtask deploy status` tells how it ended",
                ));
            }
            Err(_) => {}
        }
        ensure!(
            start.elapsed() < SETTLES_WITHIN,
            "the device has not made up its mind for {} s; see `cargo xtask deploy status`, and there `journalctl -u facelatch-settle`",
            SETTLES_WITHIN.as_secs()
        );
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// As `device status --json` writes it.
    fn status() -> Status {
        let json = r#"{"current":"slot-b","settled":"slot-b","highest":6,"outcome":"slot-b is healthy and stays","slots":[
            {"slot":"slot-a","counter":5,"version":"1","runtime":"r5","bundle":"b5","config":"c5","note":"n","fault":null},
            {"slot":"slot-b","counter":6,"version":"1","runtime":"r6","bundle":"b6","config":"c6","note":"n","fault":null}]}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_what_is_in_force_settled_and_whole_is_unchanged() {
        let signed = |runtime: &str, bundle: &str| Signed {
            counter: 9,
            runtime: runtime.into(),
            bundles: vec![bundle.into(), "b-alone".into()],
        };
        let config = "c6".to_owned();
        assert!(status().is(&signed("r6", "b6"), None));
        assert!(status().is(&signed("r6", "b6"), Some(&config)));
        for (runtime, bundle, config) in [
            ("r5", "b5", "c5"),
            ("r5", "b6", "c6"),
            ("r6", "b5", "c6"),
            ("r6", "b6", "c5"),
        ] {
            assert!(!status().is(&signed(runtime, bundle), Some(&config.to_owned())));
        }
        let changed = |change: fn(&mut Status)| {
            let mut status = status();
            change(&mut status);
            status.is(&signed("r6", "b6"), None)
        };
        assert!(!changed(|s| s.settled = Some("slot-a".into())));
        assert!(!changed(|s| s.settled = None));
        assert!(!changed(|s| s.slots[1].fault = Some("damaged".into())));
        assert!(!Status::default().is(&signed("r6", "b6"), None));
    }

    #[test]
    fn a_device_is_waited_for_until_its_links_agree() {
        let verdict = |current: &str, settled: Option<&str>, outcome: Option<&str>| {
            let status = Status {
                current: current.into(),
                settled: settled.map(Into::into),
                outcome: outcome.map(Into::into),
                ..status()
            };
            status.verdict()
        };
        let stays = Some("slot-b is healthy and stays");
        let told = verdict("slot-b", Some("slot-b"), stays).unwrap().unwrap();
        assert_eq!(told, "release 6 in slot-b is healthy and stays");
        assert_eq!(verdict("slot-b", Some("slot-a"), stays), None);
        assert_eq!(verdict("slot-b", Some("slot-b"), None), None);
        assert_eq!(verdict("slot-b", None, stays), None);
        let gone = Some("slot-b was taken out of force again: failed");
        let told = verdict("slot-a", Some("slot-a"), gone)
            .unwrap()
            .unwrap_err();
        assert!(told.ends_with("failed; slot-a is in force as before"));
    }

    #[test]
    fn a_device_that_is_silent_for_a_while_is_asked_again() {
        let asked = Cell::new(0);
        let wait = |answers_at: u32, silent_for| {
            asked.set(0);
            let ask = || {
                asked.set(asked.get() + 1);
                ensure!(asked.get() == answers_at, "gone");
                Ok(status())
            };
            waited(ask, silent_for, Duration::from_millis(1))
        };
        let told = wait(4, Duration::from_secs(60)).unwrap();
        assert_eq!(told, "release 6 in slot-b is healthy and stays");
        let told = format!("{:#}", wait(4, Duration::ZERO).unwrap_err());
        assert!(told.starts_with("the device goes on by itself") && told.ends_with("gone"));
        assert_eq!(asked.get(), 1);
        assert!(wait(0, Duration::from_millis(20)).is_err());
        assert!(asked.get() > 1);
    }
}
