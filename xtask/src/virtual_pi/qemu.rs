//! One emulator as a process: started in a private folder, and never left over.

use super::qmp::Qmp;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The emulator.
pub(super) const PROGRAM: &str = "qemu-system-aarch64";
const CONSOLE: &str = "console.log";
const COMPLAINTS: &str = "qemu.log";
const CONTROL: &str = "qmp.sock";
/// How long an emulator takes to open its sockets, at most.
const OPENS_WITHIN: Duration = Duration::from_secs(20);

/// A running emulator. Dropping it ends it, as a power cut does.
pub(super) struct Qemu {
    child: Child,
    control: Qmp,
}

impl Qemu {
    /// Starts it with `arguments`, in `folder`, where its console's log and its sockets lie.
    ///
    /// The system ends it together with the *thread* that starts it: nothing is left over when this
    /// program is killed.
    ///
    /// # Errors
    /// If it does not start or ends at once; with what it complained of.
    pub(super) fn start(folder: &Path, arguments: &[(&str, String)]) -> Result<Self> {
        let socket = folder.join(CONTROL);
        // Left over by the emulator before, if that was killed.
        let _ = fs::remove_file(&socket);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", PROGRAM]);
        command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
        command.args(["-serial", &format!("file:{CONSOLE}")]);
        command.args(["-qmp", &format!("unix:{CONTROL},server=on,wait=off")]);
        for (name, value) in arguments {
            command.arg(name).arg(value);
        }
        command.current_dir(folder);
        // What is typed at this program's terminal does not reach it.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(Stdio::null());
        command.stderr(fs::File::create(folder.join(COMPLAINTS))?);
        let child = command.spawn().context("starting `setpriv`")?;
        let mut child = Ending(Some(child));
        let control = open(&socket, || child.ended());
        let control = control.with_context(|| tail(&folder.join(COMPLAINTS), 5))?;
        let child = child.0.take().context("it runs")?;
        Ok(Self { child, control })
    }

    /// The way to ask it.
    pub(super) fn control(&mut self) -> &mut Qmp {
        &mut self.control
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not say.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A process that ends unless it is taken out.
struct Ending(Option<Child>);

impl Ending {
    fn ended(&mut self) -> bool {
        let child = self.0.as_mut();
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    // Neither can fail in a way that leaves it running.
    let _ = child.kill();
    let _ = child.wait();
}

fn open(socket: &Path, mut ended: impl FnMut() -> bool) -> Result<Qmp> {
    let start = Instant::now();
    while !socket.exists() {
        if ended() {
            bail!("{PROGRAM} ended at once");
        }
        if start.elapsed() > OPENS_WITHIN {
            bail!(
                "{PROGRAM} opened no {} in {OPENS_WITHIN:?}",
                socket.display()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
    Qmp::connect(socket, OPENS_WITHIN)
}

/// Lets an emulator count time in instructions, a thousand million a second: however busy this
/// machine is, programs there keep their times.
pub(super) fn counted_time() -> (&'static str, String) {
    ("-icount", "shift=0".into())
}

/// What a machine wrote to its console.
pub(super) fn console(folder: &Path) -> String {
    let text = fs::read(folder.join(CONSOLE)).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The last lines of a machine's console, for an error.
pub(super) fn console_tail(folder: &Path) -> String {
    tail(&folder.join(CONSOLE), 20)
}

fn tail(file: &Path, lines: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_is_of_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        assert_eq!(tail(&file, 2), "");
        fs::write(&file, b"one\ntwo\n\xffthree\n").unwrap();
        assert_eq!(tail(&file, 2), "two\n\u{fffd}three");
    }

    #[test]
    fn one_that_ends_at_once_is_not_waited_for() {
        let error = open(Path::new("/nonexistent/socket"), || true);
        let error = error.err().unwrap().to_string();
        assert!(error.contains("ended at once"), "{error}");
    }
}
