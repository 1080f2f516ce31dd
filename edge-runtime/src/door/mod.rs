//! The door itself: its lock, released for a time and locked at all others, and the contacts that
//! tell of it.

mod cdev;
mod debounce;
mod keeper;
mod lock;
mod monitor;
mod pins;
mod rppal;
mod settings;
pub mod simulated;

pub use keeper::{Fault, Keeper, SafeState, State};
pub use lock::{Lock, LockError};
pub use monitor::Readings;
pub use pins::{ContactPin, Contacts};
pub use settings::{ActiveLevel, Contact, Door, Driver, Pull, Relay, Sensor, Strike};

use embedded_hal::digital::PinState;
use simulated::folder::{FolderInput, FolderOutput};
use simulated::{SimulatedInput, SimulatedPin};
use std::io;

/// Why there is no door to keep.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The lock's pin does not obey.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A pin of a Raspberry Pi cannot be had.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Rppal(#[from] rppal::GpioError),
    /// A line of a GPIO chip cannot be had.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Cdev(#[from] cdev::CdevError),
    /// The folder of a simulated door cannot be used.
    #[error(transparent)]
    Folder(#[from] simulated::folder::FolderError),
    /// The driver is of another system.
    #[error("driver \"{0}\" needs Linux; set driver = \"simulated\"")]
    NotLinux(&'static str),
    /// No thread to watch over the lock.
    #[error("the system gives no thread to watch over the lock: {0}; end other programs")]
    Thread(io::Error),
}

/// Opens the pins of a door, locks it, and keeps it from then on.
///
/// # Errors
/// [`DoorError`]; where the lock's pin could be had, its relay is without current again.
pub fn open(door: &Door) -> Result<Keeper, DoorError> {
    let (lock, contacts) = pins(door)?;
    Keeper::start(lock, contacts, door).map_err(DoorError::Thread)
}

/// The lock first: whatever fails after it, it ends.
fn pins(door: &Door) -> Result<(Lock, Contacts), DoorError> {
    let locked = door.relay.locked_level();
    match &door.driver {
        Driver::Simulated { folder: None } => {
            let lock = Lock::new(SimulatedPin::new().0, door)?;
            let contacts = Contacts::open(door, |_, contact| {
                let rest = PinState::from(contact.active_level == ActiveLevel::Low);
                Ok::<_, DoorError>(SimulatedInput::new(rest).0)
            });
            Ok((lock, contacts?))
        }
        Driver::Simulated {
            folder: Some(folder),
        } => {
            let lock = Lock::new(FolderOutput::open(folder)?, door)?;
            let contacts = Contacts::open(door, |input, contact| {
                Ok::<_, DoorError>(FolderInput::new(folder, input, contact))
            });
            Ok((lock, contacts?))
        }
        #[cfg(target_os = "linux")]
        Driver::Rppal => {
            let lock = Lock::new(rppal::output(door.relay.pin, locked)?, door)?;
            let contacts = Contacts::open(door, |_, contact| rppal::input(contact))?;
            Ok((lock, contacts))
        }
        #[cfg(target_os = "linux")]
        Driver::Cdev { chip } => {
            let lock = Lock::new(cdev::output(chip, door.relay.pin, locked)?, door)?;
            let contacts = Contacts::open(door, |_, contact| cdev::input(chip, contact))?;
            Ok((lock, contacts))
        }
        #[cfg(not(target_os = "linux"))]
        Driver::Rppal => Err(DoorError::NotLinux("rppal")),
        #[cfg(not(target_os = "linux"))]
        Driver::Cdev { .. } => Err(DoorError::NotLinux("cdev")),
    }
}
