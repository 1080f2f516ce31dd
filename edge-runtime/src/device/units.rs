//! What the program brings along for systemd: two units and a user.

use super::DeviceError;
use crate::atomic_file;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The door's user, and its group.
pub(super) const USER: &str = "facelatch";
/// The name that `systemd-sysusers` finds the user's description by.
pub(super) const SYSUSERS: &str = "facelatch.conf";

/// Where each lies, and what is in it.
const FILES: [(&str, &str); 3] = [
    (
        "etc/systemd/system/facelatch.service",
        include_str!("units/facelatch.service"),
    ),
    (
        "etc/systemd/system/facelatch-settle.service",
        include_str!("units/facelatch-settle.service"),
    ),
    (
        "etc/sysusers.d/facelatch.conf",
        include_str!("units/facelatch.sysusers"),
    ),
];

/// Writes those that are not there as they should be; says whether there were any.
///
/// # Errors
/// [`DeviceError`].
pub(super) fn write(root: &Path) -> Result<bool, DeviceError> {
    let mut changed = false;
    for (path, text) in FILES {
        let path = root.join(path);
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(DeviceError::io("making the folder", folder))?;
        atomic_file::write(&path, text.as_bytes(), Some(0o644))?;
        changed = true;
    }
    Ok(changed)
}

/// Removes them.
///
/// # Errors
/// [`DeviceError::Io`].
pub(super) fn remove(root: &Path) -> Result<(), DeviceError> {
    for (path, _) in FILES {
        let path = root.join(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DeviceError::io("removing", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives the folder of people's data to the door's user, and to nobody else. Restored from a
/// backup, it may be somebody else's.
///
/// # Errors
/// [`DeviceError`].
pub(super) fn own_state(folder: &Path) -> Result<(), DeviceError> {
    let owner = format!("{USER}:{USER}");
    let mut chown = Command::new("chown");
    let output = chown.arg("--recursive").arg(&owner).arg(folder).output();
    let output = output.map_err(DeviceError::io("giving to the door's user", folder))?;
    if !output.status.success() {
        return Err(DeviceError::Service {
            command: format!("chown --recursive {owner} {}", folder.display()),
            reason: super::service::said(&output),
        });
    }
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder, private).map_err(DeviceError::io("closing to others", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_healthy_when_it_has_outlived_the_watchdog() {
        let (_, unit) = FILES[0];
        let line = unit.lines().find_map(|l| l.strip_prefix("WatchdogSec="));
        let seconds: u64 = line.unwrap().trim_end_matches('s').parse().unwrap();
        let healthy = super::super::Patience::default().healthy.as_secs();
        assert!(healthy > seconds, "{healthy} {seconds}");
    }

    #[test]
    fn units_are_written_once_and_mended() {
        let root = tempfile::tempdir().unwrap();
        let unit = root.path().join(FILES[0].0);
        assert!(write(root.path()).unwrap());
        assert!(!write(root.path()).unwrap());
        fs::write(&unit, "[Service]\n").unwrap();
        assert!(write(root.path()).unwrap());
        assert_eq!(fs::read_to_string(&unit).unwrap(), FILES[0].1);
        remove(root.path()).unwrap();
        assert!(!unit.exists());
        remove(root.path()).unwrap();
    }
}
