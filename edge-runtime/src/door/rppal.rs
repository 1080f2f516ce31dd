//! A GPIO pin of a Raspberry Pi.

#![cfg(target_os = "linux")]

use crate::config::ActiveLevel;
use rppal::gpio::{Error, Gpio, OutputPin};

/// The pin cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "GPIO pin {pin} cannot be opened through /dev/gpiomem or /dev/gpiochip0: {source}; this driver needs a Raspberry Pi, \
     a user in group gpio and a pin that no other program holds (elsewhere set driver = \"simulated\")"
)]
pub struct GpioError {
    pin: u8,
    source: Error,
}

/// Opens a pin (Broadcom's numbering) as an output at its locked level.
///
/// # Errors
/// [`GpioError`].
pub fn open(pin: u8, active_level: ActiveLevel) -> Result<OutputPin, GpioError> {
    let gpio = Gpio::new().and_then(|gpio| gpio.get(pin));
    let free = gpio.map_err(|source| GpioError { pin, source })?;
    // The level is set before the pin becomes an output, so the lock does not twitch.
    let mut output = match active_level {
        ActiveLevel::High => free.into_output_low(),
        ActiveLevel::Low => free.into_output_high(),
    };
    // After the process ends the pin goes on driving the locked level; as an input it would float.
    output.set_reset_on_drop(false);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_gpio_the_error_says_what_to_do() {
        if std::path::Path::new("/dev/gpiomem").exists() {
            return;
        }
        let error = open(17, ActiveLevel::High).unwrap_err().to_string();
        for needle in ["pin 17", "/dev/gpiomem", "group gpio", "simulated"] {
            assert!(error.contains(needle), "{error}");
        }
    }
}
