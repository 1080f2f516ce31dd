//! What a live camera is asked for.

use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Of a live camera. Below one, a person would stand still for seconds.
const LIVE_FRAMES_PER_SECOND: RangeInclusive<f64> = 1.0..=120.0;
const SIDE_PX: RangeInclusive<u32> = 64..=4096;
const RPICAM_VID: &str = "rpicam-vid";
/// What the door itself says to `rpicam-vid`, in both spellings.
const OWN_ARGUMENTS: [&str; 14] = [
    "-t",
    "--timeout",
    "-n",
    "--nopreview",
    "--codec",
    "--width",
    "--height",
    "--framerate",
    "--flush",
    "-o",
    "--output",
    "--segment",
    "--split",
    "--list-cameras",
];

/// A video device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "V4l2Toml")]
pub struct V4l2 {
    /// Its path.
    pub device: PathBuf,
    /// How frames are coded.
    pub format: Format,
    /// What is asked of it.
    pub picture: Picture,
}

/// How a video device codes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Two bytes a pixel.
    Yuyv,
    /// JPEGs.
    Mjpeg,
}

/// A camera of a Raspberry Pi.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RpicamToml")]
pub struct Rpicam {
    /// A name that is looked for as the system does, or a path.
    pub program: PathBuf,
    /// What else to say to it.
    pub arguments: Vec<String>,
    /// What is asked of it.
    pub picture: Picture,
}

/// What is asked of a live camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Before it is turned.
    pub width_px: u32,
    /// Before it is turned.
    pub height_px: u32,
    /// 1 to 120.
    pub frames_per_second: f64,
    /// How it is turned to be upright.
    pub rotation: Rotation,
}

/// How a picture is turned to be upright.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub enum Rotation {
    /// It is upright.
    #[default]
    None,
    /// By 90 degrees clockwise.
    Clockwise90,
    /// By 180 degrees.
    Half,
    /// By 270 degrees clockwise.
    Clockwise270,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct V4l2Toml {
    device: PathBuf,
    format: Format,
    width: u32,
    height: u32,
    frames_per_second: f64,
    #[serde(default)]
    rotation: Rotation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RpicamToml {
    program: Option<PathBuf>,
    #[serde(default)]
    arguments: Vec<String>,
    width: u32,
    height: u32,
    frames_per_second: f64,
    #[serde(default)]
    rotation: Rotation,
}

impl TryFrom<u16> for Rotation {
    type Error = String;

    fn try_from(degrees: u16) -> Result<Self, String> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Clockwise90),
            180 => Ok(Self::Half),
            270 => Ok(Self::Clockwise270),
            _ => Err(format!(
                "rotation is {degrees}, expected 0, 90, 180 or 270 degrees"
            )),
        }
    }
}

impl Picture {
    fn new(
        width_px: u32,
        height_px: u32,
        frames_per_second: f64,
        rotation: Rotation,
    ) -> Result<Self, String> {
        for (name, side) in [("width", width_px), ("height", height_px)] {
            if !SIDE_PX.contains(&side) {
                let (least, most) = (SIDE_PX.start(), SIDE_PX.end());
                return Err(format!(
                    "{name} is {side}, expected {least} to {most} pixels"
                ));
            }
        }
        if !LIVE_FRAMES_PER_SECOND.contains(&frames_per_second) {
            let (least, most) = (LIVE_FRAMES_PER_SECOND.start(), LIVE_FRAMES_PER_SECOND.end());
            return Err(format!(
                "frames_per_second is {frames_per_second}, expected {least} to {most} of a live camera"
            ));
        }
        Ok(Self {
            width_px,
            height_px,
            frames_per_second,
            rotation,
        })
    }
}

impl TryFrom<V4l2Toml> for V4l2 {
    type Error = String;

    fn try_from(toml: V4l2Toml) -> Result<Self, String> {
        let (width, height) = (toml.width, toml.height);
        if toml.format == Format::Yuyv && width % 2 == 1 {
            return Err(format!(
                "width is {width}, expected an even one with \"yuyv\""
            ));
        }
        Ok(Self {
            device: toml.device,
            format: toml.format,
            picture: Picture::new(width, height, toml.frames_per_second, toml.rotation)?,
        })
    }
}

impl TryFrom<RpicamToml> for Rpicam {
    type Error = String;

    fn try_from(toml: RpicamToml) -> Result<Self, String> {
        let own = |argument: &&String| {
            let name = argument.split('=').next().unwrap_or_default();
            OWN_ARGUMENTS.contains(&name)
        };
        if let Some(argument) = toml.arguments.iter().find(own) {
            return Err(format!(
                "arguments has {argument:?}, which the door sets itself or cannot use; remove it"
            ));
        }
        let (width, height) = (toml.width, toml.height);
        Ok(Self {
            program: toml.program.unwrap_or_else(|| RPICAM_VID.into()),
            arguments: toml.arguments,
            picture: Picture::new(width, height, toml.frames_per_second, toml.rotation)?,
        })
    }
}
