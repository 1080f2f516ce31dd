//! QEMU's control protocol: a JSON object a line, each request with one answer, events in between.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection to one emulator.
pub(super) struct Qmp {
    answers: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects, and waits at most so long for each answer.
    ///
    /// # Errors
    /// If nobody listens, or it is no QEMU.
    pub(super) fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(socket);
        let stream = stream.with_context(|| socket.display().to_string())?;
        stream.set_read_timeout(Some(patience))?;
        let answers = BufReader::new(stream);
        let mut qmp = Self { answers };
        let greeting = qmp.line()?;
        if !greeting.contains("\"QMP\"") {
            bail!("{}: {greeting} is no greeting of QEMU", socket.display());
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Has a command executed and returns what it gives.
    ///
    /// # Errors
    /// If it is refused, with QEMU's words, or the emulator ended.
    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        self.answers
            .get_mut()
            .write_all(format!("{request}\n").as_bytes())?;
        loop {
            match answer(&self.line()?).with_context(|| command.to_owned())? {
                Some(answer) => return Ok(answer),
                None => continue,
            }
        }
    }

    /// Has a line of the human monitor executed and returns its text.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub(super) fn monitor(&mut self, line: &str) -> Result<String> {
        let arguments = json!({ "command-line": line });
        let text = self.execute("human-monitor-command", arguments)?;
        let text = text.as_str().context("the monitor answers with text")?;
        Ok(text.to_owned())
    }

    /// Reads 32 bits of the machine's physical memory; registers of devices have addresses there.
    ///
    /// # Errors
    /// If there is nothing at the address.
    pub(super) fn word(&mut self, address: u64) -> Result<u32> {
        let text = self.monitor(&format!("xp /1wx {address:#x}"))?;
        word(&text).with_context(|| format!("{text:?} is not what is at {address:#x}"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        if read.context("waiting for the emulator")? == 0 {
            bail!("the emulator ended");
        }
        Ok(line)
    }
}

/// What a command gave, or nothing for an event.
fn answer(line: &str) -> Result<Option<Value>> {
    let mut message: Value = serde_json::from_str(line).context("reading an answer")?;
    if let Some(error) = message.get("error") {
        bail!("{}", error["desc"].as_str().unwrap_or("refused"));
    }
    Ok(message.get_mut("return").map(Value::take))
}

/// The value in `0000000003f200034: 0x00020000`.
fn word(text: &str) -> Option<u32> {
    let (_, value) = text.trim().split_once(": 0x")?;
    u32::from_str_radix(value, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    #[test]
    fn memory_is_read_and_what_is_no_word_refused() {
        assert_eq!(word("00000000090303fc: 0x000000a8\r\n"), Some(0xa8));
        for text in ["", "Cannot access memory", "00: 0x", "00: 0x1ffffffff"] {
            assert_eq!(word(text), None, "{text}");
        }
    }

    #[test]
    fn events_are_no_answers_and_refusals_are_errors() {
        let event = r#"{"event": "RESUME", "timestamp": {}}"#;
        assert_eq!(answer(event).unwrap(), None);
        assert_eq!(answer(r#"{"return": 7}"#).unwrap(), Some(json!(7)));
        let refused = r#"{"error": {"class": "GenericError", "desc": "no such device"}}"#;
        assert_eq!(answer(refused).unwrap_err().to_string(), "no such device");
        answer("{").unwrap_err();
    }

    #[test]
    fn answer_is_waited_for_past_events_and_an_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qmp");
        let listener = UnixListener::bind(&socket).unwrap();
        let emulator = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut requests = BufReader::new(stream.try_clone().unwrap()).lines();
            stream.write_all(b"{\"QMP\": {}}\n").unwrap();
            requests.next().unwrap().unwrap();
            stream.write_all(b"{\"return\": {}}\n").unwrap();
            let request = requests.next().unwrap().unwrap();
            assert!(request.contains("xp /1wx 0x3f200034"), "{request}");
            stream
                .write_all(b"{\"event\": \"NIC\"}\n{\"return\": \"3f200034: 0x00020000\\r\\n\"}\n")
                .unwrap();
            // The next request finds nobody.
            requests.next().unwrap().unwrap();
        });
        let mut qmp = Qmp::connect(&socket, Duration::from_secs(10)).unwrap();
        assert_eq!(qmp.word(0x3f20_0034).unwrap(), 1 << 17);
        let error = qmp.word(0).unwrap_err().to_string();
        assert!(error.contains("the emulator ended"), "{error}");
        emulator.join().unwrap();
    }
}
