//! `[door]` of `door.toml`: what moves the lock, and what tells of the door.

mod parse;

use parse::DoorToml;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
