//! Synthetic people: drawn faces that tests and the demo train on without a download.
//!
//! Who it is (`Identity`) shows in shapes; light, exposure, turn and background (`nuisance.rs`)
//! change from picture to picture and outweigh the shapes by far in raw pixels, so that a network
//! must learn to tell people apart, and can.

mod backdrop;
mod camera;
mod eyes;
mod grid;
mod hair;
mod head;
mod marks;
mod mouth;
mod nose;
mod nuisance;
mod pose;
mod random;
mod relief;
mod scene;
mod shape;
mod surface;
#[cfg(test)]
mod tests;
mod traits;

pub use traits::Identity;

use head::Outline;
use image::RgbImage;
use mouth::Lips;
use nuisance::Nuisance;
use pose::Pose;
use random::{Stream, scramble};
use relief::Relief;
use scene::Scene;
use shared::align::{Landmarks, Point};
use traits::Traits;

/// Of the drawing; faces that were packed under another version are drawn anew.
pub const RENDERER_VERSION: u32 = 1;
/// Width of a frame in pixels.
pub const FRAME_WIDTH: u32 = 320;
/// Height of a frame in pixels.
pub const FRAME_HEIGHT: u32 = 240;
/// No landmark is nearer to the edge of the frame, in pixels.
const MARGIN_PX: f32 = 24.0;

/// A frame of 320x240 with one face and its five true landmarks.
pub struct Picture {
    /// RGB, [`FRAME_WIDTH`] x [`FRAME_HEIGHT`] pixels.
    pub frame: RgbImage,
    /// In pixels of the frame, all of them inside.
    pub landmarks: Landmarks,
}

/// The `number`th picture of that person, each with its own nuisance.
///
/// The bytes depend on the person and the number alone, on every machine.
pub fn render(person: &Identity, number: u64) -> Picture {
    let mut stream = Stream::new(*b"picture\0", person.seed, person.index, number);
    let mut nuisance = Nuisance::draw(&mut stream);
    let traits = &person.traits;
    let relief = Relief::new(traits);
    let lips = Lips::new(&traits.mouth, &nuisance.expression);
    place(&mut nuisance.pose, nuisance.place, |pose| {
        landmarks(pose, &relief, traits, &lips)
    });
    let landmarks = landmarks(&nuisance.pose, &relief, traits, &lips);
    // Strands and freckles are a person's own, so their texture must not change with the picture.
    let salt = scramble(person.index as u32 ^ scramble(person.seed as u32));
    let canvas = backdrop::paint(&nuisance.backdrop);
    let texels = surface::texels(&nuisance.pose, &relief, &nuisance.light);
    let mut scene = Scene::new(canvas, texels, &nuisance.pose);
    paint(&mut scene, traits, &nuisance, &lips, salt);
    Picture {
        frame: camera::expose(&nuisance.camera, scene.into_canvas()),
        landmarks,
    }
}

/// A frame with a backdrop alone, the `number`th of a seed.
pub fn empty_room(seed: u64, number: u64) -> RgbImage {
    let mut stream = Stream::new(*b"room\0\0\0\0", seed, 0, number);
    let nuisance = Nuisance::draw(&mut stream);
    camera::expose(&nuisance.camera, backdrop::paint(&nuisance.backdrop))
}

/// Everything of the person, from the back to the front.
fn paint(scene: &mut Scene<'_>, t: &Traits, nuisance: &Nuisance, lips: &Lips<'_>, salt: u32) {
    let expression = &nuisance.expression;
    let outline = Outline::new(&t.head, 0.5 * expression.mouth_open);
    hair::paint_behind(scene, t, salt);
    head::paint_behind(scene, t, nuisance);
    head::paint_face(scene, t, &outline);
    marks::paint_skin(scene, t, salt);
    nose::paint(scene, t);
    hair::paint_beard(scene, t, &outline, salt);
    mouth::paint(scene, t, lips);
    eyes::paint(scene, t, expression);
    eyes::paint_brows(scene, t, expression, salt);
    marks::paint_glasses(scene, t);
    hair::paint_front(scene, t, salt);
}

/// Where the landmarks are seen; they lie on the surface, so a turn moves the tip of the nose most.
fn landmarks(pose: &Pose, relief: &Relief, t: &Traits, lips: &Lips<'_>) -> Landmarks {
    let eye = t.eyes.spacing;
    let places = [
        [-eye, 0.0],
        [eye, 0.0],
        [t.nose.bend, t.nose.tip_y],
        lips.corner(-1.0),
        lips.corner(1.0),
    ];
    Landmarks(places.map(|[x, y]| pose.project(x, y, relief.depth(x, y))))
}

/// Puts the face where `share` (0 to 1, across and down) of the room for it lies on either side.
fn place(pose: &mut Pose, share: [f32; 2], landmarks: impl Fn(&Pose) -> Landmarks) {
    let seen = landmarks(pose).0;
    let room = |axis: fn(&Point) -> f32, length: f32, share: f32| {
        let low = seen.iter().map(axis).fold(f32::MAX, f32::min);
        let high = seen.iter().map(axis).fold(f32::MIN, f32::max);
        MARGIN_PX - low + share * (length - 2.0 * MARGIN_PX - (high - low))
    };
    let x = room(|p| p.x, FRAME_WIDTH as f32, share[0]);
    let y = room(|p| p.y, FRAME_HEIGHT as f32, share[1]);
    pose.center = Point::new(x, y);
}
