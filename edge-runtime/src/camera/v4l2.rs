//! A video device of Linux, as USB cameras are.

use super::decode::Coded;
use super::live::{Source, Stream};
use super::settings::{Format, V4l2};
use rustix::event::PollFlags;
use rustix::io::Errno;
use std::io;
use std::time::Duration;
use v4l::buffer::{self, Type};
use v4l::capability::Flags;
use v4l::io::mmap;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, FourCC, Fraction};

/// Frames that the driver may fill while one is read.
const BUFFERS: u32 = 4;
/// A driver that has a frame ready hands it over within this time.
const HAND_OVER: Duration = Duration::from_secs(1);
const FIND_IT: &str = "`v4l2-ctl --list-devices` shows the devices of cameras";

impl Source for V4l2 {
    type Stream = Buffers;

    fn name(&self) -> String {
        self.device.display().to_string()
    }

    fn open(&self) -> Result<Buffers, String> {
        let named = |reason| format!("{}: {reason}", self.name());
        let device = open_device(self).map_err(named)?;
        let stride = set_format(&device, self).map_err(named)?;
        let busy = |error: io::Error| {
            named(format!(
                "cannot be started: {error}; end other programs that use it, or plug it in elsewhere"
            ))
        };
        let stream = prepared(&device).map_err(busy)?;
        // Held before it is started: a stream that fails then must not panic when it is dropped.
        let mut buffers = Buffers {
            name: self.name(),
            format: self.format,
            stride,
            device,
            stream: Some(stream),
        };
        if let Some(stream) = &mut buffers.stream {
            stream.start().map_err(busy)?;
        }
        Ok(buffers)
    }
}

fn open_device(camera: &V4l2) -> Result<Device, String> {
    let opened = Device::with_path(&camera.device);
    let device = opened.map_err(|error| {
        format!(
            "cannot be opened: {error}; check that the camera is plugged in, that [camera] device is right ({FIND_IT}), and that the door's user is in the group \"video\""
        )
    })?;
    let able = device.query_caps();
    let able = able.map_err(|error| format!("not a video device: {error}; {FIND_IT}"))?;
    // A USB camera has a second device that gives no pictures.
    if !able
        .capabilities
        .contains(Flags::VIDEO_CAPTURE | Flags::STREAMING)
    {
        return Err(format!("gives no pictures; {FIND_IT}"));
    }
    Ok(device)
}

/// Asks for size, format and rate; returns the bytes from one row to the next.
fn set_format(device: &Device, camera: &V4l2) -> Result<usize, String> {
    let (width, height) = (camera.picture.width_px, camera.picture.height_px);
    let code = FourCC::new(match camera.format {
        Format::Yuyv => b"YUYV",
        Format::Mjpeg => b"MJPG",
    });
    let given = device.set_format(&v4l::Format::new(width, height, code));
    let given = given.map_err(|error| {
        format!("its format cannot be set: {error}; end other programs that use it")
    })?;
    if (given.width, given.height, given.fourcc) != (width, height, code) {
        return Err(format!(
            "gives {}x{} {}, expected {width}x{height} {code}; set [camera] to one of `v4l2-ctl --list-formats-ext`",
            given.width, given.height, given.fourcc
        ));
    }
    // The driver takes the nearest rate; some have one only, and no way to ask for it.
    let in_1000_s = (1000.0 * camera.picture.frames_per_second) as u32;
    let _ = device.set_params(&Parameters::new(Fraction::new(1000, in_1000_s)));
    Ok((given.stride as usize).max(2 * width as usize))
}

fn prepared(device: &Device) -> io::Result<mmap::Stream<'static>> {
    let mut stream = mmap::Stream::with_buffers(device, Type::VideoCapture, BUFFERS)?;
    stream.set_timeout(HAND_OVER);
    // The first one is queued by the first read. There may be fewer than asked for.
    for index in 1..BUFFERS as usize {
        if CaptureStream::queue(&mut stream, index).is_err() {
            break;
        }
    }
    Ok(stream)
}

/// A device that gives frames.
pub(super) struct Buffers {
    name: String,
    format: Format,
    stride: usize,
    device: Device,
    /// Until it is dropped.
    stream: Option<mmap::Stream<'static>>,
}

impl Stream for Buffers {
    fn next(&mut self, patience: Duration) -> Result<Option<Coded>, String> {
        let lost = |error: io::Error| {
            let gone = error.raw_os_error() == Some(Errno::NODEV.raw_os_error());
            let what = if gone {
                "it was unplugged"
            } else {
                "cannot be read"
            };
            format!("{}: {what}: {error}", self.name)
        };
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let patience_ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        let readable = PollFlags::IN.bits() as i16;
        match self.device.handle().poll(readable, patience_ms) {
            Ok(0) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(lost(error)),
        }
        let (buffer, about) = CaptureStream::next(stream).map_err(lost)?;
        if about.flags.contains(buffer::Flags::ERROR) {
            let reason = "a garbled frame: its driver says so";
            return Ok(Some(Coded::Garbled(reason.into())));
        }
        let bytes = buffer.get(..about.bytesused as usize).unwrap_or(buffer);
        Ok(Some(match self.format {
            Format::Mjpeg => Coded::Jpeg(bytes.into()),
            Format::Yuyv => Coded::Yuyv {
                bytes: bytes.into(),
                stride: self.stride,
            },
        }))
    }
}

impl Drop for Buffers {
    /// A stream that cannot be stopped panics when it is dropped, and its buffers once more, which
    /// would end the program: it is left as it is.
    fn drop(&mut self) {
        let gone = Some(Errno::NODEV.raw_os_error());
        if let Some(mut stream) = self.stream.take()
            && let Err(error) = stream.stop()
            && error.raw_os_error() != gone
        {
            std::mem::forget(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{Picture, Rotation};
    use std::path::Path;

    #[test]
    fn what_is_no_camera_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "no camera").unwrap();
        for (device, needle) in [
            (Path::new("/dev/null"), "not a video device"),
            (&file, "not a video device"),
            (&dir.path().join("video9"), "No such file"),
            (dir.path(), "cannot be opened"),
        ] {
            let camera = V4l2 {
                device: device.into(),
                format: Format::Yuyv,
                picture: Picture {
                    width_px: 640,
                    height_px: 480,
                    frames_per_second: 30.0,
                    rotation: Rotation::None,
                },
            };
            let error = camera.open().err().unwrap();
            let start = format!("{}: ", device.display());
            assert!(
                error.starts_with(&start) && error.contains(needle),
                "{error}"
            );
            assert!(error.contains("v4l2-ctl"), "{error}");
        }
    }
}
