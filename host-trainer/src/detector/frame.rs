//! Frames put together: a background, and a face or two laid upon it, or none.

use super::photos::{Photo, Photos};
use super::place::{Placement, Pose, sample};
use crate::backbone::detector::FRAME;
use image::{Rgb, RgbImage, imageops};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::align::{Landmarks, Point};

/// Probability of a second face.
const SECOND: f64 = 0.1;
/// Probability that a face is laid with its neighborhood alone, not with the whole photograph.
const CUT: f64 = 0.3;
/// Probability that a piece of a background is a face that was cut up and mixed up.
const MIXED_UP: f64 = 0.4;
/// A window of a photograph is without its face if it keeps this many sides from its middle.
const CLEAR_SIDES: f32 = 0.5;

/// A frame and what there is to find in it.
pub(super) struct Frame {
    /// Of [`FRAME`]'s size.
    pub(super) image: RgbImage,
    pub(super) faces: Vec<(Pose, Landmarks)>,
}

/// The `number`th frame of a seed.
///
/// - `faceless`: probability that there is no face in it
pub(super) fn compose(photos: &Photos, faceless: f64, seed: u64, number: u64) -> Frame {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let random = &mut random;
    let mut frame = Frame {
        image: background(photos, random),
        faces: Vec::new(),
    };
    if random.random_bool(faceless) {
        return frame;
    }
    let cut = random.random_bool(CUT);
    let reach = cut.then(|| random.random_range(0.55..1.2));
    add_face(&mut frame, photos, reach, random);
    if random.random_bool(SECOND) {
        add_face(&mut frame, photos, Some(0.6), random);
    }
    frame
}

fn add_face(frame: &mut Frame, photos: &Photos, reach: Option<f32>, random: &mut ChaCha8Rng) {
    let photo = photos.draw(random);
    let Some(placement) = Placement::draw(photo, random) else {
        return;
    };
    let target = placement.target;
    let apart = |(other, _): &(Pose, Landmarks)| {
        let (dx, dy) = (
            other.center.x - target.center.x,
            other.center.y - target.center.y,
        );
        dx.abs().max(dy.abs()) > 0.65 * (other.side + target.side)
    };
    if !frame.faces.iter().all(apart) {
        return;
    }
    placement.lay(&mut frame.image, photo, reach);
    let landmarks = placement.landmarks(&photo.landmarks);
    frame.faces.push((target, landmarks));
}

/// A frame without a face: a room, a drawn backdrop or a color, with pieces of photographs that
/// show no face laid over it.
fn background(photos: &Photos, random: &mut ChaCha8Rng) -> RgbImage {
    let [width, height] = FRAME.map(|side| side as u32);
    let mut image = RgbImage::new(width, height);
    match random.random_range(0..10) {
        0..5 if !photos.backgrounds.is_empty() => {
            let levels = &photos.backgrounds[random.random_range(0..photos.backgrounds.len())];
            let whole = levels[0].dimensions();
            let share = random.random_range(0.3..1.0);
            let size = [whole.0, whole.1].map(|side| side as f32 * share);
            let room = [whole.0 as f32 - size[0], whole.1 as f32 - size[1]];
            let start = room.map(|room| random.random_range(0.0..room.max(1e-3)));
            lay_window(&mut image, levels, [start, size], [0, 0, width, height]);
        }
        0..6 => {
            let drop = &photos.backdrops[random.random_range(0..photos.backdrops.len())];
            image = imageops::thumbnail(drop, width, height);
        }
        // As a frame of another shape is fitted.
        6 => {}
        _ => {
            let color = Rgb([0; 3].map(|_| random.random_range(0..=255)));
            image.pixels_mut().for_each(|pixel| *pixel = color);
        }
    }
    for _ in 0..random.random_range(0..8) {
        add_piece(&mut image, photos, random);
    }
    image
}

/// Lays a piece of a photograph: a window without its face, or the face cut into tiles and mixed
/// up, which has all the colors and edges of a face and is none.
fn add_piece(image: &mut RgbImage, photos: &Photos, random: &mut ChaCha8Rng) {
    let photo = photos.draw(random);
    let [width, height] = FRAME.map(|side| side as u32);
    let size = [width, height].map(|side| random.random_range(side / 8..=side));
    let left = random.random_range(0..width).saturating_sub(size[0] / 2);
    let top = random.random_range(0..height).saturating_sub(size[1] / 2);
    let to = [
        left,
        top,
        size[0].min(width - left),
        size[1].min(height - top),
    ];
    if random.random_bool(MIXED_UP) {
        lay_tiles(image, photo, to, random);
    } else if let Some(window) = window_without_face(photo, random) {
        lay_window(image, &photo.levels, window, to);
    }
}

/// Start and size; `None` after twenty tries.
fn window_without_face(photo: &Photo, random: &mut ChaCha8Rng) -> Option<[[f32; 2]; 2]> {
    let (width, height) = photo.image().dimensions();
    let (face, reach) = (photo.pose, CLEAR_SIDES * photo.pose.side);
    let clear = |start: f32, size: f32, center: f32| {
        start > center + reach || start + size < center - reach
    };
    (0..20).find_map(|_| {
        let size = [width, height].map(|side| side as f32 * random.random_range(0.08..0.5));
        let start = [width as f32 - size[0], height as f32 - size[1]]
            .map(|room| random.random_range(0.0..room));
        let without =
            clear(start[0], size[0], face.center.x) || clear(start[1], size[1], face.center.y);
        without.then_some([start, size])
    })
}

/// Lays the tiles of a face in another order over a rectangle.
fn lay_tiles(image: &mut RgbImage, photo: &Photo, to: [u32; 4], random: &mut ChaCha8Rng) {
    let count: usize = random.random_range(3..6);
    let mut places: Vec<usize> = (0..count * count).collect();
    places.shuffle(random);
    let face = photo.pose;
    let tile = face.side / count as f32;
    let [left, top, width, height] = to;
    let n = count as u32;
    for (i, from) in (0..).zip(places) {
        let at = |center: f32, index: usize| {
            (center + (index as f32 - count as f32 / 2.0) * tile).max(0.0)
        };
        let start = [
            at(face.center.x, from % count),
            at(face.center.y, from / count),
        ];
        // The last of a row or column ends where the rectangle does.
        let part = |i: u32, side: u32| [i * side / n, (i + 1) * side / n];
        let ([x0, x1], [y0, y1]) = (part(i % n, width), part(i / n, height));
        let piece = [left + x0, top + y0, x1 - x0, y1 - y0];
        lay_window(image, &photo.levels, [start, [tile; 2]], piece);
    }
}

/// Lays a window (start and size, pixels of the first level) over a rectangle (left, top, width,
/// height) of an image.
fn lay_window(
    image: &mut RgbImage,
    levels: &[RgbImage],
    [start, size]: [[f32; 2]; 2],
    [left, top, width, height]: [u32; 4],
) {
    let scale = [size[0] / width as f32, size[1] / height as f32];
    let level = scale[0].max(scale[1]).max(1.0).log2().round() as usize;
    let level = level.min(levels.len() - 1);
    let share = 0.5_f32.powi(level as i32);
    let place = |i: u32, axis: usize| (start[axis] + (i as f32 + 0.5) * scale[axis]) * share - 0.5;
    for y in 0..height {
        for x in 0..width {
            let at = Point::new(place(x, 0).max(0.0), place(y, 1).max(0.0));
            if let Some(color) = sample(&levels[level], at) {
                image.put_pixel(left + x, top + y, Rgb(color));
            }
        }
    }
}
