//! Photographs and drawings of one face each, in memory, at several sizes.

use super::config::DetectorData;
use super::place::Pose;
use crate::dataset::folder::{self, FolderError};
use crate::dataset::synthetic::{self, Identity};
use crate::dataset::{held_out_name, synthetic_name};
use edge_runtime::photo::{self, PhotoError};
use image::RgbImage;
use image::imageops::{self, FilterType};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::align::{Landmarks, Point};
use std::path::{Path, PathBuf};

/// Photographs are halved until the smaller side is below this, in pixels.
const SMALLEST_SIDE_PX: u32 = 24;
/// Photographs larger than this on a side are scaled down first, in pixels: no face in a frame of
/// the network has more.
const LARGEST_SIDE_PX: u32 = 640;
/// Drawn rooms without anybody.
const DRAWN_BACKDROPS: u64 = 400;

/// Why there is nothing to put frames together from.
#[derive(Debug, thiserror::Error)]
pub enum PhotosError {
    /// The recipe wants folders and the command names none.
    #[error(
        "this recipe trains on photographs: give the directory that holds {0:?} with --data DIR"
    )]
    NoDirectory(Vec<PathBuf>),
    /// A folder that cannot be read, or a broken landmarks.csv.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A background that cannot be read.
    #[error(transparent)]
    Background(#[from] PhotoError),
    /// Nobody left.
    #[error(
        "{kept} pictures of faces to train on and {held_out} to measure on, at least one each is needed: add some, or change [data] held_out"
    )]
    TooFew {
        /// Of people trained on.
        kept: usize,
        /// Of people held out.
        held_out: usize,
    },
}

/// A picture of one face.
pub struct Photo {
    /// The picture, and its halves.
    pub(super) levels: Vec<RgbImage>,
    /// In pixels of the first level, from the middle of its first pixel, which is what an image is
    /// sampled by; in `landmarks.csv` it is the picture's corner that is 0.
    pub(super) landmarks: Landmarks,
    pub(super) pose: Pose,
}

impl Photo {
    fn new(image: RgbImage, landmarks: Landmarks) -> Option<Self> {
        let (image, landmarks) = at_most(image, landmarks);
        let pose = Pose::of(&landmarks)?;
        Some(Self {
            levels: halved(image),
            landmarks,
            pose,
        })
    }

    /// The picture.
    pub fn image(&self) -> &RgbImage {
        &self.levels[0]
    }

    /// Where the landmarks lie in it, as `landmarks.csv` has them: from the picture's corner.
    pub fn landmarks(&self) -> Landmarks {
        moved(&self.landmarks, 0.5)
    }

    /// The level to sample from when one pixel of a frame covers `scale` pixels of the picture.
    pub(super) fn level(&self, scale: f32) -> usize {
        let level = scale.max(1.0).log2().round() as usize;
        level.min(self.levels.len() - 1)
    }
}

/// Landmarks, right and down by so many pixels.
fn moved(landmarks: &Landmarks, by: f32) -> Landmarks {
    Landmarks((landmarks.0).map(|p| Point::new(p.x + by, p.y + by)))
}

/// What frames are put together from, all of people of one side: trained on, or held out.
pub struct Photos {
    pub(super) faces: Vec<Photo>,
    /// Without a face, with their halves.
    pub(super) backgrounds: Vec<Vec<RgbImage>>,
    /// Drawn ones.
    pub(super) backdrops: Vec<RgbImage>,
}

impl Photos {
    /// Reads what a recipe names: to train on, and held out. Backgrounds of the recipe's own folder
    /// are split by the same rule.
    ///
    /// # Errors
    /// [`PhotosError`]. Images that cannot be read, or have no usable landmarks, are left out and
    /// told on standard error.
    pub fn read(
        config: &DetectorData,
        data: Option<&Path>,
        seed: u64,
    ) -> Result<[Self; 2], PhotosError> {
        let below = |path: &PathBuf| match data {
            Some(data) => Ok(data.join(path)),
            None => Err(PhotosError::NoDirectory(config.folders.clone())),
        };
        let folders: Vec<PathBuf> = config.folders.iter().map(below).collect::<Result<_, _>>()?;
        let found = folder::scan(&folders)?;
        eprint!("{}", found.summary);
        let is_held_out = |name: &str| held_out_name(name, config.held_out, seed);
        let read = |image: &folder::FoundImage| match photo::read(&image.path) {
            Ok(pixels) => Photo::new(pixels, moved(image.landmarks(), -0.5)),
            Err(error) => {
                eprintln!("left out: {error}");
                None
            }
        };
        let photographs: Vec<(bool, Photo)> = found
            .images
            .par_iter()
            .filter_map(|i| Some((is_held_out(&found.people[i.person as usize]), read(i)?)))
            .collect();
        let drawn = (0..config.drawn_people)
            .into_par_iter()
            .filter_map(|index| {
                let picture = synthetic::render(&Identity::new(seed, index), 0);
                let photo = Photo::new(picture.frame, picture.landmarks)?;
                Some((is_held_out(&synthetic_name(index)), photo))
            });
        let drawn: Vec<(bool, Photo)> = drawn.collect();
        let rooms = match &config.backgrounds {
            Some(path) => read_rooms(&below(path)?)?,
            None => Vec::new(),
        };
        let rooms = rooms
            .into_iter()
            .map(|(name, image)| (is_held_out(&name), halved(image)));
        let backdrops = (0..DRAWN_BACKDROPS).into_par_iter().map(|i| {
            let backdrop = synthetic::empty_room(seed, i);
            (i % 10 == 0, backdrop)
        });
        let (held, kept) = split(photographs.into_iter().chain(drawn));
        let (held_rooms, kept_rooms) = split(rooms);
        let (held_drops, kept_drops) = split(backdrops.collect::<Vec<_>>());
        if kept.is_empty() || held.is_empty() {
            return Err(PhotosError::TooFew {
                kept: kept.len(),
                held_out: held.len(),
            });
        }
        let side = |faces, backgrounds, backdrops| Self {
            faces,
            backgrounds,
            backdrops,
        };
        Ok([
            side(kept, kept_rooms, kept_drops),
            side(held, held_rooms, held_drops),
        ])
    }

