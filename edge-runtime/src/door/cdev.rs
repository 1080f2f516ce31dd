//! Lines of a GPIO chip, through the kernel's character device: every Linux board has it.

#![cfg(target_os = "linux")]

use super::settings::{Contact, Pull};
use embedded_hal::digital::PinState;
use gpiocdev::Request;
use gpiocdev::line::{Bias, Value};
use gpiocdev::request::Builder;
use gpiocdev_embedded_hal::{Error, InputPin, OutputPin};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Who holds a line, as `gpioinfo` shows it.
const CONSUMER: &str = "facelatch";

/// The line cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CdevError {
    /// The chip cannot be opened.
    #[error(
        "{}: {source}; expected a GPIO chip that this user may open, such as /dev/gpiochip0 (gpiodetect lists them; most systems let the group gpio)",
        chip.display()
    )]
    Chip {
        /// The device.
        chip: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The chip does not give the line.
    #[error(
        "line {line} of {} cannot be had as {role}: {source}; expected a line of the chip that no other program holds (gpioinfo shows both)",
        chip.display()
    )]
    Line {
        /// The device.
        chip: PathBuf,
        /// Its number on the chip.
        line: u32,
        /// What it was to be.
        role: &'static str,
        /// What the system said.
        source: Error,
    },
}

/// Requests a line as an output, which has a level from the first moment on.
///
/// # Errors
/// [`CdevError`].
pub(super) fn output(chip: &Path, line: u32, level: PinState) -> Result<OutputPin, CdevError> {
    let value = match level {
        PinState::Low => Value::Inactive,
        PinState::High => Value::Active,
    };
    request(chip, line, "an output", |request| {
        OutputPin::try_from(request.as_output(value).request()?)
    })
}

/// Requests the line of a contact as an input.
///
/// # Errors
/// [`CdevError`].
pub(super) fn input(chip: &Path, contact: &Contact) -> Result<InputPin, CdevError> {
    let bias = match contact.pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Disabled,
    };
    request(chip, contact.pin, "an input", |request| {
        InputPin::try_from(request.as_input().with_bias(bias).request()?)
    })
}

fn request<P>(
    chip: &Path,
    line: u32,
    role: &'static str,
    make: impl FnOnce(&mut Builder) -> Result<P, Error>,
) -> Result<P, CdevError> {
    // To tell a chip that is not there, or not for this user, from a line.
    File::open(chip).map_err(|source| CdevError::Chip {
        chip: chip.into(),
        source,
    })?;
    let mut request = Request::builder();
    request
        .on_chip(chip)
        .with_consumer(CONSUMER)
        .with_line(line);
    make(&mut request).map_err(|source| CdevError::Line {
        chip: chip.into(),
        line,
        role,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::settings::ActiveLevel;
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_error_says_what_to_do() {
        let contact = Contact {
            pin: 4,
            active_level: ActiveLevel::High,
            pull: Pull::Up,
            debounce: Duration::ZERO,
        };
        let errors = |chip: &str| {
            let chip = Path::new(chip);
            [
                output(chip, 3, PinState::Low).unwrap_err().to_string(),
                input(chip, &contact).unwrap_err().to_string(),
            ]
        };
        for error in errors("/dev/gpiochip-none") {
            assert!(
                error.starts_with("/dev/gpiochip-none: No such file"),
                "{error}"
            );
            assert!(error.contains("gpiodetect"), "{error}");
        }
        let [output, input] = errors("/dev/null");
        for needle in ["line 3 of /dev/null", "as an output", "gpioinfo"] {
            assert!(output.contains(needle), "{output}");
        }
        assert!(
            input.contains("line 4 of /dev/null cannot be had as an input"),
            "{input}"
        );
    }
}
