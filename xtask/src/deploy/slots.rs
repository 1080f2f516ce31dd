//! Two slots and a link: what is in force is whole and has passed its self-test.

use crate::{disk, workspace};
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program's name in a slot.
pub(super) const RUNTIME: &str = "edge-runtime";
/// The bundle's name in a slot.
pub(super) const BUNDLE: &str = "model.bundle";
/// The link's name.
const CURRENT: &str = "current";

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
        self.folder.join(CURRENT)
    }

    /// Whether a configuration's bundle is the one of the slot in force.
    pub(super) fn serve(&self, bundle: &Path) -> bool {
        // The link may not be there yet, so only its folder is resolved.
        let folder = bundle.ancestors().nth(2).map(Path::canonicalize);
        let same = matches!((folder, self.folder.canonicalize()), (Some(Ok(a)), Ok(b)) if a == b);
        same && bundle.ends_with(Path::new(CURRENT).join(BUNDLE))
    }

    /// Fills the slot that is not in force and returns its name.
    ///
    /// # Errors
    /// If copying fails.
    pub(super) fn fill(&self, runtime: &Path, bundle: &Path) -> Result<&'static str> {
        let name = self.idle();
        let slot = self.folder.join(name);
        fs::create_dir_all(&slot).with_context(|| slot.display().to_string())?;
        disk::replace_file(runtime, &slot.join(RUNTIME), 0o755)?;
        disk::replace_file(bundle, &slot.join(BUNDLE), 0o644)?;
        Ok(name)
    }

    /// Lets a slot's runtime leave one precision in the slot's bundle: the fastest on the machine
    /// that it runs on of those that keep what a configuration, whose bundle is [`BUNDLE`], asks
    /// for with so many `people`.
    ///
    /// # Errors
    /// If none does, or the runtime refuses the configuration or the bundle.
    pub(super) fn select(&self, name: &str, config: &str, people: u32) -> Result<()> {
        let out = self.folder.join(name).join(BUNDLE);
        let people = people.to_string();
        let arguments = ["--out".as_ref(), out.as_os_str(), "--people".as_ref()];
        self.ask(name, "select", config, |command| {
            command.args(arguments).arg(people);
        })?;
        // Whatever this program's umask took from it.
        let mode = Permissions::from_mode(0o644);
        fs::set_permissions(&out, mode).with_context(|| out.display().to_string())
    }

    /// Lets a slot's runtime read a configuration, whose bundle is [`BUNDLE`], and test itself.
    ///
    /// # Errors
    /// If the runtime refuses the configuration or the bundle.
    pub(super) fn test(&self, name: &str, config: &str) -> Result<()> {
        self.ask(name, "selftest", config, |_| ())
    }

    fn ask(
        &self,
        name: &str,
        what: &str,
        config: &str,
        more: impl FnOnce(&mut Command),
    ) -> Result<()> {
        let slot = self.folder.join(name);
        // In the slot, for a configuration's paths are relative to its folder.
        let file = tempfile::Builder::new()
            .prefix("door-")
            .suffix(".toml")
            .tempfile_in(&slot)?;
        fs::write(file.path(), config)?;
        let mut command = Command::new(slot.join(RUNTIME));
        command.arg(what).arg("--config").arg(file.path());
        more(&mut command);
        workspace::run(command.stdout(Stdio::from(io::stderr())))
    }

    /// Puts a slot in force.
    ///
    /// # Errors
    /// If the link cannot be moved: the slot in force stays.
    pub(super) fn switch(&self, name: &str) -> Result<()> {
        // Relative, so that the whole tree can be moved.
        disk::point_link(&self.current(), Path::new(name))
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

    /// A stand-in for the runtime: a bundle or a configuration that says "broken" is refused, and
    /// of a bundle that says "several" one precision is left, of one that says "unfit" none.
    pub(in super::super) fn runtime(folder: &Path) -> PathBuf {
        let path = folder.join("runtime");
        let script = r#"#!/bin/sh
grep -q '^bundle = "model.bundle"' "$3" || exit 1
case "$1 $2 $4 $6" in
'select --config --out --people')
    [ "$5" = "${3%/*}/model.bundle" ] || exit 1
    if grep -q several "$5"; then printf 'chosen for %s people' "$7" > "$5"; fi
    ! grep -q unfit "$5" ;;
'selftest --config  ')
    ! grep -q broken "$3" "${3%/*}/model.bundle" && ! grep -q several "${3%/*}/model.bundle" ;;
*) exit 1 ;;
esac
"#;
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn slots_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::at(folder.path().join("opt"));
        let runtime = runtime(folder.path());
        let bundle = folder.path().join("bundle");
        for (contents, expected) in [("one", "slot-a"), ("two", "slot-b"), ("three", "slot-a")] {
            fs::write(&bundle, contents).unwrap();
            let before = fs::read_to_string(slots.current().join(BUNDLE)).ok();
            let name = slots.fill(&runtime, &bundle).unwrap();
            assert_eq!(name, expected);
            let current = || fs::read_to_string(slots.current().join(BUNDLE)).ok();
            assert_eq!(current(), before);
            slots.switch(name).unwrap();
            assert_eq!(current().unwrap(), contents);
            assert_eq!(fs::read_link(slots.current()).unwrap(), Path::new(name));
        }
    }

    #[test]
    fn a_deployment_that_was_cut_short_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::at(folder.path().join("opt"));
        let runtime = runtime(folder.path());
        let bundle = folder.path().join("bundle");
        fs::write(&bundle, "one").unwrap();
        // Cut short after the runtime, before the bundle and the switch.
        fs::create_dir_all(slots.folder.join("slot-a")).unwrap();
        fs::write(slots.folder.join("slot-a").join(RUNTIME), "half").unwrap();
        slots
            .switch(slots.fill(&runtime, &bundle).unwrap())
            .unwrap();
        assert!(slots.current().join(BUNDLE).exists());
    }

    #[test]
    fn only_a_path_through_the_link_is_the_bundle_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::at(folder.path().join("opt"));
        for made in ["opt/slot-a", "etc", "other"] {
            fs::create_dir_all(folder.path().join(made)).unwrap();
        }
        for (bundle, expected) in [
            ("etc/../opt/current/model.bundle", true),
            ("opt/current/model.bundle", true),
            ("opt/slot-a/model.bundle", false),
            ("opt/current/other.bundle", false),
            ("other/current/model.bundle", false),
            ("nowhere/current/model.bundle", false),
        ] {
            let found = slots.serve(&folder.path().join(bundle));
            assert_eq!(found, expected, "{bundle}");
        }
    }
}
