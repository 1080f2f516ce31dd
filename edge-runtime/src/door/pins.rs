//! The pins of a door, whatever drives them.

use super::monitor::Readings;
use super::settings::{ActiveLevel, Contact, Door};
use crate::event::Input;
use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin};
use std::fmt::Debug;

/// What a driver said of a pin that it could not set or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PinError(pub(super) String);

impl Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// A pin of any driver.
struct Any<P>(P);

impl<P> ErrorType for Any<P> {
    type Error = PinError;
}

impl<P: OutputPin> OutputPin for Any<P> {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.0.set_low().map_err(said)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.0.set_high().map_err(said)
    }
}

impl<P: InputPin> InputPin for Any<P> {
    fn is_high(&mut self) -> Result<bool, PinError> {
        self.0.is_high().map_err(said)
    }

    fn is_low(&mut self) -> Result<bool, PinError> {
        self.0.is_low().map_err(said)
    }
}

fn said(error: impl Debug) -> PinError {
    PinError(format!("{error:?}"))
}

/// An output pin of any driver.
pub(super) type Output = Box<dyn OutputPin<Error = PinError> + Send>;

/// An output pin, whatever drives it.
pub(super) fn output(pin: impl OutputPin + Send + 'static) -> Output {
    Box::new(Any(pin))
}

/// A contact on an input pin of any driver.
pub struct ContactPin {
    pin: Box<dyn InputPin<Error = PinError> + Send>,
    active_level: ActiveLevel,
}

impl ContactPin {
    /// A contact on a pin.
    pub fn new(pin: impl InputPin + Send + 'static, contact: &Contact) -> Self {
        Self {
            pin: Box::new(Any(pin)),
            active_level: contact.active_level,
        }
    }

    /// Whether it tells something now.
    ///
    /// # Errors
    /// What the driver said.
    pub(super) fn read(&mut self) -> Result<bool, String> {
        let high = self.pin.is_high().map_err(|error| error.0)?;
        Ok(high == (self.active_level == ActiveLevel::High))
    }
}

/// The contacts around a door, those that it has.
#[derive(Default)]
pub struct Contacts {
    /// Tells whether the door is open.
    pub sensor: Option<ContactPin>,
    /// Releases the lock from inside.
    pub exit_button: Option<ContactPin>,
    /// Tells that somebody is at the electronics.
    pub tamper: Option<ContactPin>,
}

impl Contacts {
    /// Opens the pin of each contact that the settings name.
    ///
    /// # Errors
    /// What `open` said of the first that it could not open.
    pub(super) fn open<P: InputPin + Send + 'static, E>(
        door: &Door,
        open: impl Fn(Input, &Contact) -> Result<P, E>,
    ) -> Result<Self, E> {
        let open = |input, contact: &Option<Contact>| {
            let opened = |contact| Ok(ContactPin::new(open(input, contact)?, contact));
            contact.as_ref().map(opened).transpose()
        };
        let sensor = door.sensor.map(|sensor| sensor.contact);
        Ok(Self {
            sensor: open(Input::Sensor, &sensor)?,
            exit_button: open(Input::ExitButton, &door.exit_button)?,
            tamper: open(Input::Tamper, &door.tamper)?,
        })
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.sensor.is_none() && self.exit_button.is_none() && self.tamper.is_none()
    }

    /// What they say now, which takes as long as their drivers do.
    pub fn read(&mut self) -> Readings {
        let read = |pin: &mut Option<ContactPin>| pin.as_mut().map(ContactPin::read);
        Readings {
            sensor: read(&mut self.sensor),
            exit_button: read(&mut self.exit_button),
            tamper: read(&mut self.tamper),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::Pull;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
    use std::io::ErrorKind;
    use std::time::Duration;

    #[test]
    fn a_contact_is_active_at_its_level_and_says_why_it_cannot_be_read() {
        for (active_level, high, low) in [
            (ActiveLevel::High, true, false),
            (ActiveLevel::Low, false, true),
        ] {
            let contact = Contact {
                pin: 0,
                active_level,
                pull: Pull::Up,
                debounce: Duration::ZERO,
            };
            let gone = MockError::Io(ErrorKind::NotConnected);
            let mut pin = Mock::new(&[
                Transaction::get(State::High),
                Transaction::get(State::Low),
                Transaction::get(State::Low).with_error(gone),
            ]);
            let mut contact = ContactPin::new(pin.clone(), &contact);
            assert_eq!(contact.read(), Ok(high));
            assert_eq!(contact.read(), Ok(low));
            assert_eq!(contact.read(), Err("Io(NotConnected)".into()));
            pin.done();
        }
    }
}
