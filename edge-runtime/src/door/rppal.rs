//! GPIO pins of a Raspberry Pi.

#![cfg(target_os = "linux")]

use super::settings::{Contact, Pull};
use embedded_hal::digital::PinState;
use rppal::gpio::{Error, Gpio, InputPin, OutputPin, Pin};

/// The pin cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "GPIO pin {pin} cannot be opened through /dev/gpiomem or /dev/gpiochip0: {source}; this driver needs a Raspberry Pi, \
     a user in group gpio and a pin that no other program holds (elsewhere set driver = \"cdev\" or \"simulated\")"
)]
pub struct GpioError {
    pin: u32,
    source: Error,
}

/// Opens a pin (Broadcom's numbering) as an output at a level.
///
/// # Errors
/// [`GpioError`].
pub(super) fn output(pin: u32, level: PinState) -> Result<OutputPin, GpioError> {
    let free = open(pin)?;
    // The level is set before the pin becomes an output, so the lock does not twitch.
    let mut output = match level {
        PinState::Low => free.into_output_low(),
        PinState::High => free.into_output_high(),
    };
    // After the process ends the pin goes on driving its last level; as an input it would float.
    output.set_reset_on_drop(false);
    Ok(output)
}

/// Opens the pin of a contact as an input.
///
/// # Errors
/// [`GpioError`].
pub(super) fn input(contact: &Contact) -> Result<InputPin, GpioError> {
    let free = open(contact.pin)?;
    Ok(match contact.pull {
        Pull::Up => free.into_input_pullup(),
        Pull::Down => free.into_input_pulldown(),
        Pull::None => free.into_input(),
    })
}

fn open(pin: u32) -> Result<Pin, GpioError> {
    // Numbers beyond a byte are no pin's either.
    let number = u8::try_from(pin).unwrap_or(u8::MAX);
    let gpio = Gpio::new().and_then(|gpio| gpio.get(number));
    gpio.map_err(|source| GpioError { pin, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_gpio_the_error_says_what_to_do() {
        if std::path::Path::new("/dev/gpiomem").exists() {
            return;
        }
        let error = output(17, PinState::Low).unwrap_err().to_string();
        for needle in ["pin 17", "/dev/gpiomem", "group gpio", "simulated"] {
            assert!(error.contains(needle), "{error}");
        }
    }
}
