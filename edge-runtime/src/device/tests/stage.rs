//! A device under a temporary folder, whose programs are scripts and whose services say what they
//! are told to.

use super::super::*;
use crate::release::ReleaseKey;
use shared::digest::Digest;
use shared::release::Release;
use std::cell::RefCell;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// A script that was just written cannot be started while another thread's child holds it open.
pub(super) static STARTING: Mutex<()> = Mutex::new(());

/// Says how the door is: of a slot with a bundle that says "unhealthy", not well.
pub(super) struct Played {
    pub(super) device: Device,
    pub(super) told: RefCell<Vec<&'static str>>,
}

impl Service for Played {
    fn set_up(&self, _: &Device) -> Result<(), DeviceError> {
        self.told.borrow_mut().push("set up");
        Ok(())
    }

    fn restart(&self) -> Result<(), DeviceError> {
        self.told.borrow_mut().push("restart");
        Ok(())
    }

    fn health(&self) -> Result<Health, DeviceError> {
        let bundle = fs::read_to_string(self.device.programs().join("current/model.bundle"));
        Ok(match bundle.unwrap().contains("unhealthy") {
            false => Health::Up("start".into()),
            true => Health::Down {
                reason: "failed".into(),
                restarts: 9,
            },
        })
    }

    fn settle(&self) -> Result<bool, DeviceError> {
        self.told.borrow_mut().push("settle");
        Ok(true)
    }

    fn remove(&self, _: &Device) -> Result<(), DeviceError> {
        self.told.borrow_mut().push("remove");
        Ok(())
    }

    fn as_door(&self, program: &Path) -> Command {
        Command::new(program)
    }

    fn patience(&self) -> Patience {
        Patience {
            healthy: Duration::ZERO,
            within: Duration::from_millis(300),
            ..Patience::default()
        }
    }
}

/// A device, and a host that deploys to it.
pub(super) struct Stage {
    pub(super) folder: tempfile::TempDir,
    pub(super) device: Device,
    pub(super) service: Played,
    pub(super) key: ReleaseKey,
}

pub(super) const CONFIG: &str = "bundle = \"../../opt/facelatch/current/model.bundle\"\n";
/// Leaves one precision of a bundle that says "several", and something else of one that says
/// "swapped"; refuses one that says "broken".
pub(super) const PROGRAM: &str = r#"#!/bin/sh
case "$2" in
prepare)
    slot="$8/opt/facelatch/$4"
    if grep -q broken "$slot/model.bundle" "$slot/door.toml"; then echo "does not run" >&2; exit 2; fi
    if grep -q swapped "$slot/model.bundle"; then printf other; exit; fi
    if grep -q several "$slot/model.bundle"; then printf one; else cat "$slot/model.bundle"; fi ;;
esac
"#;

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::at(&folder.path().join("device"));
        Self {
            service: Played {
                device: device.clone(),
                told: RefCell::default(),
            },
            device,
            folder,
            key: ReleaseKey::generate().unwrap(),
        }
    }

    /// Files that say these things, signed.
    pub(super) fn delivery(&self, counter: u64, bundle: &str, config: Option<&str>) -> Delivery {
        let path = |name: &str| self.folder.path().join(name);
        fs::write(path("runtime"), PROGRAM).unwrap();
        fs::write(path("bundle"), bundle).unwrap();
        if let Some(config) = config {
            fs::write(path("config"), config).unwrap();
        }
        let release = Release {
            counter,
            version: "1".into(),
            architecture: std::env::consts::ARCH.into(),
            runtime: Digest::of(PROGRAM.as_bytes()),
            bundles: [bundle, "one"].map(|b| Digest::of(b.as_bytes())).into(),
        };
        self.key.sign(&release, &path("release")).unwrap();
        self.key.trusted().write(&path("key.pub")).unwrap();
        Delivery {
            release: path("release"),
            runtime: path("runtime"),
            bundle: path("bundle"),
            config: config.map(|_| path("config")),
            key: Some(path("key.pub")),
            allow_older: false,
            people: 7,
            by: "ada".into(),
        }
    }

    pub(super) fn install(
        &self,
        delivery: &Delivery,
    ) -> Result<(Slot, Option<Verdict>), DeviceError> {
        let _turn = STARTING.lock();
        self.device.install(delivery, &self.service)
    }

    /// Installs and settles.
    pub(super) fn deploy(
        &self,
        counter: u64,
        bundle: &str,
        config: Option<&str>,
    ) -> Option<Verdict> {
        let (_, verdict) = self
            .install(&self.delivery(counter, bundle, config))
            .unwrap();
        let _turn = STARTING.lock();
        verdict.or_else(|| self.device.settle(&self.service).unwrap())
    }

    /// What the door would run with.
    pub(super) fn in_force(&self) -> Option<(String, String)> {
        let bundle = self.device.programs().join("current/model.bundle");
        let bundle = fs::read_to_string(bundle).ok()?;
        Some((bundle, fs::read_to_string(self.device.config()).ok()?))
    }
}
