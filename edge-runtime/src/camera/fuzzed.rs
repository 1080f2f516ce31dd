//! What a live camera may send, as fuzzers call it.

use super::decode::{self, Coded};
use super::mjpeg::Splitter;
use super::settings::{Picture, Rotation};
use super::yuyv;

/// The first byte says how the others arrive: a pipe gives them in pieces of any length.
pub(crate) fn mjpeg(bytes: &[u8]) -> bool {
    let Some((piece, stream)) = bytes.split_first() else {
        return false;
    };
    let (mut splitter, mut frames, mut len) = (Splitter::default(), 0, 0);
    for piece in stream.chunks(usize::from(*piece) + 1) {
        splitter.push(piece);
        while let Some(next) = splitter.next() {
            let Ok(frame) = next else { continue };
            let whole = frame.starts_with(b"\xFF\xD8") && frame.ends_with(b"\xFF\xD9");
            assert!(whole, "a frame that is no JPEG");
            (frames, len) = (frames + 1, len + frame.len());
        }
    }
    assert!(len <= stream.len(), "more bytes than came");
    frames > 0
}

/// A frame of 24 x 16 pixels.
pub(crate) fn jpeg(bytes: &[u8]) -> bool {
    let asked = Picture {
        width_px: 24,
        height_px: 16,
        frames_per_second: 1.0,
        rotation: Rotation::Clockwise90,
    };
    let image = decode::decode(&Coded::Jpeg(bytes.into()), &asked);
    assert!(image.as_ref().map_or((16, 24), |i| i.dimensions()) == (16, 24));
    image.is_ok()
}

/// The first three bytes say which size the camera has promised.
pub(crate) fn yuyv(bytes: &[u8]) -> bool {
    let Some((&[width, height, padding], rows)) = bytes.split_first_chunk() else {
        return false;
    };
    let (width, height) = (2 * u32::from(width % 16 + 1), u32::from(height % 16 + 1));
    let stride = 2 * width as usize + usize::from(padding % 8);
    let Ok(image) = yuyv::to_rgb(rows, stride, width, height) else {
        return false;
    };
    assert_eq!(image.dimensions(), (width, height));
    assert_eq!(rows.len(), stride * height as usize);
    true
}
