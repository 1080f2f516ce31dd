//! `cargo xtask deploy`: a runtime and a bundle onto a door, or onto a simulated one.

pub(crate) mod door_config;
mod slots;

use crate::{disk, workspace};
use anyhow::{Context, Result, bail};
use slots::Slots;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Put the runtime, a bundle and a configuration onto a door
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `sim:DIR` lays DIR out as the device's file system
    target: String,
    /// The bundle to install
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The door's configuration; without it the one on the door stays, or the example is taken
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let door = Door::at(&args.target)?;
    let runtime = workspace::build()?.join("edge-runtime");
    let slot = door.install(&runtime, &args.bundle, args.config.as_deref())?;
    println!("{}: {slot} is in force", args.target);
    println!("configuration: {}", door.config().display());
    Ok(())
}

/// A door's file system under a folder of this machine.
pub(crate) struct Door {
    root: PathBuf,
}

impl Door {
    /// Reads a target: `sim:DIR`.
    ///
    /// # Errors
    /// For everything else.
    pub(crate) fn at(target: &str) -> Result<Self> {
        match target.strip_prefix("sim:") {
            Some("") => bail!("sim: names no folder, expected sim:DIR"),
            Some(folder) => Ok(Self {
                root: folder.into(),
            }),
            None => bail!("{target}: deploying to a device is not in this release; use sim:DIR"),
        }
    }

    /// The door's configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("etc/facelatch/door.toml")
    }

    /// The runtime in force.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.slots().current().join(slots::RUNTIME)
    }

    fn slots(&self) -> Slots {
        Slots::at(self.root.join("opt/facelatch"))
    }

    /// Installs into the idle slot, asks the runtime there to test itself, and only then puts the
    /// slot in force. The store is never touched. Returns the slot's name.
    ///
    /// # Errors
    /// If a file cannot be read or written, or the self-test fails: then what was in force stays.
    pub(crate) fn install(
        &self,
        runtime: &Path,
        bundle: &Path,
        config: Option<&Path>,
    ) -> Result<&'static str> {
        self.make_store()?;
        self.place_config(config)?;
        self.slots().install(runtime, bundle)
    }

    /// The folder of the sealed enrollments, for the door's user alone.
    fn make_store(&self) -> Result<()> {
        let state = self.root.join("var/lib/facelatch");
        fs::create_dir_all(&state).with_context(|| state.display().to_string())?;
        let store = state.join("store");
        if store.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().mode(0o700).create(&store);
        made.with_context(|| store.display().to_string())
    }

    fn place_config(&self, given: Option<&Path>) -> Result<()> {
        let place = self.config();
        let folder = place.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        match given {
            Some(given) => disk::replace_file(given, &place, 0o644),
            None if place.exists() => Ok(()),
            None => {
                let text = door_config::simulated()?.to_string();
                fs::write(&place, text).with_context(|| place.display().to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_simulated_doors_are_targets() {
        assert_eq!(
            Door::at("sim:target/door").unwrap().root,
            Path::new("target/door")
        );
        for (target, expected) in [
            ("pi@door.local", "not in this release"),
            ("target/door", "use sim:DIR"),
            ("sim:", "names no folder"),
        ] {
            let error = Door::at(target).err().unwrap().to_string();
            assert!(error.contains(expected), "{target}: {error}");
        }
    }

    #[test]
    fn redeploying_keeps_the_store_and_the_configuration() {
        let _turn = workspace::STARTING.lock();
        let folder = tempfile::tempdir().unwrap();
        let door = Door {
            root: folder.path().join("door"),
        };
        let runtime = slots::tests::runtime(folder.path(), true);
        let bundle = folder.path().join("b.bundle");
        fs::write(&bundle, "bundle").unwrap();
        assert_eq!(door.install(&runtime, &bundle, None).unwrap(), "slot-a");
        let store = door.root.join("var/lib/facelatch/store");
        assert_eq!(
            fs::metadata(&store).unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::write(store.join("record"), "sealed").unwrap();
        fs::write(door.config(), "# mine").unwrap();

        assert_eq!(door.install(&runtime, &bundle, None).unwrap(), "slot-b");
        assert_eq!(fs::read_to_string(store.join("record")).unwrap(), "sealed");
        assert_eq!(fs::read_to_string(door.config()).unwrap(), "# mine");
        assert!(door.runtime().exists());

        let other = folder.path().join("other.toml");
        fs::write(&other, "# other").unwrap();
        door.install(&runtime, &bundle, Some(&other)).unwrap();
        assert_eq!(fs::read_to_string(door.config()).unwrap(), "# other");
    }
}
