//! Thumbnails of the frames, as text that a page can carry.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageReader, RgbImage};

const THUMBNAIL_WIDTH_PX: u32 = 160;
// Shown one and a half times as tall as wide, at most.
const THUMBNAIL_MAX_HEIGHT_PX: u32 = 240;
const JPEG_QUALITY: u8 = 82;

/// Where the frames are, by file name.
pub(super) struct Pictures {
    folder: PathBuf,
    by_name: HashMap<String, Vec<PathBuf>>,
}

impl Pictures {
    /// Looks through a folder and all beneath it. What cannot be read holds no frames.
    pub(super) fn beneath(folder: Option<&Path>) -> Self {
        let mut found = Self {
            folder: folder.unwrap_or(Path::new("")).to_owned(),
            by_name: HashMap::new(),
        };
        let mut open: Vec<PathBuf> = folder.into_iter().map(Path::to_owned).collect();
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                // A link to a folder is not followed, so the walk ends.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                } else if let Ok(name) = entry.file_name().into_string() {
                    found.by_name.entry(name).or_default().push(entry.path());
                }
            }
        }
        found.by_name.values_mut().for_each(|files| files.sort());
        found
    }

    /// The file of a frame: the scene's own folder first, then the path that agrees with the most
    /// of `frame` from its end. Never outside the folder, whatever `frame` says.
    pub(super) fn find(&self, scene: &str, frame: &str) -> Option<&Path> {
        let name = Path::new(frame).file_name()?.to_str()?;
        let files = self.by_name.get(name)?;
        let rank = |file: &PathBuf| {
            let own = file.starts_with(self.folder.join(scene))
                || file.starts_with(self.folder.join(format!("events-{scene}")));
            let from_end = file.iter().rev().zip(Path::new(frame).iter().rev());
            (own, from_end.take_while(|(a, b)| a == b).count())
        };
        // `max_by_key` takes the last of equals, and the first name in order is wanted.
        files
            .iter()
            .rev()
            .max_by_key(|file| rank(file))
            .map(PathBuf::as_path)
    }

    /// A small JPEG of a frame as a `data:` address; none if there is no such picture.
    pub(super) fn thumbnail(&self, scene: &str, frame: &str) -> Option<String> {
        let reader = ImageReader::open(self.find(scene, frame)?).ok()?;
        let picture = reader.with_guessed_format().ok()?.decode().ok()?;
        let small = picture.resize(
            THUMBNAIL_WIDTH_PX,
            THUMBNAIL_MAX_HEIGHT_PX,
            FilterType::Triangle,
        );
        data_address(&small.to_rgb8())
    }
}

/// A picture as a `data:` address with a JPEG.
pub(super) fn data_address(picture: &RgbImage) -> Option<String> {
    let mut jpeg = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY);
    picture.write_with_encoder(encoder).ok()?;
    let text = STANDARD.encode(jpeg.into_inner());
    Some(format!("data:image/jpeg;base64,{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_frame_of_the_scene_first() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            "a/1.png",
            "stranger/1.png",
            "visits/b/1.png",
            "visits/b/2.png",
        ];
        for file in all {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "not a picture").unwrap();
        }
        let pictures = Pictures::beneath(Some(folder.path()));
        let check = |scene: &str, frame: &str, expected: Option<&str>| {
            let expected = expected.map(|file| folder.path().join(file));
            assert_eq!(
                pictures.find(scene, frame),
                expected.as_deref(),
                "{scene} {frame}"
            );
        };
        check("stranger", "1.png", Some("stranger/1.png"));
        check("stranger", "2.png", Some("visits/b/2.png"));
        check("other", "1.png", Some("a/1.png"));
        check("other", "/somewhere/b/1.png", Some("visits/b/1.png"));
        check("other", "../../etc/passwd", None);
        check("other", "", None);
        assert_eq!(pictures.thumbnail("other", "1.png"), None);
    }
}
