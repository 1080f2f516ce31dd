//! A door's configuration, changed where a simulated door differs; comments stay.

use crate::workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use toml_edit::{DocumentMut, Table, value};

/// The example that documents every field; the runtime's tests parse it.
const EXAMPLE: &str = "edge-runtime/door.example.toml";
/// Relative to the configuration's folder, `etc/facelatch`.
const BUNDLE: &str = "../../opt/facelatch/current/model.bundle";
const STORE: &str = "../../var/lib/facelatch/store";
const FRAMES: &str = "../../camera/images";
/// Where the camera before had none to keep.
const FRAMES_PER_SECOND: f64 = 5.0;
const LANDMARKS: &str = "../../camera/landmarks.csv";

/// A folder that stands in for a camera.
pub(crate) struct Camera<'a> {
    /// The folder with the frames, seen in the order of their names.
    pub(crate) frames: &'a Path,
    /// Their landmarks.
    pub(crate) landmarks: &'a Path,
}

/// The example, with the paths of a simulated door.
///
/// # Errors
/// If the example is missing or broken.
pub(crate) fn simulated() -> Result<DocumentMut> {
    let mut config = read(&workspace::root().join(EXAMPLE))?;
    config["bundle"] = value(BUNDLE);
    config["store"]["folder"] = value(STORE);
    config["door"]["driver"] = value("simulated");
    see(&mut config, FRAMES, LANDMARKS);
    Ok(config)
}

/// A door's configuration with another camera.
///
/// # Errors
/// If the file is missing or broken, or a path is not UTF-8.
pub(crate) fn with_camera(path: &Path, camera: &Camera<'_>) -> Result<DocumentMut> {
    let mut config = read(path)?;
    let [frames, landmarks] = [camera.frames, camera.landmarks].map(Path::to_str);
    let (frames, landmarks) = frames.zip(landmarks).context("a path that is not UTF-8")?;
    see(&mut config, frames, landmarks);
    Ok(config)
}

/// Makes the camera a folder. Another kind of camera has other fields, so none of them stays.
fn see(config: &mut DocumentMut, frames: &str, landmarks: &str) {
    let kind = config
        .get("camera")
        .and_then(|camera| camera.get("kind")?.as_str());
    if kind != Some("folder") {
        let mut camera = Table::new();
        camera["kind"] = value("folder");
        camera["frames_per_second"] = value(FRAMES_PER_SECOND);
        config["camera"] = camera.into();
    }
    config["camera"]["path"] = value(frames);
    config["camera"]["landmarks"] = value(landmarks);
}

fn read(path: &Path) -> Result<DocumentMut> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kind_of_camera_leaves_the_rest_with_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.toml");
        let text = "# The model.\nbundle = \"m\" # mine\n\n[camera]\nkind = \"v4l2\"\n\
                    device = \"/dev/video0\"\n\n[door]\npin = 17 # BCM\n";
        fs::write(&path, text).unwrap();
        let camera = Camera {
            frames: Path::new("/f"),
            landmarks: Path::new("/l.csv"),
        };
        let changed = with_camera(&path, &camera).unwrap().to_string();
        for kept in [
            "# The model.",
            "# mine",
            "pin = 17 # BCM",
            "kind = \"folder\"",
            "/l.csv",
        ] {
            assert!(changed.contains(kept), "{kept} in {changed}");
        }
        assert!(!changed.contains("v4l2") && !changed.contains("device"));
    }

    #[test]
    fn a_folder_camera_keeps_its_speed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.toml");
        fs::write(
            &path,
            "[camera]\nkind = \"folder\"\npath = \"a\"\nframes_per_second = 9\n",
        )
        .unwrap();
        let camera = Camera {
            frames: Path::new("/f"),
            landmarks: Path::new("/l.csv"),
        };
        let changed = with_camera(&path, &camera).unwrap();
        assert_eq!(changed["camera"]["path"].as_str(), Some("/f"));
        assert_eq!(changed["camera"]["frames_per_second"].as_integer(), Some(9));
    }

    #[test]
    fn the_example_becomes_a_simulated_door() {
        let config = simulated().unwrap();
        assert_eq!(config["bundle"].as_str(), Some(BUNDLE));
        assert_eq!(config["store"]["folder"].as_str(), Some(STORE));
        assert_eq!(config["camera"]["kind"].as_str(), Some("folder"));
        assert_eq!(config["door"]["driver"].as_str(), Some("simulated"));
    }
}
