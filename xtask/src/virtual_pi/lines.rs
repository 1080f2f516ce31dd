//! The GPIO lines of the emulated board, seen and moved from outside: a PL061 with eight of them,
//! which Linux there knows as /dev/gpiochip0.

use super::qmp::Qmp;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How many lines there are.
const LINES: u8 = 8;
/// The chip's data register, read so that no line is masked out: inputs and outputs.
const DATA: u64 = 0x0903_0000 + 0x3fc;

/// What is on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// No voltage.
    Low,
    /// 3.3 V on a real board.
    High,
}

impl Level {
    /// The level of one of many lines.
    pub(super) fn of_bit(word: u32, line: u8) -> Self {
        match (word >> line) & 1 {
            0 => Self::Low,
            _ => Self::High,
        }
    }
}

/// Reads a line, whichever side drives it.
///
/// # Errors
/// If there is no such line, or the emulator ended.
pub(super) fn read(control: &mut Qmp, line: u8) -> Result<Level> {
    demand(line)?;
    Ok(Level::of_bit(control.word(DATA)?, line))
}

/// Drives a line from outside, as a button or a contact does. It stays so until it is driven anew.
///
/// # Errors
/// If there is no such line, or the emulator refuses.
pub(super) fn drive(control: &mut Qmp, socket: &Path, line: u8, level: Level) -> Result<()> {
    demand(line)?;
    let devices = control.execute("qom-list", json!({ "path": "/machine/unattached" }))?;
    let chip = chip(&devices).context("the emulated board has no PL061")?;
    let stream = UnixStream::connect(socket);
    let mut stream = stream.with_context(|| socket.display().to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let level = u8::from(level == Level::High);
    let request = format!("set_irq_in /machine/unattached/{chip} unnamed-gpio-in {line} {level}\n");
    stream.write_all(request.as_bytes())?;
    accepted(BufReader::new(stream))
}

fn demand(line: u8) -> Result<()> {
    ensure!(
        line < LINES,
        "line {line}: the board has 0 to {}",
        LINES - 1
    );
    Ok(())
}

/// The name of the first PL061 among a board's devices.
fn chip(devices: &Value) -> Option<&str> {
    let devices = devices.as_array()?;
    let found = devices.iter().find(|it| it["type"] == "child<pl061>")?;
    found["name"].as_str()
}

/// Reads the answer of qtest: `OK`, or why not; reports of interrupts may come before.
fn accepted(answers: impl BufRead) -> Result<()> {
    for line in answers.lines() {
        let line = line.context("waiting for the emulator's test port")?;
        match line.split(' ').next() {
            Some("IRQ") => {}
            Some("OK") => return Ok(()),
            _ => bail!("the emulator's test port says {line}"),
        }
    }
    bail!("the emulator ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chip_is_found_by_what_it_is() {
        let devices = json!([
            { "name": "device[6]", "type": "child<pl031>" },
            { "name": "device[7]", "type": "child<pl061>" },
        ]);
        assert_eq!(chip(&devices), Some("device[7]"));
        assert_eq!(chip(&json!([])), None);
        assert_eq!(chip(&json!({})), None);
    }

    #[test]
    fn levels_are_bits() {
        assert_eq!(Level::of_bit(1 << 17, 17), Level::High);
        assert_eq!(Level::of_bit(!(1 << 17), 17), Level::Low);
    }

    #[test]
    fn only_ok_is_accepted() {
        accepted("IRQ raise 3\nOK\n".as_bytes()).unwrap();
        for (answer, complaint) in [("FAIL Unknown device\n", "Unknown device"), ("", "ended")] {
            let error = accepted(answer.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
        assert!(demand(7).is_ok() && demand(8).is_err());
    }
}
