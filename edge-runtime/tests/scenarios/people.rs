//! Synthetic people: a pattern of colors each, photographed a little differently every time.

use crate::onnx::Noise;
use image::{Rgb, RgbImage};
use shared::align::{AlignTemplate, Landmarks, Point};

/// A photograph and where the landmarks lie in it.
pub(crate) struct Photo {
    pub(crate) image: RgbImage,
    pub(crate) landmarks: Landmarks,
}

const CELL_PX: usize = 16;

/// One photograph of a person: `shot` moves the face, turns it, and adds noise.
pub(crate) fn photograph(person: &str, shot: u64) -> Photo {
    let seed = person
        .bytes()
        .fold(17, |seed: u64, b| seed * 131 + u64::from(b));
    let mut noise = Noise(seed);
    let cells: Vec<[f32; 3]> = (0..49)
        .map(|_| [0; 3].map(|_| 128.0 + 100.0 * noise.next()))
        .collect();
    let mut noise = Noise(seed ^ (shot + 1) << 32);
    let scale = 1.2 + 0.2 * noise.next();
    let turn = 0.2 * noise.next();
    let (a, b) = (scale * turn.cos(), scale * turn.sin());
    let (left, top) = (40.0 + 10.0 * noise.next(), 30.0 + 10.0 * noise.next());
    let image = RgbImage::from_fn(220, 210, |x, y| {
        let (x, y) = (x as f32 - left, y as f32 - top);
        let square = a * a + b * b;
        let crop = [(a * x + b * y) / square, (a * y - b * x) / square];
        let cell = crop.map(|c| (c / CELL_PX as f32).floor());
        let inside = cell.iter().all(|c| (0.0..7.0).contains(c));
        let color = inside.then(|| cells[cell[1] as usize * 7 + cell[0] as usize]);
        // Eyes stand out from what is around them.
        let near = |eye: &Point| (crop[0] - eye.x).hypot(crop[1] - eye.y) < 5.0;
        let eye = AlignTemplate::Arcface112x112.landmarks().0[..2]
            .iter()
            .any(near);
        let color = color.map(|c| {
            c.map(|c| {
                c + if !eye {
                    0.0
                } else if c > 128.0 {
                    -110.0
                } else {
                    110.0
                }
            })
        });
        Rgb(color
            .unwrap_or([90.0; 3])
            .map(|c| (c + 15.0 * noise.next()) as u8))
    });
    let place = |p: Point| Point::new(a * p.x - b * p.y + left, b * p.x + a * p.y + top);
    let landmarks = Landmarks(AlignTemplate::Arcface112x112.landmarks().0.map(place));
    Photo { image, landmarks }
}

/// A row of `landmarks.csv`.
pub(crate) fn row(path: &str, landmarks: &Landmarks) -> String {
    let numbers: Vec<_> = landmarks
        .0
        .iter()
        .map(|p| format!("{},{}", p.x, p.y))
        .collect();
    format!("{path},0.9,{}\n", numbers.join(","))
}
