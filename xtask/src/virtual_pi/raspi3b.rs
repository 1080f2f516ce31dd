//! A Raspberry Pi 3 with nothing but a kernel and a door: the real program, driving pin 17 of the
//! board's own GPIO block as it does on a Pi, which is watched from outside.

use super::image::{self, Image};
use super::lines::Level;
use super::people::People;
use super::qemu::{self, Qemu};
use super::scratch::Scratch;
use crate::cross::Program;
use crate::deploy::door_config;
use crate::{disk, trial, workspace};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use toml_edit::value;

const PIN: u8 = 17;
/// Longer than all the person's frames take, so that there is one release.
const HOLD_MS: i64 = 20_000;
/// Where the block shows the levels of pins 0 to 31 (GPLEV0).
const LEVELS: u64 = 0x3f20_0034;
const INITRAMFS: &str = "initramfs";
/// The whole of it, emulated, on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(420);
/// What the door's console says when all visits are over.
const OVER: &str = "the door ended with status";

/// What was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// After which time the level of pin 17 was another one, since the board was switched on.
    pub(crate) changes: Vec<(Duration, Level)>,
    /// The board's console.
    pub(crate) console: String,
}

/// Boots the board with a door that knows one person, shows it a stranger and then the person, and
/// watches pin 17.
///
/// # Errors
/// If the board does not come up, the door fails, or the pin moves other than it must: not before
/// the person, then to high, then back to low. The message has the end of the board's console.
pub(crate) fn visit(image: &Image, program: &Program, people: &People) -> Result<Seen> {
    super::tools::demand()?;
    let folder = Scratch::new()?;
    pack(image, program, people, folder.path())?;
    let mut board = Qemu::start(folder.path(), &arguments(image))?;
    let seen = watch(&mut board, folder.path())?;
    let judged = judge(&seen);
    judged.with_context(|| format!("its console:\n{}", qemu::console_tail(folder.path())))?;
    Ok(seen)
}

/// The image's first file system, and a second with the door, which the kernel lays over it.
fn pack(image: &Image, program: &Program, people: &People, folder: &Path) -> Result<()> {
    let root = folder.join("root");
    let door = root.join("door");
    fs::create_dir_all(&door)?;
    disk::replace_file(&program.path, &door.join("edge-runtime"), 0o755)?;
    let bundle = workspace::root().join(trial::BUNDLE);
    disk::replace_file(&bundle, &door.join("model.bundle"), 0o644)?;
    disk::replace_text(&config()?, &door.join("door.toml"), 0o644)?;
    people.enrollment(&door.join("enrollment"))?;
    people.visits(&door.join("camera"))?;
    let second = folder.join("second");
    image::archive(&root, &second)?;
    let both = [fs::read(image.pi3_initramfs())?, fs::read(&second)?].concat();
    fs::write(folder.join(INITRAMFS), both)?;
    Ok(())
}

/// The example, with the pins of a Pi and the patience that an emulated one needs.
fn config() -> Result<String> {
    let mut config = door_config::simulated()?;
    config["bundle"] = value("model.bundle");
    config["store"]["folder"] = value("people");
    config["camera"]["path"] = value("camera");
    config["camera"]["landmarks"] = value("camera/landmarks.csv");
    config["camera"]["frames_per_second"] = value(1.0);
    config["identify"]["false_accept_rate"] = value(0.0001);
    config["decide"]["window_ms"] = value(60_000);
    config["door"]["driver"] = value("rppal");
    config["door"]["hold_ms"] = value(HOLD_MS);
    config["door"]["pin"] = value(i64::from(PIN));
    config["watchdog"]["stalled_after_ms"] = value(120_000);
    Ok(config.to_string())
}

fn arguments(image: &Image) -> Vec<(&'static str, String)> {
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    // Without /dev/gpiomem rppal maps the registers through /dev/mem, which Debian's kernel guards
    // unless it is told not to.
    let words = "console=ttyAMA0,115200 quiet panic=-1 iomem=relaxed";
    vec![
        ("-M", "raspi3b".into()),
        ("-kernel", path(image.kernel())),
        ("-dtb", path(image.pi3_device_tree())),
        ("-initrd", INITRAMFS.into()),
        ("-append", words.into()),
        // A frame that is old is not decided upon.
        qemu::counted_time(),
    ]
}

/// Looks at the pin until the door has ended.
fn watch(board: &mut Qemu, folder: &Path) -> Result<Seen> {
    let start = Instant::now();
    let mut seen = Seen::default();
    let mut level = Level::Low;
    loop {
        let now = Level::of_bit(board.control().word(LEVELS)?, PIN);
        if now != level {
            seen.changes.push((start.elapsed(), now));
            level = now;
        }
        seen.console = qemu::console(folder);
        if seen.console.contains(OVER) {
            return Ok(seen);
        }
        if board.ended()?.is_some() || start.elapsed() > ENDS_WITHIN {
            bail!(
                "the virtual Pi 3 did not get through its visits in {:.0} s; its console:\n{}",
                start.elapsed().as_secs_f64(),
                qemu::console_tail(folder)
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn judge(seen: &Seen) -> Result<()> {
    ensure!(
        seen.console.contains(&format!("{OVER} 0")),
        "the door failed on the virtual Pi 3"
    );
    let levels: Vec<Level> = seen.changes.iter().map(|(_, level)| *level).collect();
    let [Level::High, Level::Low] = levels[..] else {
        bail!("pin {PIN} was {levels:?}, expected one high level and then low");
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_release_and_a_good_end_are_right() {
        let at = Duration::ZERO;
        let seen = |levels: &[Level], status: &str| Seen {
            changes: levels.iter().map(|level| (at, *level)).collect(),
            console: format!("{OVER} {status}\n"),
        };
        judge(&seen(&[Level::High, Level::Low], "0")).unwrap();
        for (levels, status) in [
            (&[Level::High, Level::Low][..], "2"),
            (&[], "0"),
            (&[Level::High], "0"),
            (&[Level::High, Level::Low, Level::High, Level::Low], "0"),
        ] {
            judge(&seen(levels, status)).unwrap_err();
        }
    }

    #[test]
    fn configuration_is_the_example_with_a_pis_pins() {
        let config = config().unwrap();
        assert!(config.contains("driver = \"rppal\"") && config.contains("pin = 17"));
    }
}
