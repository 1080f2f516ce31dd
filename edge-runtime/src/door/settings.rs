//! `[door]` of `door.toml`: what moves the lock, and what tells of the door.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The highest line of a Raspberry Pi's 40-pin header, in Broadcom's numbering.
const MAX_PIN: u32 = 27;
const HOLD_MS: RangeInclusive<u64> = 100..=60_000;
const DEBOUNCE_MS: RangeInclusive<u64> = 20..=1000;
const HELD_OPEN_MS: RangeInclusive<u64> = 1000..=3_600_000;
const GRACE_MS: RangeInclusive<u64> = 0..=10_000;

/// The lock, what moves it, and the contacts around it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "DoorToml")]
pub struct Door {
    /// What moves it.
    pub driver: Driver,
    /// What the lock hangs on.
    pub relay: Relay,
    /// How long it stays released.
    pub hold: Duration,
    /// Tells whether the door is open.
    pub sensor: Option<Sensor>,
    /// Releases the lock from inside; active while it is pressed.
    pub exit_button: Option<Contact>,
    /// Active while somebody is at the door's electronics.
    pub tamper: Option<Contact>,
}

/// What moves the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// Nothing.
    Simulated {
        /// Where levels are recorded and inputs are set, if anywhere.
        folder: Option<PathBuf>,
    },
    /// The GPIO pins of a Raspberry Pi, in Broadcom's numbering, 0 to 27.
    Rppal,
    /// The lines of a GPIO chip, through the kernel's character device.
    Cdev {
        /// The device.
        chip: PathBuf,
    },
}

/// An output pin, the relay on it, and the strike behind that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// The pin; 0 where a simulated one was not given a number.
    pub pin: u32,
    /// What the strike does without current.
    pub strike: Strike,
    /// The level of the pin that energizes the relay.
    pub active_level: ActiveLevel,
}

/// What a strike does without current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strike {
    /// It is locked; current releases it.
    #[default]
    FailSecure,
    /// It is unlocked, as a magnet is; current locks it.
    FailSafe,
}

/// The level of a pin that counts: that energizes, or that a contact has when it tells something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveLevel {
    /// A high level.
    High,
    /// A low level, as with most relay boards and with buttons to ground.
    Low,
}

/// The resistor that gives an open contact its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// To high.
    #[default]
    Up,
    /// To low.
    Down,
    /// There is one outside.
    None,
}

/// A contact on an input pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The pin; 0 where a simulated one was not given a number.
    pub pin: u32,
    /// The level when it tells something.
    pub active_level: ActiveLevel,
    /// The pin's own resistor.
    pub pull: Pull,
    /// A level counts when it has lasted so long.
    pub debounce: Duration,
}

/// A door-position contact, active while the door is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensor {
    /// The contact.
    pub contact: Contact,
    /// A door that is open longer is held open.
    pub held_open: Duration,
    /// From one telling of that to the next.
    pub held_open_again: Duration,
    /// A door that opens so shortly after the lock locked was not forced.
    pub grace: Duration,
    /// Whether the lock locks before its time once the door was opened and is closed again.
    pub relock_when_closed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorToml {
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

impl Door {
    /// Takes paths relative to a folder.
    pub(crate) fn resolve(&mut self, base: &Path) {
        if let Driver::Simulated {
            folder: Some(folder),
        } = &mut self.driver
        {
            *folder = base.join(&*folder);
        }
    }
}