    /// Pictures of faces.
    pub fn faces(&self) -> &[Photo] {
        &self.faces
    }

    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> &Photo {
        &self.faces[random.random_range(0..self.faces.len())]
    }
}

fn split<T>(all: impl IntoIterator<Item = (bool, T)>) -> (Vec<T>, Vec<T>) {
    let (held, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|(held, _)| *held);
    let plain = |side: Vec<(bool, T)>| side.into_iter().map(|(_, x)| x).collect();
    (plain(held), plain(kept))
}

/// Images of a folder by name; each must be readable, since somebody chose them.
fn read_rooms(folder: &Path) -> Result<Vec<(String, RgbImage)>, PhotosError> {
    let read = |source| FolderError::Read {
        path: folder.into(),
        source,
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| Ok(e?.path())).collect())
        .map_err(read)?;
    paths.sort();
    let rooms = paths.par_iter().filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().unwrap_or_default();
        let image = photo::read(path)?;
        let (image, _) = at_most(image, Landmarks([shared::align::Point::new(0.0, 0.0); 5]));
        Ok((name.to_string_lossy().into_owned(), image))
    });
    rooms.collect()
}

/// Scaled to the largest size that is kept.
fn at_most(image: RgbImage, landmarks: Landmarks) -> (RgbImage, Landmarks) {
    let (width, height) = image.dimensions();
    let longest = width.max(height);
    if longest <= LARGEST_SIDE_PX {
        return (image, landmarks);
    }
    let share = LARGEST_SIDE_PX as f32 / longest as f32;
    let side = |n: u32| ((n as f32 * share).round() as u32).max(1);
    let small = imageops::resize(&image, side(width), side(height), FilterType::Triangle);
    let [x, y] = [
        small.width() as f32 / width as f32,
        small.height() as f32 / height as f32,
    ];
    let landmarks = landmarks.0.map(|mut p| {
        p.x = (p.x + 0.5) * x - 0.5;
        p.y = (p.y + 0.5) * y - 0.5;
        p
    });
    (small, Landmarks(landmarks))
}

/// The image, and halves of it until they are small.
fn halved(image: RgbImage) -> Vec<RgbImage> {
    let mut levels = vec![image];
    loop {
        let last = levels.last().expect("there is one");
        let (width, height) = (last.width() / 2, last.height() / 2);
        if width.min(height) < SMALLEST_SIDE_PX {
            return levels;
        }
        let mean = |x: u32, y: u32| {
            let at = |dx, dy| last.get_pixel(2 * x + dx, 2 * y + dy).0;
            let four = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
            let sum = |c: usize| four.iter().map(|p| u16::from(p[c])).sum::<u16>();
            image::Rgb([0, 1, 2].map(|c| ((sum(c) + 2) / 4) as u8))
        };
        levels.push(RgbImage::from_fn(width, height, mean));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A drawn person.
    pub(in crate::detector) fn drawn(index: u64) -> Photo {
        let picture = synthetic::render(&Identity::new(1, index), 0);
        Photo::new(picture.frame, picture.landmarks).unwrap()
    }

    #[test]
    fn large_photographs_keep_their_landmarks_in_place() {
        let image = RgbImage::from_fn(1280, 960, |x, _| image::Rgb([(x / 5) as u8; 3]));
        let at = |x: f32, y: f32| shared::align::Point::new(x, y);
        let marks = [
            (400.0, 300.0),
            (600.0, 300.0),
            (500.0, 420.0),
            (420.0, 520.0),
            (580.0, 520.0),
        ];
        let photo = Photo::new(image, Landmarks(marks.map(|(x, y)| at(x, y)))).unwrap();
        assert_eq!(photo.image().dimensions(), (640, 480));
        let eye = photo.landmarks.0[0];
        assert!(
            (eye.x - 199.75).abs() < 0.01 && (eye.y - 149.75).abs() < 0.01,
            "{eye:?}"
        );
        let eye = photo.landmarks().0[0];
        assert!((eye.x - 200.25).abs() < 0.01, "from the corner: {eye:?}");
        let sizes: Vec<_> = photo.levels.iter().map(RgbImage::width).collect();
        assert_eq!(sizes, [640, 320, 160, 80, 40]);
        assert_eq!(
            [0.5, 1.0, 2.0, 3.0, 100.0].map(|s| photo.level(s)),
            [0, 0, 1, 2, 4]
        );
    }
}
