//! From the text of `[door]` to settings that can be meant.

use super::{ActiveLevel, Contact, Door, Driver, Pull, Relay, Sensor, Strike};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The highest line of a Raspberry Pi's 40-pin header, in Broadcom's numbering.
const MAX_PIN: u32 = 27;
const HOLD_MS: RangeInclusive<u64> = 100..=60_000;
const DEBOUNCE_MS: RangeInclusive<u64> = 20..=1000;
const HELD_OPEN_MS: RangeInclusive<u64> = 1000..=3_600_000;
const GRACE_MS: RangeInclusive<u64> = 0..=10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DoorToml {
    driver: DriverName,
    chip: Option<PathBuf>,
    folder: Option<PathBuf>,
    pin: Option<u32>,
    #[serde(default)]
    strike: Strike,
    active_level: ActiveLevel,
    hold_ms: u64,
    sensor: Option<SensorToml>,
    exit_button: Option<ContactToml>,
    tamper: Option<ContactToml>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DriverName {
    Simulated,
    Rppal,
    Cdev,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactToml {
    pin: Option<u32>,
    active_level: ActiveLevel,
    #[serde(default)]
    pull: Pull,
    #[serde(default = "default_debounce_ms")]
    debounce_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SensorToml {
    pin: Option<u32>,
    active_level: ActiveLevel,
    #[serde(default)]
    pull: Pull,
    #[serde(default = "default_debounce_ms")]
    debounce_ms: u64,
    held_open_ms: u64,
    #[serde(default = "default_held_open_again_ms")]
    held_open_again_ms: u64,
    #[serde(default = "default_grace_ms")]
    grace_ms: u64,
    #[serde(default)]
    relock_when_closed: bool,
}

fn default_debounce_ms() -> u64 {
    50
}

fn default_held_open_again_ms() -> u64 {
    60_000
}

fn default_grace_ms() -> u64 {
    500
}

impl TryFrom<DoorToml> for Door {
    type Error = String;

    fn try_from(toml: DoorToml) -> Result<Self, String> {
        let driver = match toml.driver {
            DriverName::Simulated => Driver::Simulated {
                folder: toml.folder,
            },
            DriverName::Rppal => Driver::Rppal,
            DriverName::Cdev => Driver::Cdev {
                chip: toml.chip.unwrap_or("/dev/gpiochip0".into()),
            },
        };
        let mut pins = Pins::of(&driver);
        let relay = Relay {
            pin: pins.take("door", toml.pin)?,
            strike: toml.strike,
            active_level: toml.active_level,
        };
        let mut contact = |table: &'static str, toml: ContactToml| {
            Ok::<_, String>(Contact {
                pin: pins.take(table, toml.pin)?,
                active_level: toml.active_level,
                pull: toml.pull,
                debounce: within(table, "debounce_ms", toml.debounce_ms, DEBOUNCE_MS)?,
            })
        };
        let sensor = |toml: SensorToml| toml.parse(&mut contact);
        Ok(Self {
            driver,
            relay,
            hold: within("door", "hold_ms", toml.hold_ms, HOLD_MS)?,
            sensor: toml.sensor.map(sensor).transpose()?,
            exit_button: (toml
                .exit_button
                .map(|toml| contact("door.exit_button", toml)))
            .transpose()?,
            tamper: (toml.tamper.map(|toml| contact("door.tamper", toml))).transpose()?,
        })
    }
}

impl SensorToml {
    fn parse(
        self,
        contact: &mut impl FnMut(&'static str, ContactToml) -> Result<Contact, String>,
    ) -> Result<Sensor, String> {
        const TABLE: &str = "door.sensor";
        let again = self.held_open_again_ms;
        Ok(Sensor {
            held_open: within(TABLE, "held_open_ms", self.held_open_ms, HELD_OPEN_MS)?,
            held_open_again: within(TABLE, "held_open_again_ms", again, HELD_OPEN_MS)?,
            grace: within(TABLE, "grace_ms", self.grace_ms, GRACE_MS)?,
            relock_when_closed: self.relock_when_closed,
            contact: contact(
                TABLE,
                ContactToml {
                    pin: self.pin,
                    active_level: self.active_level,
                    pull: self.pull,
                    debounce_ms: self.debounce_ms,
                },
            )?,
        })
    }
}

/// Which pins have a role already.
struct Pins {
    /// The name of the driver that cannot do without a number.
    needed_by: Option<&'static str>,
    most: u32,
    taken: BTreeMap<u32, &'static str>,
}

impl Pins {
    fn of(driver: &Driver) -> Self {
        let (needed_by, most) = match driver {
            Driver::Simulated { .. } => (None, MAX_PIN),
            Driver::Rppal => (Some("rppal"), MAX_PIN),
            // As many as a chip has, which the chip says.
            Driver::Cdev { .. } => (Some("cdev"), u32::MAX),
        };
        Self {
            needed_by,
            most,
            taken: BTreeMap::new(),
        }
    }

    fn take(&mut self, table: &'static str, pin: Option<u32>) -> Result<u32, String> {
        let most = self.most;
        match (pin, self.needed_by) {
            (None, None) => Ok(0),
            (None, Some(driver)) => Err(format!(
                "[{table}]: driver \"{driver}\" needs a pin, expected pin = 0 or above"
            )),
            (Some(pin), _) if pin > most => {
                Err(format!("[{table}]: pin is {pin}, expected 0 to {most}"))
            }
            (Some(pin), _) => match self.taken.insert(pin, table) {
                None => Ok(pin),
                Some(other) => Err(format!(
                    "pin {pin} is that of [{other}] and of [{table}], expected a pin for each"
                )),
            },
        }
    }
}

fn within(table: &str, key: &str, ms: u64, range: RangeInclusive<u64>) -> Result<Duration, String> {
    if range.contains(&ms) {
        return Ok(Duration::from_millis(ms));
    }
    let (least, most) = (range.start(), range.end());
    Err(format!(
        "[{table}]: {key} is {ms}, expected {least} to {most}"
    ))
}
