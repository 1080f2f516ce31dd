//! `cargo xtask deploy`: a runtime and a bundle onto a door, or onto a simulated one.

pub(crate) mod door_config;
mod slots;

use crate::{disk, setup, workspace};
use anyhow::{Context, Result, bail, ensure};
use slots::Slots;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Put the runtime, a bundle and a configuration onto a door
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `sim:DIR` lays DIR out as the device's file system
    target: String,
    /// The bundle to install; of one with several precisions the fastest there that keeps the rates
    /// which the configuration asks for
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The door's configuration; without it the one on the door stays, or the example is taken
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many people the door will know, by whose number its false-accept rate is divided where
    /// a precision is chosen
    #[arg(long, default_value_t = 1)]
    people: u32,
}

/// In the device's file system.
const CONFIG_FOLDER: &str = "etc/facelatch";

pub(crate) fn run(args: &Args) -> Result<()> {
    let door = Door::at(&args.target)?;
    // The whole workspace is built, and the trainer needs libtorch.
    setup::ensure()?;
    let runtime = workspace::build()?.join("edge-runtime");
    let config = args.config.as_deref();
    let slot = door.install(&runtime, &args.bundle, config, args.people)?;
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
        self.root.join(CONFIG_FOLDER).join("door.toml")
    }

    /// The runtime in force.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.slots().current().join(slots::RUNTIME)
    }

    fn slots(&self) -> Slots {
        Slots::at(self.root.join("opt/facelatch"))
    }

    /// Fills the idle slot, lets the runtime there read the configuration, leave one precision in
    /// the bundle for a door of so many `people`, and test itself, and only then puts both in
    /// force. The store is never touched. Returns the slot's name.
    ///
    /// # Errors
    /// If a file cannot be read or written, or the configuration or the bundle is refused, or none
    /// of its precisions does what is asked for: then what was in force stays.
    pub(crate) fn install(
        &self,
        runtime: &Path,
        bundle: &Path,
        config: Option<&Path>,
        people: u32,
    ) -> Result<&'static str> {
        self.make_folders()?;
        let slots = self.slots();
        let slot = slots.fill(runtime, bundle)?;
        let (config, from) = self.next_config(config)?;
        let tested = self.in_slot(&config).and_then(|it| {
            slots.select(slot, &it, people)?;
            slots.test(slot, &it)
        });
        tested.with_context(|| {
            let from = from.display();
            format!("testing the new slot with {from}; what was in force stays")
        })?;
        // A stop between the two is mended by deploying again.
        if from != self.config() {
            disk::replace_text(&config, &self.config(), 0o644)?;
        }
        slots.switch(slot)?;
        Ok(slot)
    }

    /// The configuration's folder, and that of the enrollments for the door's user alone.
    fn make_folders(&self) -> Result<()> {
        let state = self.root.join("var/lib/facelatch");
        for folder in [&self.root.join(CONFIG_FOLDER), &state] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let store = state.join("store");
        if store.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().mode(0o700).create(&store);
        made.with_context(|| store.display().to_string())
    }

    /// The text that the door will be configured with, and where it comes from: the given file,
    /// else the door's own, else the example.
    fn next_config(&self, given: Option<&Path>) -> Result<(String, PathBuf)> {
        let from = match given {
            Some(given) => given.into(),
            None if self.config().exists() => self.config(),
            None => {
                let text = door_config::simulated()?.to_string();
                return Ok((text, door_config::EXAMPLE.into()));
            }
        };
        let text = fs::read_to_string(&from).with_context(|| from.display().to_string())?;
        Ok((text, from))
    }

    /// The configuration as a slot is tested with it, before the link leads to that slot.
    fn in_slot(&self, config: &str) -> Result<String> {
        let folder = self.root.join(CONFIG_FOLDER).canonicalize()?;
        let (config, named) = door_config::with_bundle(config, &folder, slots::BUNDLE)?;
        let expected = door_config::BUNDLE;
        let path = folder.join(&named);
        ensure!(
            self.slots().serve(&path),
            "bundle = \"{named}\" is not the deployed one, expected bundle = \"{expected}\""
        );
        Ok(config)
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

    /// Deploys a bundle and a configuration that say what is given here.
    fn deploy(door: &Door, bundle: &str, config: Option<&str>) -> Result<&'static str> {
        let _turn = workspace::STARTING.lock();
        let folder = tempfile::tempdir().unwrap();
        let runtime = slots::tests::runtime(folder.path());
        let [given, file] = ["new.toml", "b.bundle"].map(|name| folder.path().join(name));
        fs::write(&file, bundle).unwrap();
        let config = config.map(|text| {
            fs::write(&given, text).unwrap();
            given.as_path()
        });
        door.install(&runtime, &file, config, 7)
    }

    fn config(comment: &str) -> String {
        format!("# {comment}\nbundle = \"{}\"\n", door_config::BUNDLE)
    }

    #[test]
    fn redeploying_keeps_the_store_and_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door {
            root: folder.path().join("door"),
        };
        assert_eq!(deploy(&door, "one", None).unwrap(), "slot-a");
        let example = door_config::simulated().unwrap().to_string();
        assert_eq!(fs::read_to_string(door.config()).unwrap(), example);
        let store = door.root.join("var/lib/facelatch/store");
        assert_eq!(
            fs::metadata(&store).unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::write(store.join("record"), "a template").unwrap();
        fs::write(door.config(), config("mine")).unwrap();

        assert_eq!(deploy(&door, "two", None).unwrap(), "slot-b");
        let record = fs::read_to_string(store.join("record")).unwrap();
        assert_eq!(record, "a template");
        assert_eq!(fs::read_to_string(door.config()).unwrap(), config("mine"));
        assert!(door.runtime().exists());

        deploy(&door, "three", Some(&config("other"))).unwrap();
        assert_eq!(fs::read_to_string(door.config()).unwrap(), config("other"));
    }

    #[test]
    fn of_several_precisions_the_runtimes_choice_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door {
            root: folder.path().join("door"),
        };
        let installed = |bundle: &str| {
            let slot = deploy(&door, bundle, Some(&config("mine"))).unwrap();
            assert!(door.slots().current().ends_with("current"));
            let bundle = door.slots().current().join(slots::BUNDLE);
            (slot, fs::read_to_string(bundle).unwrap())
        };
        let chosen = "chosen for 7 people".to_owned();
        assert_eq!(installed("several"), ("slot-a", chosen));
        assert_eq!(installed("one"), ("slot-b", "one".into()));
    }

    #[test]
    fn what_was_in_force_stays_when_the_new_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door {
            root: folder.path().join("door"),
        };
        // A door's first deployment, and then one on a door that works.
        for before in [None, Some("old")] {
            if let Some(comment) = before {
                deploy(&door, "old", Some(&config(comment))).unwrap();
            }
            for (bundle, given, complaint) in [
                ("broken", Some(config("new")), "failed"),
                ("broken", None, "failed"),
                ("unfit", None, "select"),
                ("new", Some(config("broken")), "failed"),
                ("new", Some("bundle = ".into()), "TOML"),
                ("new", Some("store = \"a\"\n".into()), "no bundle"),
                (
                    "new",
                    Some("bundle = \"model.bundle\"\n".into()),
                    "not the deployed one",
                ),
            ] {
                let error = deploy(&door, bundle, given.as_deref()).unwrap_err();
                let error = format!("{error:#}");
                assert!(error.contains("what was in force stays"), "{error}");
                assert!(error.contains(complaint), "{complaint} in {error}");
                let config_now = fs::read_to_string(door.config()).ok();
                assert_eq!(config_now, before.map(config), "{error}");
                let bundle_now = door.slots().current().join(slots::BUNDLE);
                let bundle_now = fs::read_to_string(bundle_now).ok();
                assert_eq!(bundle_now.as_deref(), before, "{error}");
            }
        }
    }

    #[test]
    fn a_doors_own_configuration_is_tested_with_the_new_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let door = Door {
            root: folder.path().join("door"),
        };
        deploy(&door, "old", None).unwrap();
        fs::write(door.config(), config("broken")).unwrap();
        deploy(&door, "new", None).unwrap_err();
        assert_eq!(
            deploy(&door, "new", Some(&config("good"))).unwrap(),
            "slot-b"
        );
    }
}
