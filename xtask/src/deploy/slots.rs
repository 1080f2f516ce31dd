//! Two slots and a link: what is in force is whole and has passed its self-test.

use crate::{disk, workspace};
use anyhow::{Context, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program's name in a slot.
pub(super) const RUNTIME: &str = "edge-runtime";
/// The bundle's name in a slot.
pub(super) const BUNDLE: &str = "model.bundle";

const NAMES: [&str; 2] = ["slot-a", "slot-b"];

/// The folder with the slots and the link.
pub(super) struct Slots {
    folder: PathBuf,
}

impl Slots {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The link to the slot in force.
    pub(super) fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// Fills the slot that is not in force, tests it there, and puts it in force.
    ///
    /// # Errors
    /// If copying or the self-test fails: the slot in force stays.
    pub(super) fn install(&self, runtime: &Path, bundle: &Path) -> Result<&'static str> {
        let name = self.idle();
        let slot = self.folder.join(name);
        fs::create_dir_all(&slot).with_context(|| slot.display().to_string())?;
        disk::replace_file(runtime, &slot.join(RUNTIME), 0o755)?;
        disk::replace_file(bundle, &slot.join(BUNDLE), 0o644)?;
        let mut selftest = Command::new(slot.join(RUNTIME));
        selftest
            .arg("selftest")
            .arg("--bundle")
            .arg(slot.join(BUNDLE));
        workspace::run(selftest.stdout(Stdio::from(io::stderr())))
            .context("the new slot's self-test; what was in force stays")?;
        // Relative, so that the whole tree can be moved.
        disk::point_link(&self.current(), Path::new(name))?;
        Ok(name)
    }

    fn idle(&self) -> &'static str {
        let [first, second] = NAMES;
        match fs::read_link(self.current()) {
            Ok(current) if current == Path::new(first) => second,
            _ => first,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A stand-in for the runtime whose self-test passes or fails.
    pub(in super::super) fn runtime(folder: &Path, passes: bool) -> PathBuf {
        let path = folder.join(format!("runtime-{passes}"));
        let script = "#!/bin/sh\n[ \"$1 $2\" = 'selftest --bundle' ] && [ -f \"$3\" ] && ";
        fs::write(&path, format!("{script}{passes}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn slots_take_turns_and_a_failed_self_test_changes_nothing() {
        let _turn = workspace::STARTING.lock();
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::at(folder.path().join("opt"));
        let [good, bad] = [true, false].map(|passes| runtime(folder.path(), passes));
        let bundle = folder.path().join("bundle");
        let current = || fs::read_to_string(slots.current().join(BUNDLE)).ok();

        fs::write(&bundle, "zero").unwrap();
        slots.install(&bad, &bundle).unwrap_err();
        assert_eq!(current(), None);

        fs::write(&bundle, "one").unwrap();
        assert_eq!(slots.install(&good, &bundle).unwrap(), "slot-a");
        assert_eq!(fs::read_link(slots.current()).unwrap(), Path::new("slot-a"));

        fs::write(&bundle, "two").unwrap();
        let error = slots.install(&bad, &bundle).unwrap_err();
        assert!(error.to_string().contains("what was in force stays"));
        assert_eq!(current().unwrap(), "one");

        assert_eq!(slots.install(&good, &bundle).unwrap(), "slot-b");
        assert_eq!(current().unwrap(), "two");
        assert_eq!(slots.install(&good, &bundle).unwrap(), "slot-a");
    }

    #[test]
    fn a_deployment_that_was_cut_short_is_repeated() {
        let _turn = workspace::STARTING.lock();
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::at(folder.path().join("opt"));
        let runtime = runtime(folder.path(), true);
        fs::write(folder.path().join("bundle"), "one").unwrap();
        // Cut short after the runtime, before the bundle and the switch.
        fs::create_dir_all(slots.folder.join("slot-a")).unwrap();
        fs::write(slots.folder.join("slot-a").join(RUNTIME), "half").unwrap();
        slots
            .install(&runtime, &folder.path().join("bundle"))
            .unwrap();
        assert!(slots.current().join(BUNDLE).exists());
    }
}
