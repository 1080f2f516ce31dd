//! The system's services: how the door's is told to begin again, and how it does.

use super::{Device, DeviceError, Patience, units};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// The door's service.
pub(super) const DOOR: &str = "facelatch.service";
/// The one that settles deployments.
pub(super) const SETTLE: &str = "facelatch-settle.service";

/// How the door is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It says that it is ready, and has since its last start, which has this name.
    Up(String),
    /// It is not ready, for this reason; it was started so many times again by itself.
    Down {
        /// In a word or two.
        reason: String,
        /// Since it was started by somebody.
        restarts: u32,
    },
}

/// Starts the door and asks how it is.
pub trait Service {
    /// Lays out what a program brings along for the system: its units, its user.
    ///
    /// # Errors
    /// [`DeviceError`].
    fn set_up(&self, device: &Device) -> Result<(), DeviceError>;

    /// Has the program in force started, in the place of the one that runs.
    ///
    /// # Errors
    /// [`DeviceError::Service`].
    fn restart(&self) -> Result<(), DeviceError>;

    /// How the door is now.
    ///
    /// # Errors
    /// [`DeviceError::Service`].
    fn health(&self) -> Result<Health, DeviceError>;

    /// Has somebody else settle the deployment, who goes on when this program and its connection
    /// are gone; `false` if there is nobody.
    ///
    /// # Errors
    /// [`DeviceError::Service`].
    fn settle(&self) -> Result<bool, DeviceError>;

    /// Ends the door and takes away what [`Service::set_up`] laid out.
    ///
    /// # Errors
    /// [`DeviceError`].
    fn remove(&self, device: &Device) -> Result<(), DeviceError>;

    /// A command that runs a program as the door's user.
    fn as_door(&self, program: &Path) -> Command;

    /// How long the door may take to be healthy.
    fn patience(&self) -> Patience {
        Patience::default()
    }
}

/// A device whose services nobody manages, as a simulated one: a program that passes its self-test
/// is healthy.
pub struct Unmanaged;

impl Service for Unmanaged {
    fn set_up(&self, _: &Device) -> Result<(), DeviceError> {
        Ok(())
    }

    fn restart(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn health(&self) -> Result<Health, DeviceError> {
        Ok(Health::Up("unmanaged".into()))
    }

    fn settle(&self) -> Result<bool, DeviceError> {
        Ok(false)
    }

    fn remove(&self, _: &Device) -> Result<(), DeviceError> {
        Ok(())
    }

    fn as_door(&self, program: &Path) -> Command {
        Command::new(program)
    }

    fn patience(&self) -> Patience {
        Patience {
            healthy: Duration::ZERO,
            ..Patience::default()
        }
    }
}

/// systemd.
pub struct Systemd;

impl Service for Systemd {
    fn set_up(&self, device: &Device) -> Result<(), DeviceError> {
        if units::write(&device.root)? {
            // The user is there before anything is to run as it.
            run("systemd-sysusers", &[units::SYSUSERS])?;
            run("systemctl", &["daemon-reload"])?;
            run("systemctl", &["enable", "--quiet", DOOR, SETTLE])?;
        }
        units::own_state(&device.state())
    }

    fn restart(&self) -> Result<(), DeviceError> {
        // After many failures in a row it would refuse.
        let _none_failed = run("systemctl", &["reset-failed", DOOR]);
        run("systemctl", &["restart", "--no-block", DOOR]).map(drop)
    }

    fn health(&self) -> Result<Health, DeviceError> {
        let properties = "--property=ActiveState,SubState,Result,InvocationID,NRestarts";
        let shown = run("systemctl", &["show", properties, DOOR])?;
        Ok(health(&String::from_utf8_lossy(&shown.stdout)))
    }

    fn settle(&self) -> Result<bool, DeviceError> {
        run("systemctl", &["start", "--no-block", SETTLE])?;
        Ok(true)
    }

    fn remove(&self, device: &Device) -> Result<(), DeviceError> {
        // Of what is not there nothing need be ended.
        let _gone = run("systemctl", &["disable", "--quiet", "--now", DOOR, SETTLE]);
        units::remove(&device.root)?;
        run("systemctl", &["daemon-reload"]).map(drop)
    }

    fn as_door(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        let user = units::USER;
        command.arg(format!("--reuid={user}"));
        command.arg(format!("--regid={user}"));
        command.args(["--init-groups", "--no-new-privs", "--"]);
        command.arg(program);
        command
    }
}

/// What `systemctl show` says, line by line.
fn health(shown: &str) -> Health {
    let value = |name: &str| {
        let mut lines = shown.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default()
    };
    if value("ActiveState") == "active" && value("SubState") == "running" {
        return Health::Up(value("InvocationID").into());
    }
    Health::Down {
        reason: format!(
            "{} ({}), last result {}",
            value("ActiveState"),
            value("SubState"),
            value("Result")
        ),
        restarts: value("NRestarts").parse().unwrap_or(0),
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<Output, DeviceError> {
    let failed = |reason: String| DeviceError::Service {
        command: format!("{program} {}", arguments.join(" ")),
        reason,
    };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(failed(said(&output))),
    }
}

/// What a program said when it failed, at most its last lines.
pub(super) fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let last = lines[lines.len().saturating_sub(8)..].join("; ");
    match last.is_empty() {
        true => output.status.to_string(),
        false => last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_service_is_up() {
        let shown = |active: &str, sub: &str| {
            format!(
                "NRestarts=4\nActiveState={active}\nSubState={sub}\nResult=exit-code\nInvocationID=5eed\n"
            )
        };
        assert_eq!(
            health(&shown("active", "running")),
            Health::Up("5eed".into())
        );
        for (active, sub) in [
            ("activating", "start"),
            ("activating", "auto-restart"),
            ("active", "exited"),
            ("failed", "failed"),
        ] {
            let Health::Down { reason, restarts } = health(&shown(active, sub)) else {
                panic!("{active} {sub} is up");
            };
            assert_eq!(restarts, 4);
            assert!(
                reason.contains(active) && reason.contains(sub) && reason.contains("exit-code")
            );
        }
        assert!(matches!(health(""), Health::Down { .. }));
    }
}
